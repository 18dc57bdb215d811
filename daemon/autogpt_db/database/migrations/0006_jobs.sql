-- What the workers keep beside procrastinate's tables.

-- Every start of a job. `token` grows with each, and is what fences: a run may only write in a
-- transaction that has found its own row here, locked it, and seen that it hasn't ended. Whoever
-- takes a job away from a worker that fell silent ends the row first.
CREATE TABLE autogpt_db.job_run (
    token bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id bigint NOT NULL,
    job text NOT NULL,
    key text,
    attempt integer NOT NULL,
    process text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    ended_at timestamptz,
    outcome text,
    reason text,
    result jsonb,
    done bigint,
    total bigint,
    progressed_at timestamptz,
    CONSTRAINT job_run_outcome_check CHECK (
        outcome IN ('succeeded', 'retried', 'failed', 'aborted', 'handed back', 'taken away')
    ),
    CONSTRAINT job_run_ended_check CHECK ((ended_at IS NULL) = (outcome IS NULL))
);
CREATE INDEX job_run_job_id_idx ON autogpt_db.job_run (job_id) WHERE ended_at IS NULL;
CREATE INDEX job_run_job_token_idx ON autogpt_db.job_run (job, token);
CREATE INDEX job_run_ended_at_idx ON autogpt_db.job_run (ended_at);

-- Jobs that an operator has paused: they are queued, and not started.
CREATE TABLE autogpt_db.job_pause (
    job text PRIMARY KEY,
    paused_at timestamptz NOT NULL DEFAULT now()
);

-- What the jobs have measured last.
CREATE TABLE autogpt_db.job_figure (
    job text NOT NULL,
    name text NOT NULL,
    labels jsonb NOT NULL DEFAULT '{}',
    value double precision NOT NULL,
    measured_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, name, labels)
);

-- How far the jobs have come that walk through a table, so that the next run goes on there.
CREATE TABLE autogpt_db.job_position (
    job text NOT NULL,
    name text NOT NULL,
    position timestamp NOT NULL,
    PRIMARY KEY (job, name)
);

-- procrastinate asks for every job that it fetches whether another one holds its lock.
CREATE INDEX procrastinate_jobs_lock_waiting_idx ON autogpt_db.procrastinate_jobs (lock)
 WHERE status IN ('todo', 'doing');
