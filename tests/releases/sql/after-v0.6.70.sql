UPDATE platform."LibraryAgent" AS entry
SET "lastRunAt" = run.latest
FROM (
    SELECT "agentGraphId", "userId", max("createdAt") AS latest
    FROM platform."AgentGraphExecution"
    GROUP BY "agentGraphId", "userId"
) AS run
WHERE run."agentGraphId" = entry."agentGraphId"
    AND run."userId" = entry."userId";
