-- The part of AutoGPT's schema that its DatabaseManager's methods read and write, as its own
-- migrations leave it in February 2026. Applied to an empty database only: on a database that
-- AutoGPT made, its migrations own all of this, and we only verify it (schema.py).
--
-- `platform` stands for the schema that DATABASE_URL names; the runner puts that name in.

CREATE SCHEMA IF NOT EXISTS platform;

CREATE TYPE platform."APIKeyPermission" AS ENUM (
    'EXECUTE_GRAPH',
    'READ_GRAPH',
    'EXECUTE_BLOCK',
    'READ_BLOCK',
    'READ_STORE',
    'USE_TOOLS',
    'MANAGE_INTEGRATIONS',
    'READ_INTEGRATIONS',
    'DELETE_INTEGRATIONS',
    'IDENTITY'
);

CREATE TYPE platform."APIKeyStatus" AS ENUM (
    'ACTIVE',
    'REVOKED',
    'SUSPENDED'
);

CREATE TYPE platform."AgentExecutionStatus" AS ENUM (
    'INCOMPLETE',
    'QUEUED',
    'RUNNING',
    'COMPLETED',
    'FAILED',
    'TERMINATED',
    'REVIEW'
);

CREATE TYPE platform."ContentType" AS ENUM (
    'STORE_AGENT',
    'BLOCK',
    'INTEGRATION',
    'DOCUMENTATION',
    'LIBRARY_AGENT'
);

CREATE TYPE platform."CreditRefundRequestStatus" AS ENUM (
    'PENDING',
    'APPROVED',
    'REJECTED'
);

CREATE TYPE platform."CreditTransactionType" AS ENUM (
    'TOP_UP',
    'USAGE',
    'GRANT',
    'REFUND',
    'CARD_CHECK'
);

CREATE TYPE platform."NotificationType" AS ENUM (
    'AGENT_RUN',
    'ZERO_BALANCE',
    'LOW_BALANCE',
    'BLOCK_EXECUTION_FAILED',
    'CONTINUOUS_AGENT_ERROR',
    'DAILY_SUMMARY',
    'WEEKLY_SUMMARY',
    'MONTHLY_SUMMARY',
    'REFUND_REQUEST',
    'REFUND_PROCESSED',
    'AGENT_APPROVED',
    'AGENT_REJECTED'
);

CREATE TYPE platform."OnboardingStep" AS ENUM (
    'WELCOME',
    'USAGE_REASON',
    'INTEGRATIONS',
    'AGENT_CHOICE',
    'AGENT_NEW_RUN',
    'AGENT_INPUT',
    'CONGRATS',
    'GET_RESULTS',
    'MARKETPLACE_VISIT',
    'MARKETPLACE_ADD_AGENT',
    'MARKETPLACE_RUN_AGENT',
    'BUILDER_OPEN',
    'BUILDER_SAVE_AGENT',
    'BUILDER_RUN_AGENT',
    'RUN_AGENTS',
    'RE_RUN_AGENT',
    'SCHEDULE_AGENT',
    'RUN_3_DAYS',
    'TRIGGER_WEBHOOK',
    'RUN_14_DAYS',
    'RUN_AGENTS_100',
    'VISIT_COPILOT'
);

CREATE TYPE platform."ReviewStatus" AS ENUM (
    'WAITING',
    'APPROVED',
    'REJECTED'
);

CREATE TYPE platform."SubmissionStatus" AS ENUM (
    'DRAFT',
    'PENDING',
    'APPROVED',
    'REJECTED'
);

CREATE TABLE platform."User" (
    "id" text NOT NULL,
    "email" text NOT NULL,
    "name" text,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "metadata" jsonb NOT NULL DEFAULT '{}'::jsonb,
    "integrations" text NOT NULL DEFAULT '',
    "stripeCustomerId" text,
    "topUpConfig" jsonb,
    "maxEmailsPerDay" integer NOT NULL DEFAULT 3,
    "notifyOnAgentRun" boolean NOT NULL DEFAULT true,
    "notifyOnBlockExecutionFailed" boolean NOT NULL DEFAULT true,
    "notifyOnContinuousAgentError" boolean NOT NULL DEFAULT true,
    "notifyOnDailySummary" boolean NOT NULL DEFAULT true,
    "notifyOnLowBalance" boolean NOT NULL DEFAULT true,
    "notifyOnMonthlySummary" boolean NOT NULL DEFAULT true,
    "notifyOnWeeklySummary" boolean NOT NULL DEFAULT true,
    "notifyOnZeroBalance" boolean NOT NULL DEFAULT true,
    "emailVerified" boolean NOT NULL DEFAULT true,
    "timezone" text NOT NULL DEFAULT 'not-set',
    "notifyOnAgentApproved" boolean NOT NULL DEFAULT true,
    "notifyOnAgentRejected" boolean NOT NULL DEFAULT true,
    CONSTRAINT "User_pkey" PRIMARY KEY (id),
    CONSTRAINT "User_timezone_check"
        CHECK (timezone = 'not-set' OR (now() AT TIME ZONE timezone) IS NOT NULL)
);
CREATE UNIQUE INDEX "User_email_key"
    ON platform."User" (email);

