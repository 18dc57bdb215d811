-- Automatic top-ups whose end is not known yet. Their entries in AutoGPT's ledger look like those
-- that AutoGPT's own services reserve; a row here says that an entry is ours to see to.
CREATE TABLE autogpt_db.top_up_reservation (
    transaction_key text NOT NULL,
    user_id text NOT NULL,
    customer text,
    reserved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    looked_at timestamptz,
    finding text,
    PRIMARY KEY (transaction_key, user_id)
);
