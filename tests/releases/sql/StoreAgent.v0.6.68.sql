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
