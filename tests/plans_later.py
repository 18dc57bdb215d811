"""Rows in what only later releases have, as many as go with those of `plans`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.data import Size
from cryptography.fernet import Fernet

from releases.building import ENCRYPTION_KEY

if TYPE_CHECKING:
    import psycopg

WITHOUT = 100
"""Users who have neither an organization nor a workspace: the last ones."""

PER_USER = {
    "AgentPreset": 5,
    "IntegrationCredential": 5,
    "LibraryFolder": 10,
    "PlatformLink": 1,
    "PlatformLinkToken": 3,
    "PlatformUserLink": 1,
    "UserBriefing": 30,
    "UserWorkspaceFile": 20,
}


def rows(size: Size) -> dict[str, int]:
    """Return the tables that grow with every execution or day, and how many rows they get."""
    return {
        "BotEvent": size.node_executions,
        "ChatMessage": size.node_executions,
        "ChatSession": size.node_executions // 10,
        "OrgCreditTransaction": size.node_executions,
        "PlatformCostLog": size.node_executions,
        **{table: number * size.users for table, number in PER_USER.items()},
    }


# Of a sample this small so many values are no share of the rows, or the other way round.
DISTINCT = {
    ("AgentPreset", "userId"): -1 / PER_USER["AgentPreset"],
    ("ChatMessage", "sessionId"): -0.1,
    ("IntegrationCredential", "ownerId"): -1 / PER_USER["IntegrationCredential"],
    ("LibraryFolder", "userId"): -1 / PER_USER["LibraryFolder"],
    ("UserBriefing", "userId"): -1 / PER_USER["UserBriefing"],
    ("UserWorkspaceFile", "workspaceId"): -1 / PER_USER["UserWorkspaceFile"],
}

_ROWS = """
SET session_replication_role = replica;

INSERT INTO platform."Organization"
       ("id", "name", "slug", "isPersonal", "bootstrapUserId", "updatedAt")
SELECT bench.id(kind || u), 'Name', kind || u, kind = 'o',
       CASE kind WHEN 'o' THEN bench.id('u' || u) END, '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u, unnest(ARRAY['o', 'c']) AS kind;

INSERT INTO platform."OrgMember" ("id", "orgId", "userId", "isOwner", "isAdmin", "updatedAt")
SELECT bench.id('m' || kind || u), bench.id(kind || u), bench.id('u' || u), true, true,
       '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u, unnest(ARRAY['o', 'c']) AS kind;

INSERT INTO platform."Team" ("id", "name", "isDefault", "orgId", "createdByUserId", "updatedAt")
SELECT bench.id('t' || kind || u), 'Default', true, bench.id(kind || u), bench.id('u' || u),
       '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u, unnest(ARRAY['o', 'c']) AS kind;

INSERT INTO platform."TeamMember" ("id", "teamId", "userId", "isAdmin", "updatedAt")
SELECT bench.id('tm' || kind || u), bench.id('t' || kind || u), bench.id('u' || u), true,
       '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u, unnest(ARRAY['o', 'c']) AS kind;

INSERT INTO platform."OrgBalance" ("orgId", "balance", "updatedAt")
SELECT bench.id(kind || u), 1000000, '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u, unnest(ARRAY['o', 'c']) AS kind;

INSERT INTO platform."OrgCreditTransaction"
       ("transactionKey", "orgId", "initiatedByUserId", "amount", "type", "runningBalance",
        "createdAt")
SELECT 'key-' || n, bench.id('c' || n % {members}), bench.id('u' || n % {members}), -1, 'USAGE',
       1000, timestamp '2025-10-01' + n * interval '2 seconds'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."PlatformCostLog"
       ("id", "userId", "graphExecId", "nodeExecId", "provider", "costMicrodollars", "createdAt")
SELECT bench.id('pc' || n), bench.id('u' || n % {users}), bench.id('e' || n / 20),
       bench.id('n' || n), 'openai', 100, timestamp '2025-10-01' + n * interval '2 seconds'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."UserWorkspace" ("id", "userId", "updatedAt")
