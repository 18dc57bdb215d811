"""Of each table, what of its rows is comparable between two servers that took the same calls."""

from __future__ import annotations

ROWS = {
    "AgentBlock": """
        SELECT "id", "description", "optimizedDescription"
          FROM "AgentBlock"
         WHERE "description" IS NOT NULL
    """,
    "AgentGraphExecution": """
        SELECT CASE WHEN length("id") < 10 THEN "id" ELSE '<id>' END AS "id",
               "agentGraphId", "userId", "executionStatus", "stats", "isShared",
               "shareToken" IS NOT NULL AS tok,
               "sharedAt" IS NOT NULL AS at,
               "sharedVia", "organizationId", "teamId",
               "endedAt" IS NOT NULL AS ended,
               "updatedAt" > '2026-02-01' AS touched
          FROM "AgentGraphExecution"
    """,
    "AgentNodeExecution": """
        SELECT CASE WHEN length("id") < 10 THEN "id" ELSE '<id>' END AS "id",
               "agentNodeId", "executionStatus", "stats",
               "endedTime" IS NOT NULL AS ended
          FROM "AgentNodeExecution"
         WHERE "agentGraphExecutionId" IN ('e11', 'e13', 'e16')
    """,
    "AgentPreset": """
        SELECT "name", "description", "isActive", "userId", "agentGraphId", "agentGraphVersion",
               "isDeleted", "webhookId", "organizationId", "teamId",
               (SELECT jsonb_object_agg(input."name", input."data")
                  FROM "AgentNodeExecutionInputOutput" AS input
                 WHERE input."agentPresetId" = preset."id") AS inputs
          FROM "AgentPreset" AS preset
    """,
    "BotEvent": """
        SELECT to_jsonb(event) - 'id' - 'createdAt' AS j
          FROM "BotEvent" AS event
    """,
    "BotGuild": """
        SELECT "platform", "serverId", "name",
               "leftAt" IS NOT NULL AS left_,
               "lastSeenAt" > '2026-02-01' AS seen_now,
               "joinedAt" > '2026-02-01' AS joined_now
          FROM "BotGuild"
    """,
    "ChatLinkedShare": """
        SELECT "sessionId", "executionId" FROM "ChatLinkedShare"
    """,
    "ChatMessage": """
        SELECT "sessionId", "role", "content", "name", "toolCallId", "refusal", "toolCalls",
               "functionCall", "sequence", "durationMs", "metadata"
          FROM "ChatMessage"
    """,
    "ChatSession": """
        SELECT CASE WHEN "id" ~ '^[a-z]+[0-9]+$' OR "id" = '' THEN "id" ELSE '<id>' END AS "id",
               "userId", "title", "credentials", "successfulAgentRuns",
               "successfulAgentSchedules", "metadata", "totalPromptTokens",
               "totalCompletionTokens", "chatStatus", "organizationId", "teamId", "visibility",
               "isPinned", "isShared", "autoShareExecutions",
               "updatedAt" > '2026-02-01' AS bumped
          FROM "ChatSession"
    """,
    "CoPilotUnderstanding": """
        SELECT "userId", "data" FROM "CoPilotUnderstanding"
    """,
    "CreditTransaction": """
        SELECT "userId", "amount", "type", "runningBalance", "isActive", "metadata"
          FROM "CreditTransaction"
    """,
    "IntegrationCredential": """
        SELECT "id", "organizationId", "ownerType", "ownerId", "teamId", "provider",
               "credentialType", "displayName", "createdByUserId", "status", "metadata",
               "expiresAt", "encryptedPayload"
          FROM "IntegrationCredential"
    """,
    "LibraryAgent": """
        SELECT "userId", "agentGraphId", "agentGraphVersion", "isFavorite", "isCreatedByUser",
               "isHidden", "isArchived", "isDeleted", "useGraphIsActiveVersion", "settings",
               (SELECT folder."name" FROM "LibraryFolder" AS folder
                 WHERE folder."id" = agent."folderId") AS folder,
               (SELECT organization."slug" FROM "Organization" AS organization
                 WHERE organization."id" = agent."organizationId") AS org,
               (SELECT team."name" FROM "Team" AS team
                 WHERE team."id" = agent."teamId") AS team,
               "visibility"
          FROM "LibraryAgent" AS agent
    """,
    "LibraryFolder": """
        SELECT "name", "icon", "color", "isDeleted", "userId",
               (SELECT parent."name" FROM "LibraryFolder" AS parent
                 WHERE parent."id" = folder."parentId") AS parent,
               "organizationId", "teamId"
          FROM "LibraryFolder" AS folder
    """,
    "OrgBalance": """
        SELECT "orgId", "balance" FROM "OrgBalance"
    """,
    "OrgCreditTransaction": """
        SELECT "orgId", "initiatedByUserId", "teamId", "amount", "type", "runningBalance",
               "isActive", "metadata"
          FROM "OrgCreditTransaction"
    """,
    "OrgMember": """
        SELECT "userId", "isOwner", "isAdmin", "isBillingManager", "status",
               (SELECT organization."slug" FROM "Organization" AS organization
                 WHERE organization."id" = "orgId") AS org
          FROM "OrgMember"
    """,
    "Organization": """
        SELECT "name", "slug", "description", "isPersonal", "settings", "bootstrapUserId",
               "deletedAt" IS NOT NULL AS del
          FROM "Organization"
    """,
    "OrganizationProfile": """
        SELECT to_jsonb(profile) - 'createdAt' - 'updatedAt' - 'organizationId' - 'id' AS j
          FROM "OrganizationProfile" AS profile
    """,
    "OrganizationSeatAssignment": """
        SELECT to_jsonb(seat) - 'createdAt' - 'updatedAt' - 'organizationId' - 'id' AS j
          FROM "OrganizationSeatAssignment" AS seat
    """,
    "PendingHumanReview": """
        SELECT "nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", "payload",
               "instructions", "editable", "status", "processed", "organizationId", "teamId"
          FROM "PendingHumanReview"
    """,
    "PlatformCostLog": """
        SELECT "userId", "graphExecId", "nodeExecId", "graphId", "nodeId", "blockId",
               "blockName", "provider", "credentialId", "costMicrodollars", "inputTokens",
               "outputTokens", "cacheReadTokens", "cacheCreationTokens", "dataSize", "duration",
               "model", "trackingType", "trackingAmount", "metadata"
          FROM "PlatformCostLog"
    """,
    "PlatformLink": """
        SELECT "userId", "platform", "platformServerId", "ownerPlatformUserId", "serverName"
          FROM "PlatformLink"
    """,
    "PlatformLinkToken": """
        SELECT CASE WHEN length("token") = 43 THEN '<token>' ELSE "token" END AS "token",
               "platform", "linkType", "platformServerId", "serverName", "channelId",
               "platformUserId", "platformUsername",
               "usedAt" IS NOT NULL AS used
          FROM "PlatformLinkToken"
    """,
    "PlatformUserLink": """
        SELECT "userId", "platform", "platformUserId", "platformUsername"
          FROM "PlatformUserLink"
    """,
    "PushSubscription": """
        SELECT "userId", "endpoint", "p256dh", "auth", "failCount",
               "lastFailedAt" IS NOT NULL AS failed
          FROM "PushSubscription"
    """,
    "SharedExecutionFile": """
        SELECT "executionId", "fileId", length("shareToken") AS l
          FROM "SharedExecutionFile"
    """,
    "Team": """
        SELECT "name", "slug", "description", "isDefault", "joinPolicy", "createdByUserId",
               (SELECT organization."slug" FROM "Organization" AS organization
                 WHERE organization."id" = "orgId") AS org
          FROM "Team"
    """,
    "TeamMember": """
        SELECT "userId", "isAdmin", "isBillingManager", "status",
               (SELECT team."name" || '/' || organization."slug"
                  FROM "Team" AS team
                  JOIN "Organization" AS organization ON organization."id" = team."orgId"
                 WHERE team."id" = "teamId") AS team
          FROM "TeamMember"
    """,
    "UserBalance": """
        SELECT "userId", "balance" FROM "UserBalance"
    """,
    "UserWorkspace": """
        SELECT "userId" FROM "UserWorkspace"
    """,
    "UserWorkspaceFile": """
        SELECT "id", "name",
               regexp_replace("path", '__deleted__\\d+', '__deleted__<unix>') AS "path",
               "storagePath", "mimeType", "sizeBytes", "checksum", "isDeleted",
               "deletedAt" IS NOT NULL AS del,
               "metadata", "folderId"
          FROM "UserWorkspaceFile"
    """,
}
"""By table. The members are named as where the rows were recorded."""
