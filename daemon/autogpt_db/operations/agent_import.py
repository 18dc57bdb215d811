"""Loading an exported agent into the database: all of it or nothing, and again without effect."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.database.migration import quoted
from autogpt_db.errors import ConfigurationError, SchemaError
from autogpt_db.operations.agent_export import (
    AgentExport,
    ExportedGraph,
    ExportedNode,
    derived_id,
    read_export,
)
from autogpt_db.operations.agent_import_outcome import ImportedGraph, ImportOutcome
from autogpt_db.operations.blocks import AGENT_EXECUTOR_BLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

__all__ = ["AgentExport", "ImportOutcome", "import_agent", "read_export"]

LOCK = 0x61675F69_6D706F72
"""Key of the advisory lock that lets one import run at a time: `ag_impor` in ASCII."""

_USER: LiteralString = """
SELECT "id" FROM platform."User" WHERE "email" = %(email)s
"""
_CREATE_USER: LiteralString = """
INSERT INTO platform."User" ("id", "email", "createdAt", "updatedAt")
VALUES (%(user_id)s, %(email)s, autogpt_db.now_v1(), autogpt_db.now_v1())
"""
_OWNED_BY_OTHERS: LiteralString = """
SELECT DISTINCT "id"
  FROM platform."AgentGraph"
 WHERE "id" = ANY (%(graph_ids)s::text[]) AND "userId" <> %(user_id)s
"""
_PLACES_OF_NODES: LiteralString = """
SELECT "id", "agentGraphId", "agentGraphVersion"
  FROM platform."AgentNode"
 WHERE "id" = ANY (%(ids)s::text[])
"""
_PLACES_OF_LINKS: LiteralString = """
SELECT link."id", node."agentGraphId", node."agentGraphVersion"
  FROM platform."AgentNodeLink" AS link
  JOIN platform."AgentNode" AS node ON node."id" = link."agentNodeSourceId"
 WHERE link."id" = ANY (%(ids)s::text[])
"""
_CREATE_GRAPH: LiteralString = """
INSERT INTO platform."AgentGraph" AS graph
       ("id", "version", "name", "description", "isActive", "userId", "createdAt", "updatedAt",
        "instructions", "recommendedScheduleCron", "forkedFromId", "forkedFromVersion")
SELECT %(id)s, %(version)s, %(name)s, %(description)s, %(is_active)s, %(user_id)s,
       autogpt_db.now_v1(), autogpt_db.now_v1(), %(instructions)s, %(recommended_schedule_cron)s,
       origin."id", origin."version"
  FROM (VALUES (1)) AS one
  LEFT JOIN platform."AgentGraph" AS origin
    ON origin."id" = %(forked_from_id)s AND origin."version" = %(forked_from_version)s
    ON CONFLICT DO NOTHING
"""
_CREATE_BLOCKS: LiteralString = """
INSERT INTO platform."AgentBlock" ("id", "name", "inputSchema", "outputSchema")
SELECT DISTINCT block_id, block_id, '{}', '{}'
  FROM jsonb_to_recordset(%(nodes)s::jsonb) AS node (block_id text)
    ON CONFLICT DO NOTHING
"""
_CREATE_NODES: LiteralString = """
INSERT INTO platform."AgentNode"
       ("id", "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput", "metadata")
SELECT node.id, node.block_id, %(id)s, %(version)s, node.input_default, node.metadata
  FROM ROWS FROM (
           jsonb_to_recordset(%(nodes)s::jsonb)
           AS (id text, block_id text, input_default jsonb, metadata jsonb)
       ) WITH ORDINALITY AS node (id, block_id, input_default, metadata, place)
 ORDER BY node.place
"""
_CREATE_LINKS: LiteralString = """
INSERT INTO platform."AgentNodeLink"
       ("id", "agentNodeSourceId", "sourceName", "agentNodeSinkId", "sinkName", "isStatic")
