-- What of AutoGPT's schema needs pgvector: the embeddings that store search ranks by meaning with.
-- Left out where the extension is not to be had; applied at the first start after it has come.
-- An extension that another schema holds already is used from there (search_path).

CREATE EXTENSION IF NOT EXISTS vector SCHEMA platform;

CREATE TABLE platform."UnifiedContentEmbedding" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "contentType" platform."ContentType" NOT NULL,
    "contentId" text NOT NULL,
    "userId" text,
    "embedding" vector(1536) NOT NULL,
    "searchableText" text NOT NULL,
    "metadata" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "search" tsvector DEFAULT ''::tsvector,
    CONSTRAINT "UnifiedContentEmbedding_pkey" PRIMARY KEY (id)
);
CREATE UNIQUE INDEX "UnifiedContentEmbedding_contentType_contentId_userId_key"
    ON platform."UnifiedContentEmbedding" ("contentType", "contentId", "userId") NULLS NOT DISTINCT;
CREATE INDEX "UnifiedContentEmbedding_contentType_idx"
    ON platform."UnifiedContentEmbedding" ("contentType");
CREATE INDEX "UnifiedContentEmbedding_contentType_userId_idx"
    ON platform."UnifiedContentEmbedding" ("contentType", "userId");
CREATE INDEX "UnifiedContentEmbedding_embedding_idx"
    ON platform."UnifiedContentEmbedding" USING hnsw (embedding vector_cosine_ops);
CREATE INDEX "UnifiedContentEmbedding_search_idx"
    ON platform."UnifiedContentEmbedding" USING gin (search);
CREATE INDEX "UnifiedContentEmbedding_userId_idx"
    ON platform."UnifiedContentEmbedding" ("userId");

CREATE FUNCTION platform.update_unified_tsvector_column() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = platform, pg_temp AS $$
BEGIN
    NEW.search := to_tsvector('english', NEW."searchableText");
    RETURN NEW;
END
$$;

CREATE TRIGGER update_unified_tsvector
    BEFORE INSERT OR UPDATE ON platform."UnifiedContentEmbedding"
    FOR EACH ROW EXECUTE FUNCTION platform.update_unified_tsvector_column();