SELECT bench.id('w' || u), bench.id('u' || u), '2025-10-01'
  FROM generate_series(0, {members} - 1) AS u;

INSERT INTO platform."UserWorkspaceFile"
       ("id", "workspaceId", "name", "path", "storagePath", "mimeType", "sizeBytes", "createdAt",
        "updatedAt")
SELECT bench.id('f' || u || '-' || n), bench.id('w' || u), n || '.txt', '/' || n || '.txt',
       'local://' || n, 'text/plain', 100, timestamp '2025-10-01' + n * interval '1 minute',
       '2025-10-01'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {UserWorkspaceFile} - 1) AS n;

INSERT INTO platform."IntegrationCredential"
       ("id", "organizationId", "ownerType", "ownerId", "provider", "credentialType",
        "displayName", "encryptedPayload", "createdByUserId", "updatedAt")
SELECT bench.id('ic' || u || '-' || n), bench.id('o' || u), 'USER', bench.id('u' || u), 'openai',
       'api_key', 'A key', '{payload}', bench.id('u' || u), '2025-10-01'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {IntegrationCredential} - 1) AS n;

INSERT INTO platform."IntegrationWebhook"
       ("id", "userId", "provider", "credentialsId", "webhookType", "resource", "events", "config",
        "secret", "providerWebhookId")
SELECT bench.id('wh' || u), bench.id('u' || u), 'github', 'c', 'repo', 'a/b', '{{}}', '{{}}', 's',
       'p'
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."AgentPreset"
       ("id", "userId", "name", "description", "agentGraphId", "agentGraphVersion", "webhookId")
SELECT bench.id('ap' || u || '-' || n), bench.id('u' || u), 'Preset ' || n, '', bench.id('g0'), 1,
       bench.id('wh' || u)
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {AgentPreset} - 1) AS n;

INSERT INTO platform."AgentNodeExecutionInputOutput" ("id", "name", "agentPresetId", "data")
SELECT bench.id('pi' || u || '-' || n || k), k, bench.id('ap' || u || '-' || n), '1'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {AgentPreset} - 1) AS n,
       unnest(ARRAY['topic', 'credentials']) AS k;

INSERT INTO platform."LibraryFolder" ("id", "userId", "name", "parentId")
SELECT bench.id('lf' || u || '-' || n), bench.id('u' || u), 'Folder ' || n,
       CASE WHEN n > 4 THEN bench.id('lf' || u || '-' || n - 5) END
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {LibraryFolder} - 1) AS n;

INSERT INTO platform."PushSubscription"
       ("id", "userId", "endpoint", "p256dh", "auth", "failCount", "updatedAt")
SELECT bench.id('ps' || u || '-' || n), bench.id('u' || u), 'https://push.example.com/' || n, 'p',
       'a', n, '2025-10-01'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, 5) AS n;

INSERT INTO platform."PlatformLinkToken"
       ("id", "token", "platform", "platformUserId", "expiresAt")
SELECT bench.id('pt' || n), 'token-' || n, 'DISCORD', 'somebody',
       autogpt_db.now_v1() + (n - 20) * interval '1 hour'
  FROM generate_series(0, {users} - 1) AS n;

INSERT INTO platform."PlatformLinkToken"
       ("id", "token", "platform", "linkType", "platformServerId", "platformUserId", "expiresAt")
SELECT bench.id('pt' || kind || n), kind || '-token-' || n, 'DISCORD',
       CASE kind WHEN 'server' THEN 'SERVER' ELSE 'USER' END::platform."PlatformLinkType",
       CASE kind WHEN 'server' THEN 'new-server-' || n END, 'new-account-' || n, '2100-01-01'
  FROM generate_series(0, {users} - 1) AS n, unnest(ARRAY['server', 'account']) AS kind;

INSERT INTO platform."PlatformLink"
       ("id", "userId", "platform", "platformServerId", "ownerPlatformUserId")
