-- The rest of AutoGPT's schema, as platform_0008_new_tables, that needs pgvector (0001_vector).

WITH forbidden AS (
    DELETE FROM platform."UnifiedContentEmbedding"
    WHERE "contentType" IN ('LIBRARY_AGENT', 'WORKSPACE_FILE', 'CHAT_SESSION')
        AND "userId" IS NULL
    RETURNING *
)
INSERT INTO autogpt_db.row_kept_aside ("table", reason, content)
SELECT
    'UnifiedContentEmbedding',
    'what is a user''s own names the user',
    to_jsonb(forbidden) || jsonb_build_object('embedding', forbidden.embedding::text)
FROM forbidden;

ALTER TABLE platform."UnifiedContentEmbedding"
    ADD CONSTRAINT "UnifiedContentEmbedding_user_scoped_requires_user" CHECK (
        "contentType" NOT IN ('LIBRARY_AGENT', 'WORKSPACE_FILE', 'CHAT_SESSION')
        OR "userId" IS NOT NULL
    );
