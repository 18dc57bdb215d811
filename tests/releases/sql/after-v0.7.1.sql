UPDATE platform."UserOnboarding" AS onboarding
SET
    "completedSteps" = renamed."completedSteps",
    notified = renamed.notified,
    "rewardedFor" = renamed."rewardedFor"
FROM (
    SELECT
        id,
        array_replace(
            array_replace("completedSteps", 'VISIT_COPILOT', 'ONBOARDING_COMPLETE'),
            'MARKETPLACE_RUN_AGENT', 'LIBRARY_RUN_AGENT'
        ) AS "completedSteps",
        array_replace(
            array_replace(notified, 'VISIT_COPILOT', 'ONBOARDING_COMPLETE'),
            'MARKETPLACE_RUN_AGENT', 'LIBRARY_RUN_AGENT'
        ) AS notified,
        array_replace(
            array_replace("rewardedFor", 'VISIT_COPILOT', 'ONBOARDING_COMPLETE'),
            'MARKETPLACE_RUN_AGENT', 'LIBRARY_RUN_AGENT'
        ) AS "rewardedFor"
    FROM platform."UserOnboarding"
) AS renamed
WHERE renamed.id = onboarding.id;
