-- A listing with its newest approved version, whichever is active.
CREATE VIEW platform."StoreAgent" AS
SELECT
    listing.id AS listing_id,
    version.id AS "storeListingVersionId",
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
    approved.versions,
    approved."agentGraphVersions",
    version."agentGraphId",
    version."isAvailable" AS is_available,
    coalesce(listing."useForOnboarding", false) AS "useForOnboarding"
FROM platform."StoreListing" AS listing
CROSS JOIN LATERAL (
    SELECT newest.*
    FROM platform."StoreListingVersion" AS newest
    WHERE newest."storeListingId" = listing.id
        AND newest."submissionStatus" = 'APPROVED'
    ORDER BY newest.version DESC
    LIMIT 1
) AS version
CROSS JOIN LATERAL (
    SELECT
        array_agg(one.version::text ORDER BY one.version::text) AS versions,
        array_agg(DISTINCT one."agentGraphVersion"::text ORDER BY one."agentGraphVersion"::text)
            AS "agentGraphVersions"
    FROM platform."StoreListingVersion" AS one
    WHERE one."storeListingId" = listing.id
        AND one."submissionStatus" = 'APPROVED'
) AS approved
JOIN platform."AgentGraph" AS graph
    ON graph.id = version."agentGraphId"
    AND graph.version = version."agentGraphVersion"
LEFT JOIN platform."Profile" AS profile
    ON profile."userId" = listing."owningUserId"
LEFT JOIN platform.mv_agent_run_counts AS runs
    ON runs."agentGraphId" = version."agentGraphId"
LEFT JOIN platform.mv_review_stats AS reviews
    ON reviews."storeListingId" = listing.id
WHERE NOT listing."isDeleted"
    AND listing."hasApprovedVersion";
