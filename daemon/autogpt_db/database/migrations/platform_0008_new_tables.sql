-- Tables that AutoGPT's migrations have added up to July 2026 (v0.6.68) to those of 0001_platform,
-- so that tables of our own making have what its own have. Like those it is AutoGPT's schema: never
-- applied where AutoGPT's migrations have run.
--
-- `platform` stands for the schema that DATABASE_URL names, except in quotes.

CREATE SCHEMA IF NOT EXISTS extensions;

CREATE TYPE platform."ChatSessionStatus" AS ENUM (
    'idle',
    'queued',
    'running'
);

CREATE TYPE platform."CredentialOwnerType" AS ENUM (
    'USER',
    'TEAM',
    'ORG'
);

CREATE TYPE platform."CredentialScope" AS ENUM (
    'USER',
    'TEAM',
    'ORG'
);

CREATE TYPE platform."OrgAliasType" AS ENUM (
    'MIGRATION',
    'RENAME',
    'MANUAL'
);

CREATE TYPE platform."OrgMemberStatus" AS ENUM (
    'INVITED',
    'ACTIVE',
    'SUSPENDED',
    'REMOVED'
);

CREATE TYPE platform."PlatformLinkType" AS ENUM (
    'SERVER',
    'USER'
);

CREATE TYPE platform."PlatformType" AS ENUM (
    'DISCORD',
    'TELEGRAM',
    'SLACK',
    'TEAMS',
    'WHATSAPP',
    'GITHUB',
    'LINEAR'
);

CREATE TYPE platform."ResourceVisibility" AS ENUM (
    'PRIVATE',
    'TEAM',
    'ORG'
);

CREATE TYPE platform."SeatStatus" AS ENUM (
    'ACTIVE',
    'INACTIVE',
    'PENDING'
);

CREATE TYPE platform."SeatType" AS ENUM (
    'FREE',
    'PAID'
);

CREATE TYPE platform."SharedVia" AS ENUM (
    'USER',
    'CHAT_LINK'
);

CREATE TYPE platform."SubscriptionTier" AS ENUM (
    'NO_TIER',
    'BASIC',
    'PRO',
    'MAX',
    'BUSINESS',
    'ENTERPRISE'
);

CREATE TYPE platform."TeamJoinPolicy" AS ENUM (
    'OPEN',
    'PRIVATE'
);

CREATE TYPE platform."TransferStatus" AS ENUM (
    'PENDING',
    'SOURCE_APPROVED',
    'TARGET_APPROVED',
    'COMPLETED',
    'REJECTED',
    'CANCELLED'
);

CREATE SEQUENCE platform."SearchTerms_id_seq";

-- Organizations and their teams. Each user has a personal organization.

CREATE TABLE platform."Organization" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "name" text NOT NULL,
    "slug" text NOT NULL,
    "avatarUrl" text,
    "description" text,
    "isPersonal" boolean NOT NULL DEFAULT false,
    "settings" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "stripeCustomerId" text,
    "stripeSubscriptionId" text,
    "topUpConfig" jsonb,
    "archivedAt" timestamp(3),
    "deletedAt" timestamp(3),
    "bootstrapUserId" text,
    CONSTRAINT "Organization_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "Organization_one_personal_per_user"
    ON platform."Organization" ("bootstrapUserId")
    WHERE (("isPersonal" = true) AND ("deletedAt" IS NULL) AND ("bootstrapUserId" IS NOT NULL));
CREATE UNIQUE INDEX "Organization_slug_key"
    ON platform."Organization" ("slug");

CREATE TABLE platform."OrganizationProfile" (
    "organizationId" text NOT NULL,
    "username" text NOT NULL,
    "displayName" text,
    "avatarUrl" text,
    "bio" text,
    "socialLinks" jsonb,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "OrganizationProfile_pkey" PRIMARY KEY ("organizationId")
);
CREATE UNIQUE INDEX "OrganizationProfile_username_key"
    ON platform."OrganizationProfile" ("username");

