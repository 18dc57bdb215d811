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
    reviews.review_avg_rating
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
