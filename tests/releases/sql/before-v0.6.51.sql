-- A profile without a user is worth nothing; of a user's several the last updated one stays.
DELETE FROM platform."Profile" AS profile
WHERE profile."userId" IS NULL
    OR EXISTS (
        SELECT
        FROM platform."Profile" AS other
        WHERE other."userId" = profile."userId"
            AND (other."updatedAt", other.id) > (profile."updatedAt", profile.id)
    );