CREATE TABLE platform."OrganizationAlias" (
    "id" text NOT NULL,
    "organizationId" text NOT NULL,
    "aliasSlug" text NOT NULL,
    "aliasType" platform."OrgAliasType" NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "createdByUserId" text,
    "removedAt" timestamp(3),
    "removedByUserId" text,
    "isRemovable" boolean NOT NULL DEFAULT true,
    CONSTRAINT "OrganizationAlias_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "OrganizationAlias_aliasSlug_idx"
    ON platform."OrganizationAlias" ("aliasSlug");
CREATE UNIQUE INDEX "OrganizationAlias_aliasSlug_key"
    ON platform."OrganizationAlias" ("aliasSlug");
CREATE INDEX "OrganizationAlias_organizationId_idx"
    ON platform."OrganizationAlias" ("organizationId");

CREATE TABLE platform."OrganizationSubscription" (
    "organizationId" text NOT NULL,
    "planCode" text,
    "planTier" text,
    "stripeCustomerId" text,
    "stripeSubscriptionId" text,
    "status" text NOT NULL DEFAULT 'active',
    "renewalAt" timestamp(3),
    "cancelAt" timestamp(3),
    "entitlements" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "OrganizationSubscription_pkey" PRIMARY KEY ("organizationId")
);

CREATE TABLE platform."OrgMember" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "orgId" text NOT NULL,
    "userId" text NOT NULL,
    "isOwner" boolean NOT NULL DEFAULT false,
    "isAdmin" boolean NOT NULL DEFAULT false,
    "isBillingManager" boolean NOT NULL DEFAULT false,
    "status" platform."OrgMemberStatus" NOT NULL DEFAULT 'ACTIVE',
    "joinedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "invitedByUserId" text,
    CONSTRAINT "OrgMember_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "OrgMember_orgId_status_idx"
    ON platform."OrgMember" ("orgId", "status");
CREATE UNIQUE INDEX "OrgMember_orgId_userId_key"
    ON platform."OrgMember" ("orgId", "userId");
CREATE INDEX "OrgMember_userId_idx"
    ON platform."OrgMember" ("userId");

CREATE TABLE platform."OrganizationSeatAssignment" (
    "id" text NOT NULL,
    "organizationId" text NOT NULL,
    "userId" text NOT NULL,
    "seatType" platform."SeatType" NOT NULL DEFAULT 'FREE',
    "status" platform."SeatStatus" NOT NULL DEFAULT 'ACTIVE',
    "assignedByUserId" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "OrganizationSeatAssignment_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "OrganizationSeatAssignment_organizationId_status_idx"
    ON platform."OrganizationSeatAssignment" ("organizationId", "status");
CREATE UNIQUE INDEX "OrganizationSeatAssignment_organizationId_userId_key"
    ON platform."OrganizationSeatAssignment" ("organizationId", "userId");

CREATE TABLE platform."OrgInvitation" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "orgId" text NOT NULL,
    "email" text NOT NULL,
    "targetUserId" text,
    "isAdmin" boolean NOT NULL DEFAULT false,
    "isBillingManager" boolean NOT NULL DEFAULT false,
    "token" text NOT NULL,
    "tokenHash" text,
    "expiresAt" timestamp(3) NOT NULL,
    "acceptedAt" timestamp(3),
    "revokedAt" timestamp(3),
    "invitedByUserId" text NOT NULL,
    "teamIds" text[],
    CONSTRAINT "OrgInvitation_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "OrgInvitation_email_idx"
    ON platform."OrgInvitation" ("email");
CREATE INDEX "OrgInvitation_orgId_idx"
    ON platform."OrgInvitation" ("orgId");
CREATE INDEX "OrgInvitation_token_idx"
    ON platform."OrgInvitation" ("token");
CREATE UNIQUE INDEX "OrgInvitation_token_key"
    ON platform."OrgInvitation" ("token");

CREATE TABLE platform."OrgBalance" (
    "orgId" text NOT NULL,
    "balance" integer NOT NULL DEFAULT 0,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "OrgBalance_pkey" PRIMARY KEY ("orgId")
);

CREATE TABLE platform."OrgCreditTransaction" (
    "transactionKey" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "orgId" text NOT NULL,
    "initiatedByUserId" text,
    "teamId" text,
    "amount" integer NOT NULL,
    "type" platform."CreditTransactionType" NOT NULL,
    "runningBalance" integer,
    "isActive" boolean NOT NULL DEFAULT true,
    "metadata" jsonb,
    CONSTRAINT "OrgCreditTransaction_pkey" PRIMARY KEY ("transactionKey", "orgId")
);
CREATE INDEX "OrgCreditTransaction_initiatedByUserId_idx"
    ON platform."OrgCreditTransaction" ("initiatedByUserId");
CREATE INDEX "OrgCreditTransaction_orgId_createdAt_idx"
    ON platform."OrgCreditTransaction" ("orgId", "createdAt");

CREATE TABLE platform."Team" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "name" text NOT NULL,
    "slug" text,
    "description" text,
    "isDefault" boolean NOT NULL DEFAULT false,
    "joinPolicy" platform."TeamJoinPolicy" NOT NULL DEFAULT 'OPEN',
    "orgId" text NOT NULL,
    "archivedAt" timestamp(3),
    "createdByUserId" text,
    CONSTRAINT "Team_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "Team_orgId_isDefault_idx"
    ON platform."Team" ("orgId", "isDefault");
CREATE INDEX "Team_orgId_joinPolicy_idx"
    ON platform."Team" ("orgId", "joinPolicy");
CREATE UNIQUE INDEX "Team_orgId_name_key"
    ON platform."Team" ("orgId", "name");

CREATE TABLE platform."TeamMember" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "teamId" text NOT NULL,
    "userId" text NOT NULL,
    "isAdmin" boolean NOT NULL DEFAULT false,
    "isBillingManager" boolean NOT NULL DEFAULT false,
    "status" platform."OrgMemberStatus" NOT NULL DEFAULT 'ACTIVE',
    "joinedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "invitedByUserId" text,
    CONSTRAINT "TeamMember_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "TeamMember_teamId_status_idx"
    ON platform."TeamMember" ("teamId", "status");
CREATE UNIQUE INDEX "TeamMember_teamId_userId_key"
    ON platform."TeamMember" ("teamId", "userId");
CREATE INDEX "TeamMember_userId_idx"
    ON platform."TeamMember" ("userId");

CREATE TABLE platform."TeamInvite" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "teamId" text NOT NULL,
    "email" text NOT NULL,
    "targetUserId" text,
    "isAdmin" boolean NOT NULL DEFAULT false,
    "isBillingManager" boolean NOT NULL DEFAULT false,
    "token" text NOT NULL,
    "tokenHash" text,
    "expiresAt" timestamp(3) NOT NULL,
    "acceptedAt" timestamp(3),
    "revokedAt" timestamp(3),
    "invitedByUserId" text NOT NULL,
    CONSTRAINT "TeamInvite_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "TeamInvite_email_idx"
    ON platform."TeamInvite" ("email");
CREATE INDEX "TeamInvite_teamId_idx"
    ON platform."TeamInvite" ("teamId");
CREATE INDEX "TeamInvite_token_idx"
    ON platform."TeamInvite" ("token");
CREATE UNIQUE INDEX "TeamInvite_token_key"
    ON platform."TeamInvite" ("token");

CREATE TABLE platform."TransferRequest" (
    "id" text NOT NULL,
    "resourceType" text NOT NULL,
    "resourceId" text NOT NULL,
    "sourceOrganizationId" text NOT NULL,
    "targetOrganizationId" text NOT NULL,
    "initiatedByUserId" text NOT NULL,
    "status" platform."TransferStatus" NOT NULL DEFAULT 'PENDING',
    "sourceApprovedByUserId" text,
    "targetApprovedByUserId" text,
    "completedAt" timestamp(3),
    "reason" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "TransferRequest_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "TransferRequest_sourceOrganizationId_idx"
    ON platform."TransferRequest" ("sourceOrganizationId");
CREATE INDEX "TransferRequest_status_idx"
    ON platform."TransferRequest" ("status");
CREATE INDEX "TransferRequest_targetOrganizationId_idx"
    ON platform."TransferRequest" ("targetOrganizationId");

CREATE TABLE platform."AuditLog" (
    "id" text NOT NULL,
    "organizationId" text,
    "teamId" text,
    "actorUserId" text NOT NULL,
    "entityType" text NOT NULL,
    "entityId" text,
    "action" text NOT NULL,
    "beforeJson" jsonb,
    "afterJson" jsonb,
    "correlationId" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "AuditLog_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "AuditLog_actorUserId_createdAt_idx"
    ON platform."AuditLog" ("actorUserId", "createdAt");
CREATE INDEX "AuditLog_entityType_entityId_idx"
    ON platform."AuditLog" ("entityType", "entityId");
CREATE INDEX "AuditLog_organizationId_createdAt_idx"
    ON platform."AuditLog" ("organizationId", "createdAt");

-- Credentials that belong to a user, a team or an organization.

CREATE TABLE platform."APIKey" (
    "id" text NOT NULL,
    "name" text NOT NULL,
    "head" text NOT NULL,
    "tail" text NOT NULL,
    "hash" text NOT NULL,
    "status" platform."APIKeyStatus" NOT NULL DEFAULT 'ACTIVE',
    "permissions" platform."APIKeyPermission"[] NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "lastUsedAt" timestamp(3),
    "revokedAt" timestamp(3),
    "description" text,
    "userId" text NOT NULL,
    "salt" text,
    "organizationId" text,
    "ownerType" platform."CredentialOwnerType",
    "teamId" text,
    "teamIdRestriction" text,
    CONSTRAINT "APIKey_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "APIKey_hash_key"
    ON platform."APIKey" ("hash");
CREATE INDEX "APIKey_head_name_idx"
    ON platform."APIKey" ("head", "name");
CREATE INDEX "APIKey_teamId_idx"
    ON platform."APIKey" ("teamId");
CREATE INDEX "APIKey_userId_status_idx"
    ON platform."APIKey" ("userId", "status");

CREATE TABLE platform."IntegrationCredential" (
    "id" text NOT NULL,
    "organizationId" text NOT NULL,
    "ownerType" platform."CredentialOwnerType" NOT NULL,
    "ownerId" text NOT NULL,
    "teamId" text,
    "provider" text NOT NULL,
    "credentialType" text NOT NULL,
    "displayName" text NOT NULL,
    "encryptedPayload" text NOT NULL,
    "createdByUserId" text NOT NULL,
    "lastUsedAt" timestamp(3),
    "status" text NOT NULL DEFAULT 'active',
    "metadata" jsonb,
    "expiresAt" timestamp(3),
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "IntegrationCredential_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "IntegrationCredential_createdByUserId_idx"
    ON platform."IntegrationCredential" ("createdByUserId");
CREATE INDEX "IntegrationCredential_organizationId_ownerType_provider_idx"
    ON platform."IntegrationCredential" ("organizationId", "ownerType", "provider");
CREATE INDEX "IntegrationCredential_ownerId_ownerType_idx"
    ON platform."IntegrationCredential" ("ownerId", "ownerType");

-- What users store, and how they sort it.

CREATE TABLE platform."UserWorkspace" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "userId" text NOT NULL,
    CONSTRAINT "UserWorkspace_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "UserWorkspace_userId_idx"
    ON platform."UserWorkspace" ("userId");
CREATE UNIQUE INDEX "UserWorkspace_userId_key"
    ON platform."UserWorkspace" ("userId");

CREATE TABLE platform."UserWorkspaceFolder" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "workspaceId" text NOT NULL,
    "name" text NOT NULL,
    "icon" text,
    "parentId" text,
    "isDeleted" boolean NOT NULL DEFAULT false,
    CONSTRAINT "UserWorkspaceFolder_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "UserWorkspaceFolder_workspaceId_isDeleted_idx"
    ON platform."UserWorkspaceFolder" ("workspaceId", "isDeleted");
CREATE UNIQUE INDEX "UserWorkspaceFolder_workspaceId_name_root_key"
    ON platform."UserWorkspaceFolder" ("workspaceId", "name")
    WHERE (("parentId" IS NULL) AND ("isDeleted" = false));
CREATE UNIQUE INDEX "UserWorkspaceFolder_workspaceId_parentId_name_key"
    ON platform."UserWorkspaceFolder" ("workspaceId", "parentId", "name");

CREATE TABLE platform."UserWorkspaceFile" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "workspaceId" text NOT NULL,
    "name" text NOT NULL,
    "path" text NOT NULL,
    "storagePath" text NOT NULL,
    "mimeType" text NOT NULL,
    "sizeBytes" bigint NOT NULL,
    "checksum" text,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "deletedAt" timestamp(3),
    "metadata" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "folderId" text,
    CONSTRAINT "UserWorkspaceFile_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "UserWorkspaceFile_folderId_idx"
    ON platform."UserWorkspaceFile" ("folderId");
CREATE INDEX "UserWorkspaceFile_workspaceId_isDeleted_idx"
    ON platform."UserWorkspaceFile" ("workspaceId", "isDeleted");
CREATE UNIQUE INDEX "UserWorkspaceFile_workspaceId_path_key"
    ON platform."UserWorkspaceFile" ("workspaceId", "path");

CREATE TABLE platform."LibraryFolder" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "name" text NOT NULL,
    "icon" text,
    "color" text,
    "parentId" text,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "organizationId" text,
    "teamId" text,
    "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    CONSTRAINT "LibraryFolder_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "LibraryFolder_userId_parentId_name_key"
    ON platform."LibraryFolder" ("userId", "parentId", "name");

-- Conversations, and what is remembered of them.

CREATE TABLE platform."ChatSession" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "title" text,
    "credentials" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "successfulAgentRuns" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "successfulAgentSchedules" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "totalPromptTokens" integer NOT NULL DEFAULT 0,
    "totalCompletionTokens" integer NOT NULL DEFAULT 0,
    "metadata" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "organizationId" text,
    "teamId" text,
    "visibility" platform."ResourceVisibility" NOT NULL DEFAULT 'PRIVATE',
    "chatStatus" platform."ChatSessionStatus" NOT NULL DEFAULT 'idle',
    "isShared" boolean NOT NULL DEFAULT false,
    "shareToken" text,
    "sharedAt" timestamp(3),
    "autoShareExecutions" boolean NOT NULL DEFAULT false,
    "isPinned" boolean NOT NULL DEFAULT false,
    CONSTRAINT "ChatSession_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "ChatSession_shareToken_idx"
    ON platform."ChatSession" ("shareToken");
CREATE UNIQUE INDEX "ChatSession_shareToken_key"
    ON platform."ChatSession" ("shareToken");
CREATE INDEX "ChatSession_teamId_updatedAt_idx"
    ON platform."ChatSession" ("teamId", "updatedAt");
CREATE INDEX "ChatSession_user_status_idx"
    ON platform."ChatSession" ("userId", "chatStatus", "updatedAt");

CREATE TABLE platform."ChatMessage" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sessionId" text NOT NULL,
    "role" text NOT NULL,
    "content" text,
    "name" text,
    "toolCallId" text,
    "refusal" text,
    "toolCalls" jsonb,
    "functionCall" jsonb,
    "sequence" integer NOT NULL,
    "durationMs" integer,
    "metadata" jsonb,
    CONSTRAINT "ChatMessage_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "ChatMessage_sessionId_sequence_key"
    ON platform."ChatMessage" ("sessionId", "sequence");

CREATE TABLE platform."CoPilotUnderstanding" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "data" jsonb,
    CONSTRAINT "CoPilotUnderstanding_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "CoPilotUnderstanding_userId_idx"
    ON platform."CoPilotUnderstanding" ("userId");
CREATE UNIQUE INDEX "CoPilotUnderstanding_userId_key"
    ON platform."CoPilotUnderstanding" ("userId");

CREATE TABLE platform."BuilderSearchHistory" (
    "id" text NOT NULL,
    "userId" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "searchQuery" text NOT NULL,
    "filter" text[] DEFAULT ARRAY[]::text[],
    "byCreator" text[] DEFAULT ARRAY[]::text[],
    "organizationId" text,
    CONSTRAINT "BuilderSearchHistory_pkey" PRIMARY KEY ("id")
);

-- What a public link shows.

CREATE TABLE platform."SharedExecutionFile" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "executionId" text NOT NULL,
    "fileId" text NOT NULL,
    "shareToken" text NOT NULL,
    CONSTRAINT "SharedExecutionFile_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "SharedExecutionFile_executionId_idx"
    ON platform."SharedExecutionFile" ("executionId");
CREATE UNIQUE INDEX "SharedExecutionFile_shareToken_fileId_key"
    ON platform."SharedExecutionFile" ("shareToken", "fileId");
CREATE INDEX "SharedExecutionFile_shareToken_idx"
    ON platform."SharedExecutionFile" ("shareToken");

CREATE TABLE platform."SharedChatFile" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sessionId" text NOT NULL,
    "fileId" text NOT NULL,
    "shareToken" text NOT NULL,
    CONSTRAINT "SharedChatFile_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "SharedChatFile_sessionId_idx"
    ON platform."SharedChatFile" ("sessionId");
CREATE UNIQUE INDEX "SharedChatFile_shareToken_fileId_key"
    ON platform."SharedChatFile" ("shareToken", "fileId");
CREATE INDEX "SharedChatFile_shareToken_idx"
    ON platform."SharedChatFile" ("shareToken");

CREATE TABLE platform."ChatLinkedShare" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "sessionId" text NOT NULL,
    "executionId" text NOT NULL,
    CONSTRAINT "ChatLinkedShare_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "ChatLinkedShare_executionId_idx"
    ON platform."ChatLinkedShare" ("executionId");
CREATE UNIQUE INDEX "ChatLinkedShare_sessionId_executionId_key"
    ON platform."ChatLinkedShare" ("sessionId", "executionId");
CREATE INDEX "ChatLinkedShare_sessionId_idx"
    ON platform."ChatLinkedShare" ("sessionId");

-- Other platforms: accounts linked there, and our bots on them.

CREATE TABLE platform."PlatformLink" (
    "id" text NOT NULL,
    "userId" text NOT NULL,
    "platform" platform."PlatformType" NOT NULL,
    "platformServerId" text NOT NULL,
    "ownerPlatformUserId" text NOT NULL,
    "serverName" text,
    "linkedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "PlatformLink_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "PlatformLink_platform_platformServerId_key"
    ON platform."PlatformLink" ("platform", "platformServerId");
CREATE INDEX "PlatformLink_userId_idx"
    ON platform."PlatformLink" ("userId");

CREATE TABLE platform."PlatformUserLink" (
    "id" text NOT NULL,
    "userId" text NOT NULL,
    "platform" platform."PlatformType" NOT NULL,
    "platformUserId" text NOT NULL,
    "platformUsername" text,
    "linkedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "PlatformUserLink_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "PlatformUserLink_platform_platformUserId_key"
    ON platform."PlatformUserLink" ("platform", "platformUserId");
CREATE INDEX "PlatformUserLink_userId_idx"
    ON platform."PlatformUserLink" ("userId");

CREATE TABLE platform."PlatformLinkToken" (
    "id" text NOT NULL,
    "token" text NOT NULL,
    "platform" platform."PlatformType" NOT NULL,
    "platformServerId" text,
    "platformUserId" text NOT NULL,
    "platformUsername" text,
    "serverName" text,
    "channelId" text,
    "expiresAt" timestamp(3) NOT NULL,
    "usedAt" timestamp(3),
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "linkType" platform."PlatformLinkType" NOT NULL DEFAULT 'SERVER',
    CONSTRAINT "PlatformLinkToken_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "PlatformLinkToken_expiresAt_idx"
    ON platform."PlatformLinkToken" ("expiresAt");
CREATE INDEX "PlatformLinkToken_platform_platformServerId_idx"
    ON platform."PlatformLinkToken" ("platform", "platformServerId");
CREATE INDEX "PlatformLinkToken_platform_platformUserId_idx"
    ON platform."PlatformLinkToken" ("platform", "platformUserId");
CREATE UNIQUE INDEX "PlatformLinkToken_token_key"
    ON platform."PlatformLinkToken" ("token");

CREATE TABLE platform."BotInstall" (
    "id" text NOT NULL,
    "platform" platform."PlatformType" NOT NULL,
    "platformServerId" text NOT NULL,
    "credentials" text NOT NULL,
    "botUserId" text,
    "appId" text,
    "name" text,
    "installedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    "revokedAt" timestamp(3),
    CONSTRAINT "BotInstall_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "BotInstall_platform_platformServerId_key"
    ON platform."BotInstall" ("platform", "platformServerId");
CREATE INDEX "BotInstall_platform_revokedAt_idx"
    ON platform."BotInstall" ("platform", "revokedAt");

CREATE TABLE platform."BotGuild" (
    "id" text NOT NULL,
    "platform" platform."PlatformType" NOT NULL,
    "serverId" text NOT NULL,
    "name" text,
    "joinedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "leftAt" timestamp(3),
    "lastSeenAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    CONSTRAINT "BotGuild_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "BotGuild_platform_leftAt_idx"
    ON platform."BotGuild" ("platform", "leftAt");
CREATE UNIQUE INDEX "BotGuild_platform_serverId_key"
    ON platform."BotGuild" ("platform", "serverId");

CREATE TABLE platform."BotEvent" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "platform" platform."PlatformType" NOT NULL,
    "eventType" text NOT NULL,
    "serverId" text,
    "channelType" text,
    "commandName" text,
    "errorKind" text,
    "charCount" integer,
    "durationMs" integer,
    CONSTRAINT "BotEvent_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "BotEvent_createdAt_idx"
    ON platform."BotEvent" ("createdAt");
CREATE INDEX "BotEvent_platform_eventType_createdAt_idx"
    ON platform."BotEvent" ("platform", "eventType", "createdAt");
CREATE INDEX "BotEvent_platform_serverId_createdAt_idx"
    ON platform."BotEvent" ("platform", "serverId", "createdAt");

-- Push messages, refunds, costs and figures.

CREATE TABLE platform."PushSubscription" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "userId" text NOT NULL,
    "endpoint" text NOT NULL,
    "p256dh" text NOT NULL,
    "auth" text NOT NULL,
    "userAgent" text,
    "failCount" integer NOT NULL DEFAULT 0,
    "lastFailedAt" timestamp(3),
    CONSTRAINT "PushSubscription_pkey" PRIMARY KEY ("id")
);
CREATE UNIQUE INDEX "PushSubscription_userId_endpoint_key"
    ON platform."PushSubscription" ("userId", "endpoint");

CREATE TABLE platform."CreditRefundRequest" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "userId" text NOT NULL,
    "transactionKey" text NOT NULL,
    "amount" integer NOT NULL,
    "reason" text NOT NULL,
    "result" text,
    "status" platform."CreditRefundRequestStatus" NOT NULL DEFAULT 'PENDING',
    CONSTRAINT "CreditRefundRequest_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "CreditRefundRequest_userId_transactionKey_idx"
    ON platform."CreditRefundRequest" ("userId", "transactionKey");

CREATE TABLE platform."PlatformCostLog" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text,
    "graphExecId" text,
    "nodeExecId" text,
    "graphId" text,
    "nodeId" text,
    "blockId" text,
    "blockName" text,
    "provider" text NOT NULL,
    "credentialId" text,
    "costMicrodollars" bigint,
    "inputTokens" integer,
    "outputTokens" integer,
    "dataSize" integer,
    "duration" double precision,
    "model" text,
    "trackingType" text,
    "trackingAmount" double precision,
    "metadata" jsonb,
    "cacheReadTokens" integer,
    "cacheCreationTokens" integer,
    CONSTRAINT "PlatformCostLog_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "PlatformCostLog_createdAt_idx"
    ON platform."PlatformCostLog" ("createdAt");
CREATE INDEX "PlatformCostLog_graphExecId_idx"
    ON platform."PlatformCostLog" ("graphExecId");
CREATE INDEX "PlatformCostLog_provider_createdAt_idx"
    ON platform."PlatformCostLog" ("provider", "createdAt");
CREATE INDEX "PlatformCostLog_provider_trackingType_idx"
    ON platform."PlatformCostLog" ("provider", "trackingType");
CREATE INDEX "PlatformCostLog_userId_createdAt_idx"
    ON platform."PlatformCostLog" ("userId", "createdAt");

CREATE TABLE platform."AnalyticsDetails" (
    "id" text NOT NULL DEFAULT gen_random_uuid(),
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "type" text NOT NULL,
    "data" jsonb,
    "dataIndex" text,
    CONSTRAINT "AnalyticsDetails_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "AnalyticsDetails_userId_type_idx"
    ON platform."AnalyticsDetails" ("userId", "type");

CREATE TABLE platform."AnalyticsMetrics" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "analyticMetric" text NOT NULL,
    "value" double precision NOT NULL,
    "dataString" text,
    "userId" text NOT NULL,
    CONSTRAINT "AnalyticsMetrics_pkey" PRIMARY KEY ("id")
);

CREATE TABLE platform."SearchTerms" (
    "id" bigint NOT NULL DEFAULT nextval('"SearchTerms_id_seq"'),
    "createdDate" timestamp(3) NOT NULL,
    "searchTerm" text NOT NULL,
    CONSTRAINT "SearchTerms_pkey" PRIMARY KEY ("id")
);
CREATE INDEX "SearchTerms_createdDate_idx"
    ON platform."SearchTerms" ("createdDate");

-- Foreign keys come last: some of them form cycles.

ALTER TABLE platform."OrganizationProfile"
    ADD CONSTRAINT "OrganizationProfile_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrganizationAlias"
    ADD CONSTRAINT "OrganizationAlias_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrganizationSubscription"
    ADD CONSTRAINT "OrganizationSubscription_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrgMember"
    ADD CONSTRAINT "OrgMember_orgId_fkey" FOREIGN KEY ("orgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrgMember"
    ADD CONSTRAINT "OrgMember_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrganizationSeatAssignment"
    ADD CONSTRAINT "OrganizationSeatAssignment_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrganizationSeatAssignment"
    ADD CONSTRAINT "OrganizationSeatAssignment_organizationId_userId_fkey"
    FOREIGN KEY ("organizationId", "userId")
    REFERENCES platform."OrgMember" ("orgId", "userId")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrgInvitation"
    ADD CONSTRAINT "OrgInvitation_orgId_fkey" FOREIGN KEY ("orgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrgBalance"
    ADD CONSTRAINT "OrgBalance_orgId_fkey" FOREIGN KEY ("orgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OrgCreditTransaction"
    ADD CONSTRAINT "OrgCreditTransaction_orgId_fkey" FOREIGN KEY ("orgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE;
ALTER TABLE platform."Team"
    ADD CONSTRAINT "Team_orgId_fkey" FOREIGN KEY ("orgId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."TeamMember"
    ADD CONSTRAINT "TeamMember_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."TeamMember"
    ADD CONSTRAINT "TeamMember_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."TeamInvite"
    ADD CONSTRAINT "TeamInvite_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."TransferRequest"
    ADD CONSTRAINT "TransferRequest_sourceOrganizationId_fkey" FOREIGN KEY ("sourceOrganizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."TransferRequest"
    ADD CONSTRAINT "TransferRequest_targetOrganizationId_fkey" FOREIGN KEY ("targetOrganizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."AuditLog"
    ADD CONSTRAINT "AuditLog_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."APIKey"
    ADD CONSTRAINT "APIKey_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."APIKey"
    ADD CONSTRAINT "APIKey_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."IntegrationCredential"
    ADD CONSTRAINT "IntegrationCredential_organizationId_fkey" FOREIGN KEY ("organizationId")
    REFERENCES platform."Organization" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."IntegrationCredential"
    ADD CONSTRAINT "IntegrationCredential_workspace_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserWorkspace"
    ADD CONSTRAINT "UserWorkspace_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserWorkspaceFolder"
    ADD CONSTRAINT "UserWorkspaceFolder_parentId_fkey" FOREIGN KEY ("parentId")
    REFERENCES platform."UserWorkspaceFolder" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserWorkspaceFolder"
    ADD CONSTRAINT "UserWorkspaceFolder_workspaceId_fkey" FOREIGN KEY ("workspaceId")
    REFERENCES platform."UserWorkspace" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserWorkspaceFile"
    ADD CONSTRAINT "UserWorkspaceFile_folderId_fkey" FOREIGN KEY ("folderId")
    REFERENCES platform."UserWorkspaceFolder" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."UserWorkspaceFile"
    ADD CONSTRAINT "UserWorkspaceFile_workspaceId_fkey" FOREIGN KEY ("workspaceId")
    REFERENCES platform."UserWorkspace" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."LibraryFolder"
    ADD CONSTRAINT "LibraryFolder_parentId_fkey" FOREIGN KEY ("parentId")
    REFERENCES platform."LibraryFolder" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."LibraryFolder"
    ADD CONSTRAINT "LibraryFolder_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."LibraryFolder"
    ADD CONSTRAINT "LibraryFolder_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."ChatSession"
    ADD CONSTRAINT "ChatSession_teamId_fkey" FOREIGN KEY ("teamId")
    REFERENCES platform."Team" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."ChatSession"
    ADD CONSTRAINT "ChatSession_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."ChatMessage"
    ADD CONSTRAINT "ChatMessage_sessionId_fkey" FOREIGN KEY ("sessionId")
    REFERENCES platform."ChatSession" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."CoPilotUnderstanding"
    ADD CONSTRAINT "CoPilotUnderstanding_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."BuilderSearchHistory"
    ADD CONSTRAINT "BuilderSearchHistory_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."SharedExecutionFile"
    ADD CONSTRAINT "SharedExecutionFile_executionId_fkey" FOREIGN KEY ("executionId")
    REFERENCES platform."AgentGraphExecution" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."SharedExecutionFile"
    ADD CONSTRAINT "SharedExecutionFile_fileId_fkey" FOREIGN KEY ("fileId")
    REFERENCES platform."UserWorkspaceFile" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."SharedChatFile"
    ADD CONSTRAINT "SharedChatFile_fileId_fkey" FOREIGN KEY ("fileId")
    REFERENCES platform."UserWorkspaceFile" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."SharedChatFile"
    ADD CONSTRAINT "SharedChatFile_sessionId_fkey" FOREIGN KEY ("sessionId")
    REFERENCES platform."ChatSession" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."ChatLinkedShare"
    ADD CONSTRAINT "ChatLinkedShare_executionId_fkey" FOREIGN KEY ("executionId")
    REFERENCES platform."AgentGraphExecution" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."ChatLinkedShare"
    ADD CONSTRAINT "ChatLinkedShare_sessionId_fkey" FOREIGN KEY ("sessionId")
    REFERENCES platform."ChatSession" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PlatformLink"
    ADD CONSTRAINT "PlatformLink_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PlatformUserLink"
    ADD CONSTRAINT "PlatformUserLink_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PushSubscription"
    ADD CONSTRAINT "PushSubscription_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PlatformCostLog"
    ADD CONSTRAINT "PlatformCostLog_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AnalyticsDetails"
    ADD CONSTRAINT "AnalyticsDetails_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AnalyticsMetrics"
    ADD CONSTRAINT "AnalyticsMetrics_userId_fkey" FOREIGN KEY ("userId")
    REFERENCES platform."User" ("id")
    ON UPDATE CASCADE ON DELETE CASCADE;
