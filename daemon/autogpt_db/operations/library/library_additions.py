"""The statement that puts a listing's graph into a library, fitted to what a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.library.library_documents import (
    NO_EXECUTIONS,
    columns,
    document,
    installable,
)
from autogpt_db.operations.users.default_team import FIND

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _readable(capabilities: Capabilities) -> LiteralString:
    """Return the condition that a user may take a listing's version, `version`, of `graph`."""
    if capabilities.pods:
        return f"""EXISTS (
           SELECT
             FROM platform."StoreListing" AS listing
            WHERE listing."id" = version."storeListingId"
              AND {installable("version", "listing")}
       )"""
    kept: LiteralString = ""
    if capabilities.store2:
        kept = """
           OR EXISTS (
               SELECT
                 FROM platform."LibraryAgent" AS kept
                WHERE kept."userId" = %(user_id)s
                  AND kept."agentGraphId" = graph."id"
                  AND kept."agentGraphVersion" = graph."version"
                  AND NOT kept."isDeleted"
                  AND NOT kept."isArchived"
           )"""
    return f"""(
           graph."userId" = %(user_id)s
           OR EXISTS (
               SELECT
                 FROM platform."StoreListingVersion" AS listed
                WHERE listed."agentGraphId" = graph."id"
                  AND listed."agentGraphVersion" = graph."version"
                  AND listed."submissionStatus" = 'APPROVED'
                  AND NOT listed."isDeleted"
           ){kept}
       )"""


# Until v0.6.50 an agent that is there is only taken out of the bin, and shown as it was.
_PRESENT: LiteralString = """, present AS (
    SELECT agent.*
      FROM platform."LibraryAgent" AS agent
      JOIN offered
           ON offered."id" = agent."agentGraphId" AND offered."version" = agent."agentGraphVersion"
     WHERE agent."userId" = %(user_id)s
), restored AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "isDeleted" = false,
           "updatedAt" = autogpt_db.now_v1()
      FROM present
     WHERE agent."id" = present."id" AND agent."isDeleted"
)"""


def _restored(copies: LiteralString) -> LiteralString:
    return f""", present AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "isDeleted" = false,
           "isArchived" = false,{copies}
           "updatedAt" = autogpt_db.now_v1()
      FROM offered
     WHERE agent."userId" = %(user_id)s
       AND agent."agentGraphId" = offered."id"
       AND agent."agentGraphVersion" = offered."version"
    RETURNING agent.*
)"""


def _offered(capabilities: Capabilities, more: LiteralString = "") -> LiteralString:
    """Return the query for a listing's graph, if the user may take it.

    Args:
        capabilities: What the database has.
        more: Further columns of the listing's `version`.
    """
    return f"""
    SELECT graph."id", graph."version"{more}
      FROM platform."StoreListingVersion" AS version
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = version."agentGraphId" AND graph."version" = version."agentGraphVersion"
     WHERE version."id" = %(store_listing_version_id)s
       AND {_readable(capabilities)}
"""


def _add(capabilities: Capabilities) -> LiteralString:
    copies: LiteralString = ""
    names: LiteralString = ""
    values: LiteralString = ""
    offers: LiteralString = ""
    if capabilities.last_run:
        offers = """,
           version."name" AS own_name, version."description" AS own_description,
           version."imageUrls"[1] AS image"""
        copies = """
           "name" = offered.own_name,
           "description" = offered.own_description,
           "imageUrl" = offered.image,"""
        names = """,
            "name", "description",
            "imageUrl" """
        values = """,
           offered.own_name, offered.own_description, offered.image"""
    home: LiteralString = ""
    joined: LiteralString = ""
    housed: LiteralString = ""
    if capabilities.expert_runs:
        # Where the user's things belong if nothing else is said.
        home = f""", home AS ({FIND})"""
        housed = """
       AND (%(without_home)s OR EXISTS (SELECT FROM home))"""
        names = f"""{names},
            "organizationId",
            "teamId" """
        values = f"""{values},
           home.organization_id, home.team_id"""
        joined = """
      LEFT JOIN home ON true"""
    return f"""
WITH offered AS (
{_offered(capabilities, offers)}
){_restored(copies) if capabilities.store2 else _PRESENT}{home}, added AS (
    INSERT INTO platform."LibraryAgent" AS agent
           ("id", "createdAt", "updatedAt", "userId", "agentGraphId", "agentGraphVersion",
            "isCreatedByUser", "useGraphIsActiveVersion", "settings"{names})
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s,
           offered."id", offered."version", false, false,
           autogpt_db.library_settings_v2('{{}}'){values}
      FROM offered{joined}
     WHERE NOT EXISTS (SELECT FROM present){housed}
        ON CONFLICT ("userId", "agentGraphId", "agentGraphVersion") DO UPDATE
       SET "isDeleted" = false
    RETURNING agent.*
)
SELECT {document(capabilities)}
  FROM (
       SELECT {columns(capabilities)},
              COALESCE(
                  autogpt_db.library_settings_v2(agent."settings"),
                  autogpt_db.library_settings_v2('{{}}')
              ) AS settings
         FROM (SELECT * FROM present UNION ALL SELECT * FROM added) AS agent
  ) AS agent
  JOIN platform."AgentGraph" AS graph
       ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
 CROSS JOIN (SELECT NULL::text AS "name", NULL::text AS "avatarUrl") AS creator
 CROSS JOIN (
{NO_EXECUTIONS}
  ) AS executions
"""


ADD = ForSchema(_add)
"""Puts a listing's graph into a library and reads its agent.

The conflict is with somebody who adds the same one now. Where new entries belong to an organization
(`OFFERED`) none is added for a user without one of their own, unless `without_home` is true.
"""
OFFERED = ForSchema(
    lambda capabilities: _offered(capabilities) if capabilities.expert_runs else None
)
"""Finds a listing's graph that the user may take; None where entries need no organization."""
