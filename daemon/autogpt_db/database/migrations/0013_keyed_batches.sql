-- Calls with idempotency keys that become one statement: what `claim_idempotency_key_v1` and the row
-- of its key are to one call, these are to many.

-- Takes the keys of calls until the end of the transaction, and returns the calls that are to be done.
-- Those are left out whose key somebody else has just now, or under which something stands already:
-- each of them is then looked at by itself. `keys` has the key of each call, in their order. As there,
-- the second statement has a snapshot of its own, taken once the locks are held.
CREATE FUNCTION autogpt_db.claimed_calls_v1(calls json, wanted_method text, keys text[])
RETURNS json
LANGUAGE plpgsql
AS $$
DECLARE
    free boolean[];
    used text[];
BEGIN
    SELECT array_agg(
               pg_try_advisory_xact_lock(hashtextextended(wanted_method || ' ' || wanted.key, 5))
               ORDER BY wanted.place
           )
      INTO free
      FROM unnest(keys) WITH ORDINALITY AS wanted (key, place);
    SELECT array_agg(kept.key)
      INTO used
      FROM autogpt_db.idempotency_key AS kept
     WHERE kept.method = wanted_method AND kept.key = ANY (keys);
    IF used IS NULL AND true = ALL (free) THEN
        RETURN calls;
    END IF;
    RETURN (
        SELECT coalesce(json_agg(given.call ORDER BY given.place), '[]')
          FROM json_array_elements(calls) WITH ORDINALITY AS given (call, place)
         WHERE free[given.place] AND keys[given.place] <> ALL (coalesce(used, '{}'))
    );
END;
$$;

-- Refuses to keep a reply that is too large: what its call has done is undone.
CREATE FUNCTION autogpt_db.refused_reply_v1(size integer)
RETURNS bytea
LANGUAGE plpgsql
AS $$
BEGIN
    RAISE EXCEPTION 'a reply of % bytes cannot be kept', size
          USING ERRCODE = 'program_limit_exceeded';
END;
$$;
