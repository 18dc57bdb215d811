CREATE OR REPLACE FUNCTION platform.refresh_store_materialized_views() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_agent_run_counts;
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_review_stats;
    RAISE NOTICE 'Store views refreshed concurrently at %', now();
EXCEPTION WHEN OTHERS THEN
    REFRESH MATERIALIZED VIEW mv_agent_run_counts;
    REFRESH MATERIALIZED VIEW mv_review_stats;
    RAISE NOTICE 'Store views refreshed plainly at % because of: %', now(), SQLERRM;
END
$$;
