-- What a write with a client's key has answered, written with what it wrote: a repeat gets the same
-- bytes. `transaction_id` tells a call whose connection died at COMMIT that the row is its own.
CREATE TABLE autogpt_db.idempotency_key (
    method text NOT NULL,
    key text NOT NULL,
    fingerprint bytea NOT NULL,
    status smallint NOT NULL,
    reply bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (method, key)
);

CREATE INDEX idempotency_key_created_at_idx ON autogpt_db.idempotency_key (created_at);

-- Takes a key until the end of the transaction, unless somebody else has it; nobody waits here.
-- Two statements in one round trip: the second has a snapshot of its own, taken once the lock is
-- held, and so sees what the lock's last holder has committed.
CREATE FUNCTION autogpt_db.claim_idempotency_key_v1(
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
