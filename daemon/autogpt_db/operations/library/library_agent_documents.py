"""Single agents of a library and short lists of them, as the wire has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.operations.graphs.graph_interface import BLOCKS_THAT_SHOW, interface_of
from autogpt_db.operations.library.library_documents import (
    NO_EXECUTIONS,
    columns,
    document,
    latest_executions,
)

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import Database

_encode = msgspec.json.Encoder().encode

_EMPTY = {"type": "object", "properties": {}, "required": []}

BLOCKS: dict[str, Any] = {"blocks": list(BLOCKS_THAT_SHOW)}
"""The parameter of what reads nodes that tell something."""

_LISTING: LiteralString = """(
               SELECT json_build_object(
                          'id', listing."id",
                          'name', version."name",
                          'slug', listing."slug",
                          'creator', json_build_object(
                              'name', owner."name",
                              'id', owner."id",
                              'slug', owner."username"
                          )
                      )
                 FROM platform."StoreListing" AS listing
                 JOIN platform."StoreListingVersion" AS version
                      ON version."id" = listing."activeVersionId"
                 JOIN platform."Profile" AS owner ON owner."userId" = listing."owningUserId"
                WHERE listing."agentGraphId" = agent."agentGraphId"
                  AND listing."hasApprovedVersion"
                  AND NOT listing."isDeleted"
                LIMIT 1
           )"""


def _shown(
    capabilities: Capabilities,
    source: LiteralString,
    executions: LiteralString,
    more: LiteralString = "",
) -> LiteralString:
    """Return the FROM clause that a document needs; settings that don't validate are the defaults.

    Args:
        capabilities: What the database has.
        source: Rows of "LibraryAgent", as SQL.
        executions: What is told of their executions.
        more: Further columns of the source, each after a comma.
    """
    return f"""
  FROM (
       SELECT {columns(capabilities)}{more},
              COALESCE(
                  autogpt_db.library_settings_v2(agent."settings"),
                  autogpt_db.library_settings_v2('{{}}')
              ) AS settings
         FROM {source} AS agent
  ) AS agent
  JOIN platform."AgentGraph" AS graph
       ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion"
  LEFT JOIN platform."Profile" AS creator ON creator."id" = agent."creatorId"
 CROSS JOIN LATERAL ({executions}) AS executions"""


def in_full(
    capabilities: Capabilities, source: LiteralString, *, listed: bool = False
) -> LiteralString:
    """Return the query for an agent, its nodes that tell something, and their blocks' schemas.

    What comes of it is for `agent_in_full`.

    Args:
        capabilities: What the database has.
        source: The row of "LibraryAgent", as SQL.
        listed: Whether to tell where it stands in the marketplace.
    """
    shape = document(capabilities, listing=_LISTING if listed else "NULL")
    return f"""
SELECT {shape},
       (
           SELECT json_agg(
                      json_build_array(
                          node."agentBlockId", autogpt_db.as_object_v1(node."constantInput")
                      )
                      ORDER BY node.ctid
                  )
             FROM platform."AgentNode" AS node
            WHERE node."agentGraphId" = agent."agentGraphId"
              AND node."agentGraphVersion" = agent."agentGraphVersion"
              AND node."agentBlockId" = ANY (%(blocks)s::text[])
       ),
       (
           SELECT json_object_agg(block."id", block."inputSchema")
             FROM platform."AgentBlock" AS block
            WHERE block."id" IN (
                      SELECT node."agentBlockId"
                        FROM platform."AgentNode" AS node
                       WHERE node."agentGraphId" = agent."agentGraphId"
                         AND node."agentGraphVersion" = agent."agentGraphVersion"
                         AND node."agentBlockId" = ANY (%(blocks)s::text[])
                  )
       ){_shown(capabilities, source, latest_executions("true"))}
"""


async def agent_in_full(
    database: Database, found: bytes, nodes: bytes | None, schemas: bytes | None
) -> bytes:
    """Return a library's agent with what its graph takes and gives.

    Which credentials it needs AutoGPT finds out from its blocks. Nobody who calls us reads that.

    Args:
        database: A handle for this call.
        found: The agent, as `in_full` found it.
        nodes: The nodes that tell something; None without any.
        schemas: Their blocks' input schemas; None without any.
    """
    # What users put into a node may be large.
    parts = (found, nodes or b"[]", schemas or b"{}")
    agent: bytes = await database.computed(sum(map(len, parts)), whole_agent, *parts)
    return agent


def whole_agent(found: bytes, nodes: bytes, schemas: bytes) -> bytes:
    """Return what `agent_in_full` does, of JSON throughout."""
    told = interface_of(json.loads(nodes), json.loads(schemas))
    return _encode(json.loads(found) | told | {"credentials_input_schema": _EMPTY})


def whole_page(document: bytes) -> bytes:
    """Return a page of agents with what their graphs take and give, as JSON.

    Args:
        document: The page, with each agent's nodes that tell something, and the blocks' schemas.
    """
    found = json.loads(document)
    page, schemas = found["page"], found["schemas"] or {}
    page["agents"] = [
        each["agent"] | interface_of(each["nodes"], schemas) for each in page["agents"]
    ]
    return _encode(page)


def in_short(
    capabilities: Capabilities,
    source: LiteralString,
    order: LiteralString,
    more: LiteralString = "",
    beside: LiteralString = "",
) -> LiteralString:
    """Return the query for documents of agents without nodes and executions, in an order.

    Args:
        capabilities: What the database has.
        source: The rows of "LibraryAgent", as SQL.
        order: What follows ORDER BY.
        more: Columns of the source that the order needs, each after a comma.
        beside: What is returned beside the `document`, after a comma.
    """
    shown = _shown(capabilities, source, NO_EXECUTIONS, more)
    return f"""
SELECT {document(capabilities)} AS document{beside}{shown}
 ORDER BY {order}
"""
