CREATE OR REPLACE FUNCTION platform.refresh_suggested_blocks_view() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_suggested_blocks;
    RAISE NOTICE 'Suggested blocks refreshed concurrently at %', now();
EXCEPTION WHEN OTHERS THEN
    REFRESH MATERIALIZED VIEW mv_suggested_blocks;
    RAISE NOTICE 'Suggested blocks refreshed plainly at % because of: %', now(), SQLERRM;
END
$$;
