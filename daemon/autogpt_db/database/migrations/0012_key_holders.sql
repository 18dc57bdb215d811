-- Which processes hold which encryption keys, as they say themselves every few seconds: rotate-key
-- asks before it takes a key away from what they read. Keys are here as salted hashes alone.
CREATE TABLE autogpt_db.key_holder (
    process uuid PRIMARY KEY,
    name text NOT NULL,
    client_address inet,
    salt bytea NOT NULL,
    present_key bytea,
    previous_key bytea,
    seen_at timestamptz NOT NULL
);
