-- Read by no method that is served here: its columns are known, not its words.
CREATE VIEW platform."StoreSubmission" AS
SELECT
    listing.id AS listing_id,
    listing."owningUserId" AS user_id,
    version."agentGraphId" AS agent_id,
    version."agentGraphVersion" AS agent_version,
    listing.slug,
    coalesce(version.name, '') AS name,
    version."subHeading" AS sub_heading,
    version.description,
    version.instructions,
    version."imageUrls" AS image_urls,
    version."submittedAt" AS date_submitted,
    version."submissionStatus" AS status,
    (
        SELECT count(*)
        FROM platform."AgentGraphExecution" AS execution
        WHERE execution."agentGraphId" = version."agentGraphId"
    ) AS runs,
    coalesce(
        (
            SELECT avg(review.score::numeric)
            FROM platform."StoreListingReview" AS review
            WHERE review."storeListingVersionId" = version.id
        ),
        0
    )::double precision AS rating,
    version.id AS store_listing_version_id,
    version."reviewerId" AS reviewer_id,
    version."reviewComments" AS review_comments,
    version."internalComments" AS internal_comments,
    version."reviewedAt" AS reviewed_at,
    version."changesSummary" AS changes_summary,
    version."videoUrl" AS video_url,
    version.categories
FROM platform."StoreListing" AS listing
JOIN platform."StoreListingVersion" AS version
    ON version."storeListingId" = listing.id
WHERE NOT listing."isDeleted";