CREATE TABLE platform."UserBalance" (
    "userId" text NOT NULL,
    "balance" integer NOT NULL DEFAULT 0,
    "updatedAt" timestamp(3) NOT NULL,
    CONSTRAINT "UserBalance_pkey" PRIMARY KEY ("userId")
);
CREATE INDEX "UserBalance_userId_idx"
    ON platform."UserBalance" ("userId");

CREATE TABLE platform."CreditTransaction" (
    "transactionKey" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "amount" integer NOT NULL,
    "type" platform."CreditTransactionType" NOT NULL,
    "isActive" boolean NOT NULL DEFAULT true,
    "metadata" jsonb,
    "runningBalance" integer,
    CONSTRAINT "CreditTransaction_pkey" PRIMARY KEY ("transactionKey", "userId")
);
CREATE INDEX "CreditTransaction_userId_createdAt_idx"
    ON platform."CreditTransaction" ("userId", "createdAt");

CREATE TABLE platform."AgentGraph" (
    "id" text NOT NULL,
    "version" integer NOT NULL DEFAULT 1,
    "name" text,
    "description" text,
    "isActive" boolean NOT NULL DEFAULT true,
    "userId" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    "forkedFromId" text,
    "forkedFromVersion" integer,
    "recommendedScheduleCron" text,
    "instructions" text,
    CONSTRAINT "AgentGraph_pkey" PRIMARY KEY (id, version)
);
CREATE INDEX "AgentGraph_forkedFromId_forkedFromVersion_idx"
    ON platform."AgentGraph" ("forkedFromId", "forkedFromVersion");
CREATE INDEX "AgentGraph_userId_isActive_id_version_idx"
    ON platform."AgentGraph" ("userId", "isActive", id, version);

