-- What AutoGPT's migrations have changed up to July 2026 (v0.6.68) in the tables of 0001_platform,
-- in their rows, and in the views over them. AutoGPT's schema, as platform_0008_new_tables.
--
-- Rows that a later constraint forbids are moved to autogpt_db.row_kept_aside.

CREATE TABLE autogpt_db.row_kept_aside (
    "table" text NOT NULL,
    reason text NOT NULL,
    content jsonb NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now()
);

-- The store's views change with what they read.

DROP VIEW platform."StoreAgent";
DROP MATERIALIZED VIEW platform.mv_agent_run_counts;

-- Labels.

ALTER TYPE platform."APIKeyPermission" ADD VALUE 'WRITE_GRAPH';
ALTER TYPE platform."APIKeyPermission" ADD VALUE 'WRITE_LIBRARY';
ALTER TYPE platform."CreditTransactionType" ADD VALUE 'SUBSCRIPTION';

-- Made anew: a label that was only added could not be named in a check by the same transaction.
-- The table is there only with pgvector.
ALTER TYPE platform."ContentType" RENAME TO "ContentTypeBefore";
CREATE TYPE platform."ContentType" AS ENUM (
    'STORE_AGENT',
    'BLOCK',
    'INTEGRATION',
    'DOCUMENTATION',
    'LIBRARY_AGENT',
    'WORKSPACE_FILE',
    'CHAT_SESSION'
);
ALTER TABLE IF EXISTS platform."UnifiedContentEmbedding"
    ALTER COLUMN "contentType" TYPE platform."ContentType"
    USING "contentType"::text::platform."ContentType";
DROP TYPE platform."ContentTypeBefore";

-- Profiles: each has a user, and each user one. What referred to a user's others refers to the one
-- that stays: the last updated.

UPDATE platform."LibraryAgent" AS entry
SET "creatorId" = kept.id
FROM platform."Profile" AS former
CROSS JOIN LATERAL (
    SELECT newest.id
    FROM platform."Profile" AS newest
    WHERE newest."userId" = former."userId"
    ORDER BY newest."updatedAt" DESC, newest.id DESC
    LIMIT 1
) AS kept
WHERE former.id = entry."creatorId"
    AND former.id <> kept.id;

WITH forbidden AS (
    DELETE FROM platform."Profile" AS profile
    WHERE profile."userId" IS NULL
        OR EXISTS (
            SELECT
            FROM platform."Profile" AS other
            WHERE other."userId" = profile."userId"
                AND (other."updatedAt", other.id) > (profile."updatedAt", profile.id)
        )
    RETURNING profile.*
)
INSERT INTO autogpt_db.row_kept_aside ("table", reason, content)
SELECT
    'Profile',
    CASE
        WHEN "userId" IS NULL THEN 'a profile belongs to a user'
        ELSE 'a user has one profile, the last updated'
    END,
    to_jsonb(forbidden)
FROM forbidden;

ALTER TABLE platform."Profile"
    ALTER COLUMN "userId" SET NOT NULL;
CREATE UNIQUE INDEX "Profile_userId_key"
    ON platform."Profile" ("userId");

-- Listings: each has its owner's profile. Versions and reviews go with their listing.

INSERT INTO autogpt_db.row_kept_aside ("table", reason, content)
SELECT 'StoreListing', 'a listing''s owner has a profile', to_jsonb(listing)
FROM platform."StoreListing" AS listing
WHERE NOT EXISTS (
    SELECT FROM platform."Profile" AS profile WHERE profile."userId" = listing."owningUserId"
);

INSERT INTO autogpt_db.row_kept_aside ("table", reason, content)
SELECT 'StoreListingVersion', 'its listing is kept aside', to_jsonb(version.*)
FROM autogpt_db.row_kept_aside AS kept
JOIN platform."StoreListingVersion" AS version
    ON version."storeListingId" = kept.content ->> 'id'
WHERE kept."table" = 'StoreListing';

