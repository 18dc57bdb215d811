-- Indexes for searches within words, of AutoGPT's schema as platform_0008_new_tables. They need
-- pg_trgm; left out where it is not to be had, applied at the first start after it has come.

CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA platform;

CREATE INDEX "AgentGraph_description_trgm_idx"
    ON platform."AgentGraph" USING gin ("description" gin_trgm_ops);
CREATE INDEX "AgentGraph_name_trgm_idx"
    ON platform."AgentGraph" USING gin ("name" gin_trgm_ops);
CREATE INDEX "StoreListing_slug_trgm_idx"
    ON platform."StoreListing" USING gin ("slug" gin_trgm_ops);
CREATE INDEX "StoreListingVersion_name_trgm_idx"
    ON platform."StoreListingVersion" USING gin ("name" gin_trgm_ops);
CREATE INDEX "StoreListingVersion_subHeading_trgm_idx"
    ON platform."StoreListingVersion" USING gin ("subHeading" gin_trgm_ops);