CREATE TABLE platform."AgentNode" (
    "id" text NOT NULL,
    "agentBlockId" text NOT NULL,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL DEFAULT 1,
    "webhookId" text,
    "constantInput" jsonb NOT NULL DEFAULT '{}'::json,
    "metadata" jsonb NOT NULL DEFAULT '{}'::json,
    CONSTRAINT "AgentNode_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentNode_agentBlockId_idx"
    ON platform."AgentNode" ("agentBlockId");
CREATE INDEX "AgentNode_agentGraphId_agentGraphVersion_idx"
    ON platform."AgentNode" ("agentGraphId", "agentGraphVersion");
CREATE INDEX "AgentNode_webhookId_idx"
    ON platform."AgentNode" ("webhookId");

CREATE TABLE platform."AgentNodeLink" (
    "id" text NOT NULL,
    "agentNodeSourceId" text NOT NULL,
    "sourceName" text NOT NULL,
    "agentNodeSinkId" text NOT NULL,
    "sinkName" text NOT NULL,
    "isStatic" boolean NOT NULL DEFAULT false,
    CONSTRAINT "AgentNodeLink_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentNodeLink_agentNodeSinkId_idx"
    ON platform."AgentNodeLink" ("agentNodeSinkId");
CREATE INDEX "AgentNodeLink_agentNodeSourceId_idx"
    ON platform."AgentNodeLink" ("agentNodeSourceId");

CREATE TABLE platform."AgentBlock" (
    "id" text NOT NULL,
    "name" text NOT NULL,
    "inputSchema" text NOT NULL,
    "outputSchema" text NOT NULL,
    CONSTRAINT "AgentBlock_pkey" PRIMARY KEY (id)
);
CREATE UNIQUE INDEX "AgentBlock_name_key"
    ON platform."AgentBlock" (name);

CREATE TABLE platform."AgentGraphExecution" (
    "id" text NOT NULL,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL DEFAULT 1,
    "userId" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    "executionStatus" platform."AgentExecutionStatus" NOT NULL DEFAULT 'COMPLETED'::platform."AgentExecutionStatus",
    "startedAt" timestamp(3),
    "agentPresetId" text,
    "stats" jsonb,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "credentialInputs" jsonb,
    "inputs" jsonb,
    "nodesInputMasks" jsonb,
    "isShared" boolean NOT NULL DEFAULT false,
    "shareToken" text,
    "sharedAt" timestamp(3),
    "parentGraphExecutionId" text,
    "endedAt" timestamp(3),
    CONSTRAINT "AgentGraphExecution_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentGraphExecution_agentGraphId_agentGraphVersion_idx"
    ON platform."AgentGraphExecution" ("agentGraphId", "agentGraphVersion");
CREATE INDEX "AgentGraphExecution_agentPresetId_idx"
    ON platform."AgentGraphExecution" ("agentPresetId");
CREATE INDEX "AgentGraphExecution_createdAt_idx"
    ON platform."AgentGraphExecution" ("createdAt");
CREATE INDEX "AgentGraphExecution_parentGraphExecutionId_idx"
    ON platform."AgentGraphExecution" ("parentGraphExecutionId");
CREATE INDEX "AgentGraphExecution_shareToken_idx"
    ON platform."AgentGraphExecution" ("shareToken");
CREATE UNIQUE INDEX "AgentGraphExecution_shareToken_key"
    ON platform."AgentGraphExecution" ("shareToken");
CREATE INDEX "AgentGraphExecution_userId_isDeleted_createdAt_idx"
    ON platform."AgentGraphExecution" ("userId", "isDeleted", "createdAt");

CREATE TABLE platform."AgentNodeExecution" (
    "id" text NOT NULL,
    "agentGraphExecutionId" text NOT NULL,
    "agentNodeId" text NOT NULL,
    "addedTime" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "queuedTime" timestamp(3),
    "startedTime" timestamp(3),
    "endedTime" timestamp(3),
    "executionStatus" platform."AgentExecutionStatus" NOT NULL DEFAULT 'COMPLETED'::platform."AgentExecutionStatus",
    "stats" jsonb,
    "executionData" jsonb,
    CONSTRAINT "AgentNodeExecution_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentNodeExecution_addedTime_queuedTime_idx"
    ON platform."AgentNodeExecution" ("addedTime", "queuedTime");
CREATE INDEX "AgentNodeExecution_agentGraphExecutionId_agentNodeId_execut_idx"
    ON platform."AgentNodeExecution" ("agentGraphExecutionId", "agentNodeId", "executionStatus");
CREATE INDEX "AgentNodeExecution_agentNodeId_executionStatus_idx"
    ON platform."AgentNodeExecution" ("agentNodeId", "executionStatus");

CREATE TABLE platform."AgentNodeExecutionInputOutput" (
    "id" text NOT NULL,
    "name" text NOT NULL,
    "time" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "referencedByInputExecId" text,
    "referencedByOutputExecId" text,
    "agentPresetId" text,
    "data" jsonb,
    CONSTRAINT "AgentNodeExecutionInputOutput_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentNodeExecutionInputOutput_agentPresetId_idx"
    ON platform."AgentNodeExecutionInputOutput" ("agentPresetId");
CREATE INDEX "AgentNodeExecutionInputOutput_name_time_idx"
    ON platform."AgentNodeExecutionInputOutput" (name, "time");
CREATE UNIQUE INDEX "AgentNodeExecutionInputOutput_referencedByInputExecId_refer_key"
    ON platform."AgentNodeExecutionInputOutput" ("referencedByInputExecId", "referencedByOutputExecId", name);
CREATE INDEX "AgentNodeExecutionInputOutput_referencedByOutputExecId_idx"
    ON platform."AgentNodeExecutionInputOutput" ("referencedByOutputExecId");

CREATE TABLE platform."AgentNodeExecutionKeyValueData" (
    "userId" text NOT NULL,
    "key" text NOT NULL,
    "agentNodeExecutionId" text NOT NULL,
    "data" jsonb,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    CONSTRAINT "AgentNodeExecutionKeyValueData_pkey" PRIMARY KEY ("userId", key)
);

CREATE TABLE platform."PendingHumanReview" (
    "nodeExecId" text NOT NULL,
    "userId" text NOT NULL,
    "graphExecId" text NOT NULL,
    "graphId" text NOT NULL,
    "graphVersion" integer NOT NULL,
    "payload" jsonb NOT NULL,
    "instructions" text,
    "editable" boolean NOT NULL DEFAULT true,
    "status" platform."ReviewStatus" NOT NULL DEFAULT 'WAITING'::platform."ReviewStatus",
    "reviewMessage" text,
    "wasEdited" boolean,
    "processed" boolean NOT NULL DEFAULT false,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    "reviewedAt" timestamp(3),
    CONSTRAINT "PendingHumanReview_pkey" PRIMARY KEY ("nodeExecId")
);
CREATE INDEX "PendingHumanReview_graphExecId_status_idx"
    ON platform."PendingHumanReview" ("graphExecId", status);
CREATE UNIQUE INDEX "PendingHumanReview_nodeExecId_key"
    ON platform."PendingHumanReview" ("nodeExecId");
CREATE INDEX "PendingHumanReview_userId_status_idx"
    ON platform."PendingHumanReview" ("userId", status);

CREATE TABLE platform."UserNotificationBatch" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "type" platform."NotificationType" NOT NULL,
    CONSTRAINT "UserNotificationBatch_pkey" PRIMARY KEY (id)
);
CREATE UNIQUE INDEX "UserNotificationBatch_userId_type_key"
    ON platform."UserNotificationBatch" ("userId", type);

CREATE TABLE platform."NotificationEvent" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userNotificationBatchId" text,
    "type" platform."NotificationType" NOT NULL,
    "data" jsonb NOT NULL,
    CONSTRAINT "NotificationEvent_pkey" PRIMARY KEY (id)
);
CREATE INDEX "NotificationEvent_userNotificationBatchId_idx"
    ON platform."NotificationEvent" ("userNotificationBatchId");

CREATE TABLE platform."LibraryAgent" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text NOT NULL,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL,
    "isFavorite" boolean NOT NULL DEFAULT false,
    "isCreatedByUser" boolean NOT NULL DEFAULT false,
    "isArchived" boolean NOT NULL DEFAULT false,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "useGraphIsActiveVersion" boolean NOT NULL DEFAULT false,
    "creatorId" text,
    "imageUrl" text,
    "settings" jsonb NOT NULL DEFAULT '{}'::jsonb,
    CONSTRAINT "LibraryAgent_pkey" PRIMARY KEY (id)
);
CREATE INDEX "LibraryAgent_agentGraphId_agentGraphVersion_idx"
    ON platform."LibraryAgent" ("agentGraphId", "agentGraphVersion");
CREATE INDEX "LibraryAgent_creatorId_idx"
    ON platform."LibraryAgent" ("creatorId");
CREATE UNIQUE INDEX "LibraryAgent_userId_agentGraphId_agentGraphVersion_key"
    ON platform."LibraryAgent" ("userId", "agentGraphId", "agentGraphVersion");

CREATE TABLE platform."AgentPreset" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "name" text NOT NULL,
    "description" text NOT NULL,
    "isActive" boolean NOT NULL DEFAULT true,
    "userId" text NOT NULL,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "webhookId" text,
    CONSTRAINT "AgentPreset_pkey" PRIMARY KEY (id)
);
CREATE INDEX "AgentPreset_agentGraphId_agentGraphVersion_idx"
    ON platform."AgentPreset" ("agentGraphId", "agentGraphVersion");
CREATE INDEX "AgentPreset_userId_idx"
    ON platform."AgentPreset" ("userId");
CREATE INDEX "AgentPreset_webhookId_idx"
    ON platform."AgentPreset" ("webhookId");

CREATE TABLE platform."IntegrationWebhook" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3),
    "userId" text NOT NULL,
    "provider" text NOT NULL,
    "credentialsId" text NOT NULL,
    "webhookType" text NOT NULL,
    "resource" text NOT NULL,
    "events" text[] NOT NULL,
    "config" jsonb NOT NULL,
    "secret" text NOT NULL,
    "providerWebhookId" text NOT NULL,
    CONSTRAINT "IntegrationWebhook_pkey" PRIMARY KEY (id)
);

