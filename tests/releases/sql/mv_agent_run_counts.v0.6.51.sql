-- Runs of others than the graph's owner; each counts once for every version of the graph.
CREATE MATERIALIZED VIEW platform.mv_agent_run_counts AS
SELECT execution."agentGraphId" AS graph_id, count(*) AS run_count
FROM platform."AgentGraphExecution" AS execution
JOIN platform."AgentGraph" AS graph
    ON graph.id = execution."agentGraphId"
WHERE graph."userId" <> execution."userId"
GROUP BY execution."agentGraphId";
