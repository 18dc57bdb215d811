-- What has changed, for whoever listens: executions' statuses and balances, written with the changes
-- themselves where events.enabled says so. Read in the order of the transactions, and only below the
-- oldest one that is still under way: who commits late is never passed over. Events of one transaction
-- are in the order of their numbers. The API processes keep the table small.
CREATE TABLE autogpt_db.live_event (
    transaction_id xid8 NOT NULL DEFAULT pg_current_xact_id(),
    number bigint GENERATED ALWAYS AS IDENTITY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    balance integer,
    status text,
    user_id text,
    organization_id text,
    graph_id text,
    graph_execution_id text,
    node_id text,
    node_execution_id text,
    PRIMARY KEY (transaction_id, number)
) WITH (
    -- Much comes and goes at its two ends.
    autovacuum_vacuum_scale_factor = 0.05,
    autovacuum_vacuum_insert_scale_factor = 0.5
);

-- Up to where events have been deleted, at most one row: who has read less far has missed some.
CREATE TABLE autogpt_db.live_event_trim (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    transaction_id xid8 NOT NULL,
    number bigint NOT NULL
);
