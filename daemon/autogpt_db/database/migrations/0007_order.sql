-- The values of a node execution keep the order in which they were written.
--
-- AutoGPT's "time" has milliseconds, and several calls fit into one; where a row lies in its table
-- says nothing once space in it was freed. So the ids of our rows begin with their moment.

-- A UUID of version 7 (RFC 9562): milliseconds, microseconds in rand_a, then the row's place among
-- those of one statement (0 to 16383). PostgreSQL has its own from 18 on only.
CREATE FUNCTION autogpt_db.ordered_id_v1(place integer) RETURNS text
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (
    lpad(to_hex((extract(epoch FROM statement_timestamp()) * 1000000)::bigint / 1000), 12, '0')
    || '7'
    || lpad(to_hex((extract(epoch FROM statement_timestamp()) * 1000000)::bigint % 1000), 3, '0')
    || to_hex(32768 + place % 16384)
    || right(gen_random_uuid()::text, 12)
)::uuid::text;

-- What such rows are ordered by within a millisecond; NULL for the random ids of others.
CREATE FUNCTION autogpt_db.written_v1(id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN substr(id, 15, 1) = '7' THEN id END COLLATE "C";