SELECT bench.id('pl' || u), bench.id('u' || u), 'DISCORD', 'server-' || u, 'owner'
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."PlatformUserLink" ("id", "userId", "platform", "platformUserId")
SELECT bench.id('pu' || u), bench.id('u' || u), 'DISCORD', 'account-' || u
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."BotEvent" ("id", "platform", "eventType", "serverId", "createdAt")
SELECT bench.id('be' || n), 'DISCORD', 'reply_sent', 'guild-' || n % 1000,
       timestamp '2025-10-01' + n * interval '2 seconds'
  FROM generate_series(0, {node_executions} - 1) AS n;

INSERT INTO platform."BotGuild" ("id", "platform", "serverId")
SELECT bench.id('bg' || n), 'DISCORD', 'guild-' || n
  FROM generate_series(0, 999) AS n;

INSERT INTO platform."BotInstall" ("id", "platform", "platformServerId", "credentials")
SELECT bench.id('bi' || n), 'SLACK', 'team-' || n, '{installed}'
  FROM generate_series(0, 999) AS n;

INSERT INTO platform."Expert" ("id", "ownerUserId", "name", "role", "identity")
SELECT bench.id('x' || u || '-' || n), bench.id('u' || u), 'Expert ' || n, 'role', 'I am'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, 2) AS n;

INSERT INTO platform."ExpertWorkflow" ("id", "expertId", "libraryAgentId")
SELECT bench.id('xw' || u || '-' || n), bench.id('x' || u || '-' || n), bench.id('y' || u)
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, 2) AS n;

INSERT INTO platform."UserBriefing" ("id", "userId", "briefingDate", "content")
SELECT bench.id('ub' || u || '-' || n), bench.id('u' || u), date '2025-10-01' + n, '{{}}'
  FROM generate_series(0, {users} - 1) AS u, generate_series(0, {UserBriefing} - 1) AS n;

INSERT INTO platform."UserAuthIdentity" ("id", "name", "email", "role", "createdAt", "updatedAt")
SELECT bench.id('u' || u), 'User ' || u, u || '@example.com', 'user', '2025-10-01', '2025-10-01'
  FROM generate_series(0, {users} - 1) AS u;

INSERT INTO platform."ChatSession" ("id", "userId", "expertId", "updatedAt")
SELECT bench.id('cs' || n), bench.id('u' || n % {users}),
       CASE n / {users} % 2 WHEN 0 THEN bench.id('x' || n % {users} || '-0') END, '2025-10-01'
  FROM generate_series(0, {node_executions} / 10 - 1) AS n;

INSERT INTO platform."ChatMessage" ("id", "sessionId", "role", "content", "sequence")
SELECT bench.id('cm' || n), bench.id('cs' || n / 10), 'user', 'text', n % 10
  FROM generate_series(0, {node_executions} - 1) AS n;

UPDATE platform."ChatSession"
   SET "isShared" = true, "autoShareExecutions" = true
  FROM generate_series(0, {users} - 1) AS u
 WHERE "id" = bench.id('cs' || u);

UPDATE platform."AgentGraphExecution"
   SET "expertId" = bench.id('x' || e % {users} || '-1')
  FROM generate_series(0, {executions} - 1) AS e
 WHERE "id" = bench.id('e' || e);

UPDATE platform."AgentBlock" SET "description" = 'What it does';
"""


def make(connection: psycopg.Connection[Any], size: Size) -> None:
    """Make the rows beside those of `bench/data.py`.

    Args:
        connection: In autocommit mode, as a superuser; the tables are the latest release's.
        size: How many there are of everything.
    """
    credential = {
        "id": "key", "provider": "openai", "type": "api_key", "title": "A key", "api_key": "secret",
        "expires_at": None,
    }  # fmt: skip
    payload, installed = (
        Fernet(ENCRYPTION_KEY).encrypt(json.dumps(content).encode()).decode()
        for content in (credential, {"bot_token": "token"})
    )
    values = {
        "users": size.users,
        "members": size.users - WITHOUT,
        "executions": size.executions,
        "node_executions": size.node_executions,
        "payload": payload,
        "installed": installed,
        **PER_USER,
    }
    connection.execute(_ROWS.format(**values).encode())
    connection.execute("RESET session_replication_role")
