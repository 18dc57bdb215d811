"""Graphs, their nodes and links, and who may run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.errors import (
    FieldNotFoundError,
    GraphNotAccessibleError,
    GraphNotInLibraryError,
    RecordNotFoundError,
)
from autogpt_db.operations import Database, Reply, Resource, operation
from autogpt_db.operations.graphs.graph_access import PERMISSIONS
from autogpt_db.operations.graphs.graph_documents import (
    CONNECTED,
    GRAPH,
    GRAPH_WITH_SUB_GRAPHS,
    METADATA,
    NODE,
)
from autogpt_db.operations.graphs.graph_export import blocks_of, without_secrets

if TYPE_CHECKING:
    from typing import LiteralString

_SETTINGS: LiteralString = """
SELECT autogpt_db.graph_settings_v2("settings")
  FROM platform."LibraryAgent"
 WHERE "userId" = %(user_id)s AND "agentGraphId" = %(graph_id)s
   AND NOT "isDeleted" AND NOT "isArchived"
 ORDER BY "agentGraphVersion" DESC
 LIMIT 1
"""
_DEFAULT_SETTINGS = (
    b'{"human_in_the_loop_safe_mode":true,"sensitive_action_safe_mode":false,'
    b'"builder_chat_session_id":null}'
)

_BLOCK_SCHEMAS: LiteralString = """
SELECT "id", "inputSchema" FROM platform."AgentBlock" WHERE "id" = ANY (%(block_ids)s)
"""


@operation(reads=True)
async def get_node(database: Database, node_id: str) -> Reply[models.NodeModel]:
    """Return a node with its links.

    Args:
        node_id: The node.

    Returns:
        A NodeModel.

    Raises:
        RecordNotFoundError: There is no such node.
    """
    document = await database.merged(NODE, {"node_id": node_id})
    if document is None:
        raise RecordNotFoundError(f"node {node_id}")
    return document


# Everybody's graphs, as if they were to be given away: without secrets.
_SHOWN = Resource(
    "/graphs/{graph_id}",
    summary="Return a graph with those below it, whoever owns it: without owner and secrets.",
    given={
        "user_id": None,
        "for_export": True,
        "include_subgraphs": True,
        "skip_access_check": True,
        "team_id": None,
        "organization_id": None,
    },
)


@operation(reads=True, rest=_SHOWN)
async def get_graph(
    database: Database,
    graph_id: str,
    version: int | None,
    user_id: str | None,
    *,
    for_export: bool = False,
    include_subgraphs: bool = False,
    skip_access_check: bool = False,
    team_id: str | None = None,
    organization_id: str | None = None,
) -> Reply[models.GraphModel | None]:
    """Return a graph that a user owns or finds in the marketplace or the library, or null.

    What AutoGPT's clients compute from their own blocks (input_schema and the like) is left out.

    Args:
        graph_id: The graph.
        version: Its version; null for the highest.
        user_id: Who wants it; null for anybody, who finds the marketplace's only, and a team's if
            one is named.
        for_export: Whether to leave out what another user must not see: secrets, webhooks, the
            owner. Sub-graphs are included then.
        include_subgraphs: Whether to add the graphs that its nodes run, and theirs.
        skip_access_check: Whether to find anybody's graph.
        team_id: Of the user's own graphs only this team's count; without a user the team's. The
            marketplace's and the library's are found regardless.
        organization_id: Beside the user's own graphs those of this organization count as own, if
            they have no team or one in which the user is active; and of the user's own only those
            of this organization or of none.

    Returns:
        A GraphModel.

    Raises:
        FieldNotFoundError: A node names a sub-graph's version by something that is no number.
    """
    parameters = {
        "graph_id": graph_id,
        "version": version,
        "user_id": user_id,
        "skip_access_check": skip_access_check,
        "team_id": team_id,
        "organization_id": organization_id,
    }
    if not for_export and not include_subgraphs:
        return await database.json(GRAPH(database.capabilities), parameters)
    found = await database.row(GRAPH_WITH_SUB_GRAPHS(database.capabilities), parameters)
    if found is None:
        return None
    document = checked(found)
    return await exported(database, document) if for_export else document


@operation(reads=True)
async def get_connected_output_nodes(
    database: Database, node_id: str
) -> Reply[list[tuple[models.Link, models.NodeModel]]]:
    """List the links that start at a node, each with the node it leads to.

    Args:
        node_id: The node.

    Returns:
        Pairs of Link and NodeModel; empty for an unknown node.
    """
    return await database.json(CONNECTED, {"node_id": node_id})


@operation(reads=True)
async def get_graph_metadata(
    database: Database, graph_id: str, version: int | None = None
) -> Reply[models.Graph | None]:
    """Return a graph's name and description, whoever owns it, or null.

    Args:
        graph_id: The graph.
        version: Its version; null for the highest.

    Returns:
        A Graph without nodes and links.
    """
    return await database.json(METADATA, {"graph_id": graph_id, "version": version})


@operation(reads=True)
async def get_graph_settings(
    database: Database, user_id: str, graph_id: str
) -> Reply[models.GraphSettings]:
    """Return how careful a user wants a graph of the library to be run.

    Args:
        user_id: The user.
        graph_id: The graph; of several versions in the library the highest counts.

    Returns:
        A GraphSettings; the defaults when the graph isn't in the library.
    """
    found = await database.json(_SETTINGS, {"user_id": user_id, "graph_id": graph_id})
    return found or _DEFAULT_SETTINGS


@operation(reads=True)
async def validate_graph_execution_permissions(
    database: Database,
    user_id: str,
    graph_id: str,
    graph_version: int,
    is_sub_graph: bool = False,
) -> None:
    """Raise unless a user may run a graph.

    Args:
        user_id: The user.
        graph_id: The graph: the user's own, or in exactly this version in the marketplace or, since
            AutoGPT v0.6.51, in the user's library.
        graph_version: Its version.
        is_sub_graph: Whether another graph runs it, so that it need not be in the library.

    Raises:
        GraphNotAccessibleError: The graph is none of these.
        GraphNotInLibraryError: The graph isn't in the user's library; of a graph that isn't the
            user's own, exactly this version has to be since AutoGPT v0.6.51.
    """
    found = await database.row(
        PERMISSIONS(database.capabilities),
        {
            "user_id": user_id,
            "graph_id": graph_id,
            "graph_version": graph_version,
            "is_sub_graph": is_sub_graph,
        },
    )
    assert found is not None
    accessible, runnable = found
    if not accessible:
        raise GraphNotAccessibleError(
            f"User {user_id} has no access to graph {graph_id} v{graph_version}: it is neither "
            "theirs nor in the marketplace."
        )
    if not runnable:
        raise GraphNotInLibraryError(f"Graph {graph_id} is not in the library of user {user_id}.")


def checked(found: tuple[Any, ...]) -> bytes:
    """Return a GraphModel with those below it, if these are named rightly.

    Args:
        found: What the statement with sub-graphs returned.

    Raises:
        FieldNotFoundError: A node names a sub-graph's version by something that is no number.
    """
    document: bytes
    document, malformed = found
    if malformed:
        raise FieldNotFoundError(
            "A node of the graph, or below it, has a graph_version that is no number."
        )
    return document


async def exported(database: Database, document: bytes) -> bytes:
    """Return a GraphModel without what another user must not see.

    Args:
        database: A handle for this call.
        document: The GraphModel with those below it.
    """
    blocks = await database.computed(len(document), blocks_of, document)
    schemas = dict(await database.rows(_BLOCK_SCHEMAS, {"block_ids": blocks}))
    size = len(document) + sum(map(len, schemas.values()))
    made: bytes = await database.computed(size, without_secrets, document, schemas)
    return made
