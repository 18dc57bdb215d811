"""The statements that read a page of a library, fitted to what a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.library.library_documents import columns, document, latest_executions

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _wanted(capabilities: Capabilities) -> LiteralString:
    """Return the optional filters; of what a database lacks, no row has anything."""
    folders: LiteralString = """
       AND %(folder_id)s::text IS NULL"""
    if capabilities.folders:
        folders = """
       AND (%(folder_id)s::text IS NULL OR agent."folderId" = %(folder_id)s)
       AND (NOT %(root_only)s OR agent."folderId" IS NULL)"""
    hidden: LiteralString = """
       AND %(is_hidden)s::boolean IS NOT TRUE"""
    if capabilities.hidden:
        hidden = """
       AND (%(is_hidden)s::boolean IS NULL OR agent."isHidden" = %(is_hidden)s)"""
    organization: LiteralString = ""
    if capabilities.orgs:
        organization = """
       AND (
           %(organization_id)s::text IS NULL
           OR agent."organizationId" IS NULL
           OR agent."organizationId" = %(organization_id)s
       )"""
    own: LiteralString = ""
    if capabilities.last_run:
        own = """
           OR agent."name" ILIKE %(pattern)s::text
           OR agent."description" ILIKE %(pattern)s::text"""
    return f"""{folders}{hidden}{organization}
       AND (
           %(pattern)s::text IS NULL
           OR graph."name" ILIKE %(pattern)s::text
           OR graph."description" ILIKE %(pattern)s::text{own}
       )"""


# What tells something of a graph, for those who ask for it.
_NODES: LiteralString = """
               , 'nodes', (
                   SELECT COALESCE(json_agg(json_build_array(
                              node."agentBlockId", autogpt_db.as_object_v1(node."constantInput")
                          ) ORDER BY node.ctid), '[]')
                     FROM platform."AgentNode" AS node
                    WHERE node."agentGraphId" = agent."agentGraphId"
                      AND node."agentGraphVersion" = agent."agentGraphVersion"
                      AND node."agentBlockId" = ANY (%(blocks)s::text[])
               )"""
_BLOCKS: LiteralString = """(
           SELECT json_object_agg(block."id", block."inputSchema")
             FROM platform."AgentBlock" AS block
            WHERE block."id" = ANY (%(blocks)s::text[])
       )"""


def _list(capabilities: Capabilities, *, with_nodes: bool) -> LiteralString:
    # AutoGPT counts all executions of a graph since v0.6.57; before, those that it has loaded.
    counted: LiteralString = ""
    total: LiteralString = "executions.total"
    joined: LiteralString = ""
    if capabilities.linking:
        counted = """, counted AS MATERIALIZED (
    SELECT execution."agentGraphId" AS graph_id, count(*) AS total
      FROM platform."AgentGraphExecution" AS execution
     WHERE execution."userId" = %(user_id)s
       AND NOT execution."isDeleted"
       AND execution."agentGraphId" IN (SELECT shown."agentGraphId" FROM shown)
     GROUP BY execution."agentGraphId"
)"""
        total = "COALESCE(counted.total, 0)"
        joined = """
                 LEFT JOIN counted ON counted.graph_id = agent."agentGraphId"
                """
    last_run: LiteralString = "NULL::timestamp"
    if capabilities.last_run:
        last_run = 'agent."lastRunAt"'
    shape: LiteralString = document(capabilities, total)
    before: LiteralString = ""
    after: LiteralString = ""
    if with_nodes:
        shape = f"""json_build_object(
               'agent', {shape}{_NODES}
               )"""
        before, after = "json_build_object('page', ", f", 'schemas', {_BLOCKS})"
    # An agent whose settings don't validate is counted but not shown. Among equals the page's order
    # is that of reading, the same for every page.
    return f"""
WITH found AS (
    SELECT agent."id", agent."updatedAt", agent."createdAt", {last_run} AS last_run_at,
           agent.ctid AS place
      FROM platform."LibraryAgent" AS agent
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
     WHERE agent."userId" = %(user_id)s
       AND NOT agent."isDeleted"
       AND NOT agent."isArchived"{_wanted(capabilities)}
), placed AS (
    SELECT found."id" AS key,
           row_number() OVER (
               ORDER BY CASE WHEN %(sort_by)s::text = 'createdAt' THEN found."createdAt" END,
                        CASE WHEN %(sort_by)s::text = 'lastRunAt' THEN found.last_run_at END
                            DESC NULLS LAST,
                        CASE WHEN %(sort_by)s::text <> 'createdAt' THEN found."updatedAt" END DESC,
                        found.place
           ) AS number
      FROM found
     ORDER BY number
     LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
), shown AS (
    SELECT placed.number,{columns(capabilities)},
           autogpt_db.library_settings_v2(agent."settings") AS settings
      FROM placed
      JOIN platform."LibraryAgent" AS agent ON agent."id" = placed.key
){counted}
SELECT {before}json_build_object(
           'agents', COALESCE((
               SELECT json_agg({shape} ORDER BY agent.number)
                 FROM shown AS agent
                 JOIN platform."AgentGraph" AS graph
                      ON graph."id" = agent."agentGraphId"
                         AND graph."version" = agent."agentGraphVersion"
                 LEFT JOIN platform."Profile" AS creator ON creator."id" = agent."creatorId"{joined}
                CROSS JOIN LATERAL (
                      {latest_executions("%(include_executions)s")}
                ) AS executions
                WHERE agent.settings IS NOT NULL
           ), '[]'),
           'pagination', json_build_object(
               'total_items', (SELECT count(*) FROM found),
               'total_pages',
                   ((SELECT count(*) FROM found) + %(page_size)s - 1) / %(page_size)s,
               'current_page', %(page)s::integer,
               'page_size', %(page_size)s::integer
           )
       ){after}
"""


LIST = ForSchema(lambda capabilities: _list(capabilities, with_nodes=False))
"""Reads a page of a library."""
LIST_WITH_NODES = ForSchema(lambda capabilities: _list(capabilities, with_nodes=True))
"""Reads a page of pairs, an agent and its nodes that tell something, and the blocks' schemas."""