SELECT link.id, link.source_id, link.source_name, link.sink_id, link.sink_name, link.is_static
  FROM ROWS FROM (
           jsonb_to_recordset(%(links)s::jsonb)
           AS (id text, source_id text, source_name text, sink_id text, sink_name text,
               is_static boolean)
       ) WITH ORDINALITY AS link (id, source_id, source_name, sink_id, sink_name, is_static, place)
 ORDER BY link.place
"""
# Equal in number, and none of the file's without its like.
_SAME: LiteralString = """
WITH stored AS (
    SELECT *
      FROM platform."AgentNode"
     WHERE "agentGraphId" = %(id)s AND "agentGraphVersion" = %(version)s
), linked AS (
    SELECT link.*
      FROM stored
      JOIN platform."AgentNodeLink" AS link ON link."agentNodeSourceId" = stored."id"
)
SELECT jsonb_array_length(%(nodes)s::jsonb) = (SELECT count(*) FROM stored)
       AND jsonb_array_length(%(links)s::jsonb) = (SELECT count(*) FROM linked)
       AND NOT EXISTS (
           SELECT id, block_id, input_default, metadata
             FROM jsonb_to_recordset(%(nodes)s::jsonb)
                  AS node (id text, block_id text, input_default jsonb, metadata jsonb)
           EXCEPT
           SELECT "id", "agentBlockId", "constantInput", "metadata" FROM stored
       )
       AND NOT EXISTS (
           SELECT id, source_id, source_name, sink_id, sink_name
             FROM jsonb_to_recordset(%(links)s::jsonb)
                  AS link (id text, source_id text, source_name text, sink_id text, sink_name text)
           EXCEPT
           SELECT "id", "agentNodeSourceId", "sourceName", "agentNodeSinkId", "sinkName"
             FROM linked
       )
"""
_ADD_TO_LIBRARY: LiteralString = """
INSERT INTO platform."LibraryAgent"
       ("id", "createdAt", "updatedAt", "userId", "agentGraphId", "agentGraphVersion",
        "isCreatedByUser")
VALUES (gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s,
        %(id)s, %(version)s, true)
    ON CONFLICT DO NOTHING