INSERT INTO autogpt_db.row_kept_aside ("table", reason, content)
SELECT 'StoreListingReview', 'its listing is kept aside', to_jsonb(review)
FROM autogpt_db.row_kept_aside AS kept
JOIN platform."StoreListingReview" AS review
    ON review."storeListingVersionId" = kept.content ->> 'id'
WHERE kept."table" = 'StoreListingVersion';

DELETE FROM platform."StoreListing" AS listing
USING autogpt_db.row_kept_aside AS kept
WHERE kept."table" = 'StoreListing'
    AND listing.id = kept.content ->> 'id';

ALTER TABLE platform."StoreListing"
    DROP CONSTRAINT "StoreListing_agentGraphId_agentGraphVersion_fkey",
    DROP COLUMN "agentGraphVersion",
    ADD COLUMN "owningOrgId" text,
    ADD CONSTRAINT "StoreListing_owner_Profile_fkey" FOREIGN KEY ("owningUserId")
    REFERENCES platform."Profile" ("userId")
    ON UPDATE CASCADE ON DELETE CASCADE;
CREATE INDEX "StoreListing_owningOrgId_idx"
    ON platform."StoreListing" ("owningOrgId");
ALTER TABLE platform."StoreListing"
    ADD CONSTRAINT "StoreListing_owningOrgId_fkey" FOREIGN KEY ("owningOrgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE platform."StoreListingVersion"
    ADD COLUMN "organizationId" text;

DROP INDEX platform."StoreListingReview_reviewByUserId_idx";
CREATE INDEX "StoreListingReview_storeListingVersionId_idx"
    ON platform."StoreListingReview" ("storeListingVersionId");

-- Users: those who are there keep what they had before there were plans; new ones begin without.

ALTER TABLE platform."User"
    ADD COLUMN "subscriptionTier" platform."SubscriptionTier" NOT NULL DEFAULT 'PRO';
ALTER TABLE platform."User"
    ALTER COLUMN "subscriptionTier" SET DEFAULT 'NO_TIER';

-- Graphs, runs and what belongs to them.

ALTER TABLE platform."AgentBlock"
    ADD COLUMN "description" text,
    ADD COLUMN "optimizedDescription" text;

ALTER TABLE platform."AgentGraph"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text,
    ADD COLUMN "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    ADD CONSTRAINT "AgentGraph_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX "AgentGraph_teamId_isActive_id_version_idx"
    ON platform."AgentGraph" ("teamId", "isActive", "id", "version");

ALTER TABLE platform."AgentGraphExecution"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text,
    ADD COLUMN "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    ADD COLUMN "sharedVia" platform."SharedVia",
    ADD CONSTRAINT "AgentGraphExecution_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX "AgentGraphExecution_teamId_isDeleted_createdAt_idx"
    ON platform."AgentGraphExecution" ("teamId", "isDeleted", "createdAt");
-- So far only users have shared runs.
UPDATE platform."AgentGraphExecution"
SET "sharedVia" = 'USER'
WHERE "isShared";

-- The execution may lie elsewhere.
ALTER TABLE platform."PendingHumanReview"
    DROP CONSTRAINT "PendingHumanReview_graphExecId_fkey",
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text;

ALTER TABLE platform."AgentPreset"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text,
    ADD COLUMN "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    ADD CONSTRAINT "AgentPreset_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX "AgentPreset_teamId_idx"
    ON platform."AgentPreset" ("teamId");

ALTER TABLE platform."IntegrationWebhook"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text,
    ADD COLUMN "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    ADD CONSTRAINT "IntegrationWebhook_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;

ALTER TABLE platform."LibraryAgent"
    ADD COLUMN "folderId" text,
    ADD COLUMN "isHidden" boolean NOT NULL DEFAULT false,
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text,
    ADD COLUMN "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    ADD CONSTRAINT "LibraryAgent_folderId_fkey" FOREIGN KEY ("folderId")
    REFERENCES platform."LibraryFolder" ("id")
    ON UPDATE CASCADE ON DELETE RESTRICT,
    ADD CONSTRAINT "LibraryAgent_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
CREATE INDEX "LibraryAgent_folderId_idx"
    ON platform."LibraryAgent" ("folderId");
CREATE INDEX "LibraryAgent_isHidden_idx"
    ON platform."LibraryAgent" ("userId", "isHidden")
    WHERE "isDeleted" = false AND "isArchived" = false;
CREATE INDEX "LibraryAgent_teamId_idx"
    ON platform."LibraryAgent" ("teamId");

ALTER TABLE platform."UserNotificationBatch"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "teamId" text;

ALTER TABLE platform."OAuthApplication"
    ADD COLUMN "organizationId" text,
    ADD COLUMN "ownerType" platform."CredentialOwnerType",
    ADD COLUMN "teamIdRestriction" text;

-- Functions. Those for new users are for Supabase's auth.users, which a private cluster lacks; they
-- are here because AutoGPT's migrations leave them.

CREATE FUNCTION platform.refresh_suggested_blocks_view() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_suggested_blocks;
    RAISE NOTICE 'Suggested blocks refreshed concurrently at %', now();
EXCEPTION WHEN OTHERS THEN
    REFRESH MATERIALIZED VIEW mv_suggested_blocks;
    RAISE NOTICE 'Suggested blocks refreshed plainly at % because of: %', now(), SQLERRM;
END
$$;

CREATE FUNCTION platform.generate_username() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    adjectives CONSTANT text[] := ARRAY[
        'amber', 'brave', 'calm', 'clever', 'gentle', 'happy', 'lucky', 'quick', 'quiet', 'witty'
    ];
    animals CONSTANT text[] := ARRAY[
        'badger', 'crane', 'dolphin', 'falcon', 'fox', 'heron', 'lynx', 'otter', 'panda', 'raven'
    ];
    candidate text;
BEGIN
    FOR attempt IN 1..10 LOOP
        candidate := format(
            '%s-%s-%s',
            adjectives[1 + floor(random() * cardinality(adjectives))::integer],
            animals[1 + floor(random() * cardinality(animals))::integer],
            lpad(floor(random() * 100000)::integer::text, 5, '0')
        );
        IF NOT EXISTS (
            SELECT FROM platform."Profile" AS profile WHERE profile.username = candidate
        ) THEN
            RETURN candidate;
        END IF;
    END LOOP;
    RAISE EXCEPTION 'No free username was found in ten tries';
END
$$;

CREATE FUNCTION platform.add_user_and_profile_to_platform() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = platform AS $$
BEGIN
    INSERT INTO platform."User" (id, email, "updatedAt")
    VALUES (NEW.id, NEW.email, now());
    INSERT INTO platform."Profile"
        (id, "userId", name, username, description, links, "avatarUrl", "updatedAt")
    VALUES (
        NEW.id,
        NEW.id,
        split_part(NEW.email, '@', 1),
        platform.generate_username(),
        'I''m new here',
        '{}',
        '',
        now()
    );
    RETURN NEW;
EXCEPTION WHEN OTHERS THEN
    RAISE EXCEPTION 'The user % could not be added: %', NEW.id, SQLERRM;
END
$$;

CREATE FUNCTION platform.migrate_text_column_to_json(
    p_table text, p_col text, p_default json, p_set_nullable boolean
) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    place CONSTANT name := 'platform';
BEGIN
    EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I DROP DEFAULT', place, p_table, p_col);
    IF p_set_nullable THEN
        EXECUTE format('ALTER TABLE %I.%I ALTER COLUMN %I DROP NOT NULL', place, p_table, p_col);
    END IF;
    EXECUTE format(
        'ALTER TABLE %I.%I ALTER COLUMN %I TYPE jsonb USING %I::jsonb',
        place, p_table, p_col, p_col
    );
    IF p_default IS NOT NULL THEN
        EXECUTE format(
            'ALTER TABLE %I.%I ALTER COLUMN %I SET DEFAULT %L::jsonb',
            place, p_table, p_col, p_default::text
        );
    END IF;
END
$$;

-- Views.

-- Runs of others than the graph's owner; each counts once for every version of the graph.
CREATE MATERIALIZED VIEW platform.mv_agent_run_counts AS
SELECT execution."agentGraphId" AS graph_id, count(*) AS run_count
FROM platform."AgentGraphExecution" AS execution
JOIN platform."AgentGraph" AS graph
    ON graph.id = execution."agentGraphId"
WHERE graph."userId" <> execution."userId"
GROUP BY execution."agentGraphId";
CREATE UNIQUE INDEX "idx_mv_agent_run_counts"
    ON platform.mv_agent_run_counts (graph_id);

-- As of the last refresh.
CREATE MATERIALIZED VIEW platform.mv_suggested_blocks AS
SELECT node."agentBlockId" AS block_id, count(execution.id) AS execution_count
FROM platform."AgentNodeExecution" AS execution
JOIN platform."AgentNode" AS node
    ON node.id = execution."agentNodeId"
WHERE execution."endedTime" >= now() - INTERVAL '14 days'
GROUP BY node."agentBlockId"
ORDER BY execution_count DESC;
CREATE UNIQUE INDEX "idx_mv_suggested_blocks_block_id"
    ON platform.mv_suggested_blocks (block_id);

-- A listing with its active version, which must be approved.
CREATE VIEW platform."StoreAgent" AS
SELECT
    listing.id AS listing_id,
    version.id AS listing_version_id,
    version."createdAt" AS updated_at,
    listing.slug,
    coalesce(version.name, '') AS agent_name,
    version."videoUrl" AS agent_video,
    version."agentOutputDemoUrl" AS agent_output_demo,
    coalesce(version."imageUrls", ARRAY[]::text[]) AS agent_image,
    version."isFeatured" AS featured,
    profile.username AS creator_username,
    profile."avatarUrl" AS creator_avatar,
    version."subHeading" AS sub_heading,
    version.description,
    version.categories,
    coalesce(runs.run_count, 0::bigint) AS runs,
    coalesce(reviews.avg_rating, 0)::double precision AS rating,
    coalesce(approved.versions, ARRAY[version.version::text]) AS versions,
    version."agentGraphId" AS graph_id,
    coalesce(approved.graph_versions, ARRAY[version."agentGraphVersion"::text]) AS graph_versions,
    version."isAvailable" AS is_available,
    coalesce(listing."useForOnboarding", false) AS use_for_onboarding,
    version."recommendedScheduleCron" AS recommended_schedule_cron,
    listing."owningOrgId" AS owning_org_id
FROM platform."StoreListing" AS listing
JOIN platform."StoreListingVersion" AS version
    ON version.id = listing."activeVersionId"
    AND version."storeListingId" = listing.id
    AND version."submissionStatus" = 'APPROVED'
JOIN platform."AgentGraph" AS graph
    ON graph.id = version."agentGraphId"
    AND graph.version = version."agentGraphVersion"
CROSS JOIN LATERAL (
    SELECT
        array_agg(DISTINCT one.version::text ORDER BY one.version::text) AS versions,
        array_agg(DISTINCT one."agentGraphVersion"::text ORDER BY one."agentGraphVersion"::text)
            AS graph_versions
    FROM platform."StoreListingVersion" AS one
    WHERE one."storeListingId" = listing.id
        AND one."submissionStatus" = 'APPROVED'
) AS approved
LEFT JOIN platform."Profile" AS profile
    ON profile."userId" = listing."owningUserId"
LEFT JOIN platform.mv_review_stats AS reviews
    ON reviews."storeListingId" = listing.id
LEFT JOIN platform.mv_agent_run_counts AS runs
    ON runs.graph_id = version."agentGraphId"
WHERE NOT listing."isDeleted"
    AND listing."hasApprovedVersion";

-- Every version of every listing that is not deleted.
CREATE VIEW platform."StoreSubmission" AS
SELECT
    listing.id AS listing_id,
    listing."owningUserId" AS user_id,
    listing.slug,
    version.id AS listing_version_id,
    version.version AS listing_version,
    version."agentGraphId" AS graph_id,
    version."agentGraphVersion" AS graph_version,
    version.name,
    version."subHeading" AS sub_heading,
    version.description,
    version.instructions,
    version.categories,
    version."imageUrls" AS image_urls,
    version."videoUrl" AS video_url,
    version."agentOutputDemoUrl" AS agent_output_demo_url,
    version."submittedAt" AS submitted_at,
    version."changesSummary" AS changes_summary,
    version."submissionStatus" AS status,
    version."reviewedAt" AS reviewed_at,
    version."reviewerId" AS reviewer_id,
    version."reviewComments" AS review_comments,
    version."internalComments" AS internal_comments,
    version."isDeleted" AS is_deleted,
    coalesce(runs.run_count, 0::bigint) AS run_count,
    reviews.review_count,
    reviews.review_avg_rating,
    listing."owningOrgId" AS organization_id
FROM platform."StoreListing" AS listing
JOIN platform."StoreListingVersion" AS version
    ON version."storeListingId" = listing.id
CROSS JOIN LATERAL (
    SELECT
        count(*) AS review_count,
        coalesce(avg(review.score::numeric), 0)::double precision AS review_avg_rating
    FROM platform."StoreListingReview" AS review
    WHERE review."storeListingVersionId" = version.id
) AS reviews
LEFT JOIN platform.mv_agent_run_counts AS runs
    ON runs.graph_id = version."agentGraphId"
WHERE NOT listing."isDeleted";

-- A profile with the figures of its listings. They are taken over listings x approved versions x
-- reviews x categories, so counts multiply, and no review counts as 0: as upstream shows them.
CREATE VIEW platform."StoreCreator" AS
SELECT
    profile.username,
    profile.name,
    profile."avatarUrl" AS avatar_url,
    profile.description,
    coalesce(
        array_agg(DISTINCT category.name ORDER BY category.name)
            FILTER (WHERE category.name <> ''),
        ARRAY[]::text[]
    ) AS top_categories,
    profile.links,
    profile."isFeatured" AS is_featured,
    count(DISTINCT version."storeListingId") AS num_agents,
    coalesce(avg(coalesce(review.score, 0)::numeric) FILTER (WHERE version.id IS NOT NULL), 0.0)
        AS agent_rating,
    coalesce(sum(coalesce(runs.run_count, 0)) FILTER (WHERE version.id IS NOT NULL), 0)
        AS agent_runs,
    organization.name AS org_name
FROM platform."Profile" AS profile
LEFT JOIN platform."StoreListing" AS listing
    ON listing."owningUserId" = profile."userId"
    AND NOT listing."isDeleted"
    AND listing."hasApprovedVersion"
LEFT JOIN platform."StoreListingVersion" AS version
    ON version."storeListingId" = listing.id
    AND version."submissionStatus" = 'APPROVED'
LEFT JOIN platform."StoreListingReview" AS review
    ON review."storeListingVersionId" = version.id
LEFT JOIN LATERAL unnest(version.categories) AS category (name)
    ON true
LEFT JOIN platform.mv_agent_run_counts AS runs
    ON runs.graph_id = version."agentGraphId"
LEFT JOIN (
    platform."OrgMember" AS membership
    JOIN platform."Organization" AS organization
        ON organization.id = membership."orgId"
        AND organization."isPersonal"
)
    ON membership."userId" = profile."userId"
    AND membership."isOwner"
GROUP BY profile.id, organization.id;

CREATE VIEW platform."Creator" AS
SELECT
    username,
    name,
    avatar_url,
    description,
    top_categories,
    links,
    is_featured,
    num_agents,
    agent_rating,
    agent_runs
FROM platform."StoreCreator";
