-- Every run of a graph counts.
CREATE MATERIALIZED VIEW platform.mv_agent_run_counts AS
SELECT execution."agentGraphId", count(*) AS run_count
FROM platform."AgentGraphExecution" AS execution
GROUP BY execution."agentGraphId";