"""


def import_agent(
    connection: psycopg.Connection[Any],
    export: AgentExport,
    *,
    email: str,
    schema_name: str = "platform",
) -> ImportOutcome:
    """Load an agent for a user, who is created if need be.

    Args:
        connection: In autocommit mode.
        export: What `read_export` has returned.
        email: The user's e-mail address.
        schema_name: The schema of AutoGPT's tables.

    Raises:
        ConfigurationError: This is no e-mail address.
        SchemaError: The database has not been migrated.
    """
    address = email.strip()
    if "@" not in address[1:-1]:
        raise ConfigurationError(f"{email!r} is no e-mail address.")
    importer = _Importer(connection, schema_name)
    try:
        with connection.transaction():
            return importer.run(export, address)
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise SchemaError(
            "The database has no tables of AutoGPT's, or not all of ours "
            f"({error.diag.message_primary}). Run: autogpt-db migrate"
        ) from error


class _Importer:
    """One import, inside its transaction."""

    def __init__(self, connection: psycopg.Connection[Any], schema_name: str) -> None:
        self._connection = connection
        self._place = f"{quoted(schema_name)}."
        self._user_id = ""

    def run(self, export: AgentExport, email: str) -> ImportOutcome:
        """Do it all."""
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        user_created = self._find_or_create_user(email)
        graphs = self._with_free_ids(export.graphs)
        imported = []
        for exported, graph in zip(export.graphs, graphs, strict=True):
            created, same = self._create(graph)
            imported.append(ImportedGraph(graph, exported.id, created, same))
        top = graphs[0]
        if imported[0].created:
            self._execute(
                _ADD_TO_LIBRARY, {"user_id": self._user_id, "id": top.id, "version": top.version}
            )
        return ImportOutcome(email, self._user_id, user_created, tuple(imported))

    def _execute(
        self, sql: LiteralString, parameters: Mapping[str, Any]
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(sql.replace("platform.", self._place), parameters)

    def _find_or_create_user(self, email: str) -> bool:
        found = self._execute(_USER, {"email": email}).fetchone()
        # Always the same id for the same address: what is written down about a first run holds.
        self._user_id = found[0] if found else derived_id("user", email)
        if not found:
            self._execute(_CREATE_USER, {"user_id": self._user_id, "email": email})
        return not found

    def _with_free_ids(self, graphs: tuple[ExportedGraph, ...]) -> list[ExportedGraph]:
        """Return the graphs with other ids wherever somebody else has theirs."""
        parameters = {"graph_ids": [graph.id for graph in graphs], "user_id": self._user_id}
        fresh = {
            taken: derived_id("graph of", self._user_id, taken)
            for (taken,) in self._execute(_OWNED_BY_OTHERS, parameters)
        }
        taken_nodes = self._places(_PLACES_OF_NODES, [n.id for g in graphs for n in g.nodes])
        taken_links = self._places(_PLACES_OF_LINKS, [n.id for g in graphs for n in g.links])
        found = []
        for graph in graphs:
            own = fresh.get(graph.id, graph.id), graph.version

            def free(taken: dict[str, tuple[str, int]], identifier: str) -> str:
                # Also within the file: the first graph keeps the id.
                if taken.setdefault(identifier, own) == own:  # noqa: B023 - called at once
                    return identifier
                return derived_id(*own, identifier)  # noqa: B023 - called at once

            names = {node.id: free(taken_nodes, node.id) for node in graph.nodes}
            found.append(
                replace(
                    graph,
                    id=own[0],
                    nodes=tuple(self._adapted(node, names[node.id], fresh) for node in graph.nodes),
                    links=tuple(
                        replace(
                            link,
                            id=free(taken_links, link.id),
                            source_id=names[link.source_id],
                            sink_id=names[link.sink_id],
                        )
                        for link in graph.links
                    ),
                )
            )
        return found

    def _places(self, sql: LiteralString, ids: list[str]) -> dict[str, tuple[str, int]]:
        rows = self._execute(sql, {"ids": ids})
        return {identifier: (graph_id, version) for identifier, graph_id, version in rows}

    def _adapted(self, node: ExportedNode, node_id: str, fresh: Mapping[str, str]) -> ExportedNode:
        """Return a node under its id; one that runs a sub-graph runs it as its new owner's."""
        constant = node.input_default
        if node.block_id == AGENT_EXECUTOR_BLOCK:
            sub_graph = constant.get("graph_id")
            if isinstance(sub_graph, str) and sub_graph in fresh:
                constant = constant | {"graph_id": fresh[sub_graph]}
            if "user_id" in constant:
                constant = constant | {"user_id": self._user_id}
        return replace(node, id=node_id, input_default=constant)

    def _create(self, graph: ExportedGraph) -> tuple[bool, bool]:
        """Write a graph; tell whether it was new, and whether it is as in the file."""
        forked_from_id, forked_from_version = graph.forked_from or (None, None)
        parameters = {
            "id": graph.id,
            "version": graph.version,
            "name": graph.name,
            "description": graph.description,
            "is_active": graph.is_active,
            "user_id": self._user_id,
            "instructions": graph.instructions,
            "recommended_schedule_cron": graph.recommended_schedule_cron,
            "forked_from_id": forked_from_id,
            "forked_from_version": forked_from_version,
            "nodes": json.dumps([asdict(node) for node in graph.nodes]),
            "links": json.dumps([asdict(link) for link in graph.links]),
        }
        if not self._execute(_CREATE_GRAPH, parameters).rowcount:
            same = self._execute(_SAME, parameters).fetchone()
            return False, bool(same and same[0])
        self._execute(_CREATE_BLOCKS, parameters)
        self._execute(_CREATE_NODES, parameters)
        self._execute(_CREATE_LINKS, parameters)
        return True, True
