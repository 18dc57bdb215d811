-- A profile with the figures of its listings. They are taken over listings x approved versions x
-- reviews x categories, so counts multiply, and no review counts as 0: as upstream shows them.
CREATE VIEW platform."Creator" AS
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
        AS agent_runs
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
GROUP BY profile.id;