CREATE TABLE platform."Profile" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "userId" text,
    "name" text NOT NULL,
    "username" text NOT NULL,
    "description" text NOT NULL,
    "links" text[] NOT NULL,
    "avatarUrl" text,
    "isFeatured" boolean NOT NULL DEFAULT false,
    CONSTRAINT "Profile_pkey" PRIMARY KEY (id)
);
CREATE INDEX "Profile_userId_idx"
    ON platform."Profile" ("userId");
CREATE UNIQUE INDEX "Profile_username_key"
    ON platform."Profile" (username);

CREATE TABLE platform."StoreListing" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL,
    "owningUserId" text NOT NULL,
    "activeVersionId" text,
    "hasApprovedVersion" boolean NOT NULL DEFAULT false,
    "slug" text NOT NULL,
    "useForOnboarding" boolean NOT NULL DEFAULT false,
    CONSTRAINT "StoreListing_pkey" PRIMARY KEY (id)
);
CREATE UNIQUE INDEX "StoreListing_activeVersionId_key"
    ON platform."StoreListing" ("activeVersionId");
CREATE INDEX "StoreListing_agentGraphId_agentGraphVersion_idx"
    ON platform."StoreListing" ("agentGraphId", "agentGraphVersion");
CREATE UNIQUE INDEX "StoreListing_agentGraphId_key"
    ON platform."StoreListing" ("agentGraphId");
