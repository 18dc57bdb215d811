CREATE MATERIALIZED VIEW platform.mv_review_stats AS
SELECT
    listing.id AS "storeListingId",
    count(review.id) AS review_count,
    avg(review.score::numeric) AS avg_rating
FROM platform."StoreListing" AS listing
JOIN platform."StoreListingVersion" AS version
    ON version."storeListingId" = listing.id
    AND version."submissionStatus" = 'APPROVED'
LEFT JOIN platform."StoreListingReview" AS review
    ON review."storeListingVersionId" = version.id
WHERE NOT listing."isDeleted"
GROUP BY listing.id;
