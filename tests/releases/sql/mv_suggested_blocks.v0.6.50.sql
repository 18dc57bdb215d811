-- As of the last refresh.
CREATE MATERIALIZED VIEW platform.mv_suggested_blocks AS
SELECT node."agentBlockId" AS block_id, count(execution.id) AS execution_count
FROM platform."AgentNodeExecution" AS execution
JOIN platform."AgentNode" AS node
    ON node.id = execution."agentNodeId"
WHERE execution."endedTime" >= now() - INTERVAL '14 days'
GROUP BY node."agentBlockId"
ORDER BY execution_count DESC;
