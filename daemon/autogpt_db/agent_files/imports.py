"""Loading an exported agent into the database: all of it or nothing, and again without effect."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import psycopg

from autogpt_db.agent_files import statements
from autogpt_db.agent_files.exports import (
    AgentExport,
    ExportedGraph,
    ExportedNode,
    SubGraph,
    derived_id,
    read_export,
)
from autogpt_db.agent_files.outcome import (
    ImportedGraph,
    ImportOutcome,
    MissingGraph,
)
from autogpt_db.database.quoting import quoted
from autogpt_db.errors import ConfigurationError, SchemaError
from autogpt_db.operations.graphs.blocks import AGENT_EXECUTOR_BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import LiteralString

__all__ = ["AgentExport", "ImportOutcome", "import_agent", "read_export"]

LOCK = 0x61675F69_6D706F72
"""Key of the advisory lock that lets one import run at a time: `ag_impor` in ASCII."""


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
        imported = [
            self._import(graph, exported)
            for exported, graph in zip(export.graphs, graphs, strict=True)
        ]
        top = imported[0]
        if top.created and not top.moved:
            self._execute(
                statements.ADD_TO_LIBRARY,
                {"user_id": self._user_id, "id": top.graph.id, "version": top.graph.version},
            )
        missing = self._missing(graphs)
        return ImportOutcome(
            email,
            self._user_id,
            user_created,
            tuple(
                each._replace(missing=tuple(missing(exported, each.graph)))
                for exported, each in zip(export.graphs, imported, strict=True)
            ),
        )

    def _execute(
        self, sql: LiteralString, parameters: Mapping[str, Any]
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        return self._connection.execute(sql.replace("platform.", self._place), parameters)

    def _find_or_create_user(self, email: str) -> bool:
        found = self._execute(statements.USER, {"email": email}).fetchone()
        # Always the same id for the same address: what is written down about a first run holds.
        self._user_id = found[0] if found else derived_id("user", email)
        if not found:
            self._execute(statements.CREATE_USER, {"user_id": self._user_id, "email": email})
        return not found

    def _with_free_ids(self, graphs: tuple[ExportedGraph, ...]) -> list[ExportedGraph]:
        """Return the graphs with other ids wherever somebody else has theirs."""
        parameters = {"graph_ids": [graph.id for graph in graphs], "user_id": self._user_id}
        fresh = {
            taken: derived_id("graph of", self._user_id, taken)
            for (taken,) in self._execute(statements.OWNED_BY_OTHERS, parameters)
        }
        taken_nodes = self._places(
            statements.PLACES_OF_NODES, [n.id for g in graphs for n in g.nodes]
        )
        taken_links = self._places(
            statements.PLACES_OF_LINKS, [n.id for g in graphs for n in g.links]
        )
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

    def _import(self, graph: ExportedGraph, exported: ExportedGraph) -> ImportedGraph:
        """Write a graph unless it is there, and make it the one that counts if it is the newest."""
        differences = self._create(graph)
        if differences is not None:
            return ImportedGraph(graph, exported.id, created=False, differences=differences)
        place = {"id": graph.id, "version": graph.version, "user_id": self._user_id}
        deactivated = [version for (version,) in self._execute(statements.ONE_ACTIVE, place)]
        moved = self._execute(statements.MOVE_IN_LIBRARY, place).rowcount > 0
        return ImportedGraph(
            graph, exported.id, created=True, deactivated=tuple(sorted(deactivated)), moved=moved
        )

    def _create(self, graph: ExportedGraph) -> tuple[str, ...] | None:
        """Write a graph; one that is there already is left, and what it has otherwise returned."""
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
        if not self._execute(statements.CREATE_GRAPH, parameters).rowcount:
            return tuple(what for (what,) in self._execute(statements.DIFFERENCES, parameters))
        self._execute(statements.CREATE_BLOCKS, parameters)
        self._execute(statements.CREATE_NODES, parameters)
        self._execute(statements.CREATE_LINKS, parameters)
        return None

    def _missing(
        self, graphs: list[ExportedGraph]
    ) -> Callable[[ExportedGraph, ExportedGraph], Iterator[MissingGraph]]:
        """Return what finds the nodes of a graph that run another one which is nowhere."""
        named = [node.sub_graph for graph in graphs for node in graph.nodes if node.sub_graph]
        found = self._execute(
            statements.RUNNABLE,
            {
                "ids": [each.id for each in named],
                "versions": [each.version for each in named],
                "user_id": self._user_id,
            },
        )
        runnable = {SubGraph(*row) for row in found}

        def missing(exported: ExportedGraph, graph: ExportedGraph) -> Iterator[MissingGraph]:
            for given, node in zip(exported.nodes, graph.nodes, strict=True):
                if node.sub_graph is not None and node.sub_graph not in runnable:
                    yield MissingGraph(given.id, node.sub_graph)

        return missing
