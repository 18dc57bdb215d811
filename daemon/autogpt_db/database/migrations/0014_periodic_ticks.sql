-- When a periodic job is due, every host enters the tick, and the mark of the first keeps the others
-- out. Procrastinate deletes the marks of earlier ticks with each later one, so that a host which was
-- frozen between its look at the clock and its entry found no mark, and the job ran twice for one tick.

-- Leaves a tick out where a later one of the same job has been entered: procrastinate takes it, as any
-- row that is not inserted, for "already deferred". A tick that lies more than five minutes ahead was
-- entered by a host whose clock is wrong, and stops nobody.
CREATE FUNCTION autogpt_db.leave_out_earlier_tick_v1() RETURNS trigger
LANGUAGE plpgsql
AS $$
BEGIN
    -- One at a time: an entry that is not committed yet has deleted marks, and cannot be seen.
    PERFORM pg_advisory_xact_lock(
        hashtextextended('ticks of ' || NEW.task_name || ' ' || NEW.periodic_id, 0)
    );
    -- A statement of its own, so that its snapshot is taken once the lock is held.
    PERFORM FROM autogpt_db.procrastinate_periodic_defers AS entered
      WHERE entered.task_name = NEW.task_name
        AND entered.periodic_id = NEW.periodic_id
        AND entered.defer_timestamp > NEW.defer_timestamp
        AND entered.defer_timestamp <= extract(epoch FROM clock_timestamp()) + 300;
    RETURN CASE WHEN FOUND THEN NULL ELSE NEW END;
END;
$$;

CREATE TRIGGER leave_out_earlier_tick
BEFORE INSERT ON autogpt_db.procrastinate_periodic_defers
FOR EACH ROW EXECUTE FUNCTION autogpt_db.leave_out_earlier_tick_v1();
