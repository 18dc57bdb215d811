UPDATE platform."AgentGraphExecution"
SET "sharedVia" = 'USER'
WHERE "isShared";

DELETE FROM platform."UnifiedContentEmbedding"
WHERE "contentType" = 'LIBRARY_AGENT'
    AND "userId" IS NULL;