CREATE INDEX "StoreListing_isDeleted_hasApprovedVersion_idx"
    ON platform."StoreListing" ("isDeleted", "hasApprovedVersion");
CREATE UNIQUE INDEX "StoreListing_owningUserId_slug_key"
    ON platform."StoreListing" ("owningUserId", slug);

CREATE TABLE platform."StoreListingVersion" (
    "id" text NOT NULL,
    "version" integer NOT NULL DEFAULT 1,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "agentGraphId" text NOT NULL,
    "agentGraphVersion" integer NOT NULL,
    "name" text NOT NULL,
    "subHeading" text NOT NULL,
    "videoUrl" text,
    "imageUrls" text[] NOT NULL,
    "description" text NOT NULL,
    "categories" text[] NOT NULL,
    "isFeatured" boolean NOT NULL DEFAULT false,
    "isDeleted" boolean NOT NULL DEFAULT false,
    "isAvailable" boolean NOT NULL DEFAULT true,
    "storeListingId" text NOT NULL,
    "reviewerId" text,
    "reviewComments" text,
    "internalComments" text,
    "reviewedAt" timestamp(3),
    "changesSummary" text,
    "submissionStatus" platform."SubmissionStatus" NOT NULL DEFAULT 'DRAFT'::platform."SubmissionStatus",
    "submittedAt" timestamp(3),
    "recommendedScheduleCron" text,
    "instructions" text,
    "search" tsvector DEFAULT ''::tsvector,
    "agentOutputDemoUrl" text,
    CONSTRAINT "StoreListingVersion_pkey" PRIMARY KEY (id)
);
CREATE INDEX "StoreListingVersion_agentGraphId_agentGraphVersion_idx"
    ON platform."StoreListingVersion" ("agentGraphId", "agentGraphVersion");
CREATE INDEX "StoreListingVersion_reviewerId_idx"
    ON platform."StoreListingVersion" ("reviewerId");
CREATE INDEX "StoreListingVersion_storeListingId_submissionStatus_isAvail_idx"
    ON platform."StoreListingVersion" ("storeListingId", "submissionStatus", "isAvailable");
CREATE UNIQUE INDEX "StoreListingVersion_storeListingId_version_key"
    ON platform."StoreListingVersion" ("storeListingId", version);
CREATE INDEX "StoreListingVersion_submissionStatus_idx"
    ON platform."StoreListingVersion" ("submissionStatus");

CREATE TABLE platform."StoreListingReview" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "storeListingVersionId" text NOT NULL,
    "reviewByUserId" text NOT NULL,
    "score" integer NOT NULL,
    "comments" text,
    CONSTRAINT "StoreListingReview_pkey" PRIMARY KEY (id)
);
CREATE INDEX "StoreListingReview_reviewByUserId_idx"
    ON platform."StoreListingReview" ("reviewByUserId");
CREATE UNIQUE INDEX "StoreListingReview_storeListingVersionId_reviewByUserId_key"
    ON platform."StoreListingReview" ("storeListingVersionId", "reviewByUserId");

