-- The functions of 0005 and 0013 that look keys up, by the index of the table however little there was
-- in it when that was planned. A session keeps a plan until the table is analysed, for a minute or for
-- good; made while the table was empty, or held one page, it would be to read it to its end.

CREATE FUNCTION autogpt_db.claim_idempotency_key_v2(
    wanted_method text,
    wanted_key text,
    keep interval,
    OUT claimed boolean,
    OUT fingerprint bytea,
    OUT status smallint,
    OUT reply bytea,
    OUT transaction_id text
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
AS $$
BEGIN
    claimed := pg_try_advisory_xact_lock(hashtextextended(wanted_method || ' ' || wanted_key, 5));
    IF claimed THEN
        SELECT kept.fingerprint, kept.status, kept.reply, kept.transaction_id::text
          INTO fingerprint, status, reply, transaction_id
          FROM autogpt_db.idempotency_key AS kept
         WHERE kept.method = wanted_method
           AND kept.key = wanted_key
           AND kept.created_at > clock_timestamp() - keep;
    END IF;
END;
$$;

-- Each key is looked up by itself: of `key = ANY (keys)` PostgreSQL 15 makes a filter where it takes a
-- method for one of few rows, and reads all that the method has.
CREATE FUNCTION autogpt_db.claimed_calls_v2(calls json, wanted_method text, keys text[])
RETURNS json
LANGUAGE plpgsql
SET enable_seqscan = off
SET plan_cache_mode = force_generic_plan
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
    SELECT array_agg(wanted.key)
      INTO used
      FROM unnest(keys) AS wanted (key)
     WHERE (
               SELECT true
                 FROM autogpt_db.idempotency_key AS kept
                WHERE kept.method = wanted_method AND kept.key = wanted.key
           );
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
