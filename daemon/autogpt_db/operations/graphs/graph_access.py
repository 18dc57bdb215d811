"""Which graphs a user sees, and which ones a user may run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.users.tenancy import visible

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _owned(capabilities: Capabilities) -> LiteralString:
    """Return the condition that a graph is one of those that the user works on."""
    if not capabilities.orgs:  # no graph has an organization or a team
        return """graph."userId" = %(user_id)s AND %(team_id)s::text IS NULL"""
    return f"""
                           (%(team_id)s::text IS NULL OR graph."teamId" = %(team_id)s)
                           AND CASE
                               WHEN %(user_id)s::text IS NULL THEN %(team_id)s::text IS NOT NULL
                               WHEN %(organization_id)s::text IS NULL
                               THEN graph."userId" = %(user_id)s
                               ELSE {visible(capabilities, "graph")}
                           END"""


# What is in the library stays there when its listing is withdrawn.
_KEPT: LiteralString = """
             UNION ALL
            SELECT 3, kept."agentGraphId", kept."agentGraphVersion"
              FROM (
                    SELECT "agentGraphId", "agentGraphVersion"
                      FROM platform."LibraryAgent"
                     WHERE "userId" = %(user_id)s
                       AND "agentGraphId" = %(graph_id)s
                       AND (%(version)s::integer IS NULL OR "agentGraphVersion" = %(version)s)
                       AND NOT "isDeleted" AND NOT "isArchived"
                     ORDER BY "agentGraphVersion" DESC
                     LIMIT 1
                   ) AS kept"""


def chosen(capabilities: Capabilities) -> LiteralString:
    """Return the common table expression of the one graph that is asked for, `chosen`.

    The user's own (or anybody's) stands before the marketplace's, and this before the library's.
    Its parameters are those of `get_graph`.
    """
    return f"""
chosen AS (
    SELECT graph.*
      FROM (
            SELECT 1 AS preference, own."id", own."version"
              FROM (
                    SELECT graph."id", graph."version"
                      FROM platform."AgentGraph" AS graph
                     WHERE graph."id" = %(graph_id)s
                       AND (%(version)s::integer IS NULL OR graph."version" = %(version)s)
                       AND (%(skip_access_check)s OR {_owned(capabilities)})
                     ORDER BY graph."version" DESC
                     LIMIT 1
                   ) AS own
             UNION ALL
            SELECT 2, listed."agentGraphId", listed."agentGraphVersion"
              FROM (
                    SELECT "agentGraphId", "agentGraphVersion"
                      FROM platform."StoreListingVersion"
                     WHERE "agentGraphId" = %(graph_id)s
                       AND (%(version)s::integer IS NULL OR "agentGraphVersion" = %(version)s)
                       AND "submissionStatus" = 'APPROVED' AND NOT "isDeleted"
                     ORDER BY "agentGraphVersion" DESC
                     LIMIT 1
                   ) AS listed{_KEPT if capabilities.store2 else ""}
             ORDER BY preference
             LIMIT 1
           ) AS found
      JOIN platform."AgentGraph" AS graph
        ON graph."id" = found."id" AND graph."version" = found."version"
)"""


_OWNED: LiteralString = """EXISTS (
           SELECT
             FROM platform."AgentGraph"
            WHERE "id" = %(graph_id)s AND "version" = %(graph_version)s
              AND "userId" = %(user_id)s
       )"""
_PUBLISHED: LiteralString = """EXISTS (
           SELECT
             FROM platform."StoreListingVersion"
            WHERE "agentGraphId" = %(graph_id)s AND "agentGraphVersion" = %(graph_version)s
              AND "submissionStatus" = 'APPROVED' AND NOT "isDeleted"
       )"""
_IN_LIBRARY: LiteralString = """EXISTS (
           SELECT
             FROM platform."LibraryAgent"
            WHERE "userId" = %(user_id)s AND "agentGraphId" = %(graph_id)s
              AND NOT "isDeleted" AND NOT "isArchived"
       )"""
_EXACTLY_IN_LIBRARY: LiteralString = """EXISTS (
           SELECT
             FROM platform."LibraryAgent"
            WHERE "userId" = %(user_id)s AND "agentGraphId" = %(graph_id)s
              AND "agentGraphVersion" = %(graph_version)s
              AND NOT "isDeleted" AND NOT "isArchived"
       )"""


def _permissions(capabilities: Capabilities) -> LiteralString:
    if not capabilities.store2:
        return f"""
SELECT {_OWNED}
       OR {_PUBLISHED},
       %(is_sub_graph)s
       OR {_IN_LIBRARY}
"""
    return f"""
SELECT granted.owned OR granted.kept
       OR {_PUBLISHED},
       %(is_sub_graph)s OR granted.kept
       OR granted.owned AND {_IN_LIBRARY}
  FROM (
        SELECT {_OWNED} AS owned,
               {_EXACTLY_IN_LIBRARY} AS kept
       ) AS granted
"""


PERMISSIONS = ForSchema(_permissions)
"""Tells whether a user may see a graph, and whether it may be run."""