CREATE TABLE platform."UserOnboarding" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "usageReason" text,
    "integrations" text[] NOT NULL DEFAULT ARRAY[]::text[],
    "otherIntegrations" text,
    "agentInput" jsonb,
    "userId" text NOT NULL,
    "completedSteps" platform."OnboardingStep"[] NOT NULL DEFAULT '{}'::platform."OnboardingStep"[],
    "selectedStoreListingVersionId" text,
    "updatedAt" timestamp(3),
    "notified" platform."OnboardingStep"[] NOT NULL DEFAULT '{}'::platform."OnboardingStep"[],
    "rewardedFor" platform."OnboardingStep"[] NOT NULL DEFAULT '{}'::platform."OnboardingStep"[],
    "onboardingAgentExecutionId" text,
    "agentRuns" integer NOT NULL DEFAULT 0,
    "consecutiveRunDays" integer NOT NULL DEFAULT 0,
    "lastRunAt" timestamp(3),
    "walletShown" boolean NOT NULL DEFAULT false,
    CONSTRAINT "UserOnboarding_userId_key" UNIQUE ("userId"),
    CONSTRAINT "UserOnboarding_pkey" PRIMARY KEY (id)
);

CREATE TABLE platform."OAuthApplication" (
    "id" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" timestamp(3) NOT NULL,
    "name" text NOT NULL,
    "description" text,
    "clientId" text NOT NULL,
    "clientSecret" text NOT NULL,
    "clientSecretSalt" text NOT NULL,
    "redirectUris" text[],
    "grantTypes" text[] DEFAULT ARRAY['authorization_code'::text, 'refresh_token'::text],
    "scopes" platform."APIKeyPermission"[],
    "ownerId" text NOT NULL,
    "isActive" boolean NOT NULL DEFAULT true,
    "logoUrl" text,
    CONSTRAINT "OAuthApplication_pkey" PRIMARY KEY (id)
);
CREATE INDEX "OAuthApplication_clientId_idx"
    ON platform."OAuthApplication" ("clientId");
CREATE UNIQUE INDEX "OAuthApplication_clientId_key"
    ON platform."OAuthApplication" ("clientId");
CREATE INDEX "OAuthApplication_ownerId_idx"
    ON platform."OAuthApplication" ("ownerId");

CREATE TABLE platform."OAuthAuthorizationCode" (
    "id" text NOT NULL,
    "code" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" timestamp(3) NOT NULL,
    "applicationId" text NOT NULL,
    "userId" text NOT NULL,
    "scopes" platform."APIKeyPermission"[],
    "redirectUri" text NOT NULL,
    "codeChallenge" text,
    "codeChallengeMethod" text,
    "usedAt" timestamp(3),
    CONSTRAINT "OAuthAuthorizationCode_pkey" PRIMARY KEY (id)
);
CREATE INDEX "OAuthAuthorizationCode_applicationId_userId_idx"
    ON platform."OAuthAuthorizationCode" ("applicationId", "userId");
CREATE INDEX "OAuthAuthorizationCode_code_idx"
    ON platform."OAuthAuthorizationCode" (code);
CREATE UNIQUE INDEX "OAuthAuthorizationCode_code_key"
    ON platform."OAuthAuthorizationCode" (code);
CREATE INDEX "OAuthAuthorizationCode_expiresAt_idx"
    ON platform."OAuthAuthorizationCode" ("expiresAt");

CREATE TABLE platform."OAuthAccessToken" (
    "id" text NOT NULL,
    "token" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" timestamp(3) NOT NULL,
    "applicationId" text NOT NULL,
    "userId" text NOT NULL,
    "scopes" platform."APIKeyPermission"[],
    "revokedAt" timestamp(3),
    CONSTRAINT "OAuthAccessToken_pkey" PRIMARY KEY (id)
);
CREATE INDEX "OAuthAccessToken_expiresAt_idx"
    ON platform."OAuthAccessToken" ("expiresAt");
CREATE INDEX "OAuthAccessToken_token_idx"
    ON platform."OAuthAccessToken" (token);
CREATE UNIQUE INDEX "OAuthAccessToken_token_key"
    ON platform."OAuthAccessToken" (token);
CREATE INDEX "OAuthAccessToken_userId_applicationId_idx"
    ON platform."OAuthAccessToken" ("userId", "applicationId");

