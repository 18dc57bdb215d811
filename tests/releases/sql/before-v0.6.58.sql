UPDATE platform."User"
SET "subscriptionTier" = 'NO_TIER'
WHERE "subscriptionTier" = 'BASIC';