CREATE TABLE platform."OAuthRefreshToken" (
    "id" text NOT NULL,
    "token" text NOT NULL,
    "createdAt" timestamp(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expiresAt" timestamp(3) NOT NULL,
    "applicationId" text NOT NULL,
    "userId" text NOT NULL,
    "scopes" platform."APIKeyPermission"[],
    "revokedAt" timestamp(3),
    CONSTRAINT "OAuthRefreshToken_pkey" PRIMARY KEY (id)
);
CREATE INDEX "OAuthRefreshToken_expiresAt_idx"
    ON platform."OAuthRefreshToken" ("expiresAt");
CREATE INDEX "OAuthRefreshToken_token_idx"
    ON platform."OAuthRefreshToken" (token);
CREATE UNIQUE INDEX "OAuthRefreshToken_token_key"
    ON platform."OAuthRefreshToken" (token);
CREATE INDEX "OAuthRefreshToken_userId_applicationId_idx"
    ON platform."OAuthRefreshToken" ("userId", "applicationId");

-- Foreign keys come last: some of them form cycles.

ALTER TABLE platform."UserBalance"
    ADD CONSTRAINT "UserBalance_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."CreditTransaction"
    ADD CONSTRAINT "CreditTransaction_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE;
ALTER TABLE platform."AgentGraph"
    ADD CONSTRAINT "AgentGraph_forkedFromId_forkedFromVersion_fkey"
    FOREIGN KEY ("forkedFromId", "forkedFromVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AgentGraph"
    ADD CONSTRAINT "AgentGraph_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNode"
    ADD CONSTRAINT "AgentNode_agentBlockId_fkey"
    FOREIGN KEY ("agentBlockId") REFERENCES platform."AgentBlock" (id)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."AgentNode"
    ADD CONSTRAINT "AgentNode_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNode"
    ADD CONSTRAINT "AgentNode_webhookId_fkey"
    FOREIGN KEY ("webhookId") REFERENCES platform."IntegrationWebhook" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AgentNodeLink"
    ADD CONSTRAINT "AgentNodeLink_agentNodeSinkId_fkey"
    FOREIGN KEY ("agentNodeSinkId") REFERENCES platform."AgentNode" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNodeLink"
    ADD CONSTRAINT "AgentNodeLink_agentNodeSourceId_fkey"
    FOREIGN KEY ("agentNodeSourceId") REFERENCES platform."AgentNode" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentGraphExecution"
    ADD CONSTRAINT "AgentGraphExecution_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentGraphExecution"
    ADD CONSTRAINT "AgentGraphExecution_agentPresetId_fkey"
    FOREIGN KEY ("agentPresetId") REFERENCES platform."AgentPreset" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AgentGraphExecution"
    ADD CONSTRAINT "AgentGraphExecution_parentGraphExecutionId_fkey"
    FOREIGN KEY ("parentGraphExecutionId") REFERENCES platform."AgentGraphExecution" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AgentGraphExecution"
    ADD CONSTRAINT "AgentGraphExecution_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNodeExecution"
    ADD CONSTRAINT "AgentNodeExecution_agentGraphExecutionId_fkey"
    FOREIGN KEY ("agentGraphExecutionId") REFERENCES platform."AgentGraphExecution" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNodeExecution"
    ADD CONSTRAINT "AgentNodeExecution_agentNodeId_fkey"
    FOREIGN KEY ("agentNodeId") REFERENCES platform."AgentNode" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNodeExecutionInputOutput"
    ADD CONSTRAINT "AgentNodeExecutionInputOutput_agentPresetId_fkey"
    FOREIGN KEY ("agentPresetId") REFERENCES platform."AgentPreset" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."AgentNodeExecutionInputOutput"
    ADD CONSTRAINT "AgentNodeExecutionInputOutput_referencedByInputExecId_fkey"
    FOREIGN KEY ("referencedByInputExecId") REFERENCES platform."AgentNodeExecution" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentNodeExecutionInputOutput"
    ADD CONSTRAINT "AgentNodeExecutionInputOutput_referencedByOutputExecId_fkey"
    FOREIGN KEY ("referencedByOutputExecId") REFERENCES platform."AgentNodeExecution" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PendingHumanReview"
    ADD CONSTRAINT "PendingHumanReview_graphExecId_fkey"
    FOREIGN KEY ("graphExecId") REFERENCES platform."AgentGraphExecution" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."PendingHumanReview"
    ADD CONSTRAINT "PendingHumanReview_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserNotificationBatch"
    ADD CONSTRAINT "UserNotificationBatch_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."NotificationEvent"
    ADD CONSTRAINT "NotificationEvent_userNotificationBatchId_fkey"
    FOREIGN KEY ("userNotificationBatchId") REFERENCES platform."UserNotificationBatch" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."LibraryAgent"
    ADD CONSTRAINT "LibraryAgent_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."LibraryAgent"
    ADD CONSTRAINT "LibraryAgent_creatorId_fkey"
    FOREIGN KEY ("creatorId") REFERENCES platform."Profile" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."LibraryAgent"
    ADD CONSTRAINT "LibraryAgent_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentPreset"
    ADD CONSTRAINT "AgentPreset_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."AgentPreset"
    ADD CONSTRAINT "AgentPreset_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."AgentPreset"
    ADD CONSTRAINT "AgentPreset_webhookId_fkey"
    FOREIGN KEY ("webhookId") REFERENCES platform."IntegrationWebhook" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."IntegrationWebhook"
    ADD CONSTRAINT "IntegrationWebhook_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."Profile"
    ADD CONSTRAINT "Profile_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."StoreListing"
    ADD CONSTRAINT "StoreListing_activeVersionId_fkey"
    FOREIGN KEY ("activeVersionId") REFERENCES platform."StoreListingVersion" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."StoreListing"
    ADD CONSTRAINT "StoreListing_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."StoreListing"
    ADD CONSTRAINT "StoreListing_owningUserId_fkey"
    FOREIGN KEY ("owningUserId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."StoreListingVersion"
    ADD CONSTRAINT "StoreListingVersion_agentGraphId_agentGraphVersion_fkey"
    FOREIGN KEY ("agentGraphId", "agentGraphVersion") REFERENCES platform."AgentGraph" (id, version)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."StoreListingVersion"
    ADD CONSTRAINT "StoreListingVersion_reviewerId_fkey"
    FOREIGN KEY ("reviewerId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE SET NULL;
ALTER TABLE platform."StoreListingVersion"
    ADD CONSTRAINT "StoreListingVersion_storeListingId_fkey"
    FOREIGN KEY ("storeListingId") REFERENCES platform."StoreListing" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."StoreListingReview"
    ADD CONSTRAINT "StoreListingReview_reviewByUserId_fkey"
    FOREIGN KEY ("reviewByUserId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE RESTRICT;
ALTER TABLE platform."StoreListingReview"
    ADD CONSTRAINT "StoreListingReview_storeListingVersionId_fkey"
    FOREIGN KEY ("storeListingVersionId") REFERENCES platform."StoreListingVersion" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."UserOnboarding"
    ADD CONSTRAINT "UserOnboarding_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthApplication"
    ADD CONSTRAINT "OAuthApplication_ownerId_fkey"
    FOREIGN KEY ("ownerId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthAuthorizationCode"
    ADD CONSTRAINT "OAuthAuthorizationCode_applicationId_fkey"
    FOREIGN KEY ("applicationId") REFERENCES platform."OAuthApplication" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthAuthorizationCode"
    ADD CONSTRAINT "OAuthAuthorizationCode_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthAccessToken"
    ADD CONSTRAINT "OAuthAccessToken_applicationId_fkey"
    FOREIGN KEY ("applicationId") REFERENCES platform."OAuthApplication" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthAccessToken"
    ADD CONSTRAINT "OAuthAccessToken_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthRefreshToken"
    ADD CONSTRAINT "OAuthRefreshToken_applicationId_fkey"
    FOREIGN KEY ("applicationId") REFERENCES platform."OAuthApplication" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE platform."OAuthRefreshToken"
    ADD CONSTRAINT "OAuthRefreshToken_userId_fkey"
    FOREIGN KEY ("userId") REFERENCES platform."User" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;

-- Counts and ratings for the store; refreshed by pg_cron where it exists, else by a worker.

CREATE MATERIALIZED VIEW platform.mv_agent_run_counts AS
SELECT "agentGraphId", count(*) AS run_count
FROM platform."AgentGraphExecution"
GROUP BY "agentGraphId";

CREATE UNIQUE INDEX idx_mv_agent_run_counts
    ON platform.mv_agent_run_counts ("agentGraphId");

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

CREATE UNIQUE INDEX idx_mv_review_stats
    ON platform.mv_review_stats ("storeListingId");
CREATE INDEX idx_mv_review_stats_rating
    ON platform.mv_review_stats (avg_rating DESC);
CREATE INDEX idx_mv_review_stats_count
    ON platform.mv_review_stats (review_count DESC);

CREATE FUNCTION platform.refresh_store_materialized_views() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_agent_run_counts;
    REFRESH MATERIALIZED VIEW CONCURRENTLY mv_review_stats;
    RAISE NOTICE 'Store views refreshed concurrently at %', now();
EXCEPTION WHEN OTHERS THEN
    REFRESH MATERIALIZED VIEW mv_agent_run_counts;
    REFRESH MATERIALIZED VIEW mv_review_stats;
    RAISE NOTICE 'Store views refreshed plainly at % because of: %', now(), SQLERRM;
END
$$;

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
