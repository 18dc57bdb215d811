"""The graphs behind what the marketplace offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.graphs.graph_documents import (
    graph_columns,
    graph_statement,
    graph_statement_with_sub_graphs,
)
from autogpt_db.operations.graphs.graphs import checked, exported
from autogpt_db.operations.missing import not_found

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.errors import NotFoundError

# What a version of a listing offers: what is available, or what has been approved.
_AVAILABLE: LiteralString = """
chosen AS (
    SELECT graph.*
      FROM platform."StoreListingVersion" AS version
      JOIN platform."AgentGraph" AS graph
        ON graph."id" = version."agentGraphId" AND graph."version" = version."agentGraphVersion"
     WHERE version."id" = %(store_listing_version_id)s
       AND version."isAvailable"
       AND NOT version."isDeleted"
)"""
_APPROVED: LiteralString = """
chosen AS (
    SELECT graph.*
      FROM platform."StoreListingVersion" AS version
      JOIN platform."AgentGraph" AS graph
        ON graph."id" = version."agentGraphId" AND graph."version" = version."agentGraphVersion"
     WHERE version."id" = %(store_listing_version_id)s
       AND EXISTS (
           SELECT
             FROM platform."StoreListingVersion" AS approved
            WHERE approved."agentGraphId" = graph."id"
              AND approved."agentGraphVersion" = graph."version"
              AND approved."submissionStatus" = 'APPROVED'
              AND NOT approved."isDeleted"
       )
)"""


def _without_nodes(capabilities: Capabilities) -> LiteralString:
    return f"""
WITH {_AVAILABLE}
SELECT row_to_json(result)
  FROM (SELECT {graph_columns(capabilities)} FROM chosen AS graph) AS result
"""


AVAILABLE_WITHOUT_NODES = ForSchema(_without_nodes)
"""Reads what is told of an available graph to those who don't see inside."""
AVAILABLE = ForSchema(lambda capabilities: graph_statement(capabilities, _AVAILABLE))
"""Reads an available graph without those below it."""
AVAILABLE_WITH_SUB_GRAPHS = ForSchema(
    lambda capabilities: graph_statement_with_sub_graphs(capabilities, _AVAILABLE)
)
"""As `GRAPH_WITH_SUB_GRAPHS`, an available graph."""
APPROVED_WITH_SUB_GRAPHS = ForSchema(
    lambda capabilities: graph_statement_with_sub_graphs(capabilities, _APPROVED)
)
"""As `GRAPH_WITH_SUB_GRAPHS`, an approved graph."""


@operation(reads=True)
async def get_agent(database: Database, store_listing_version_id: str) -> Reply[models.GraphModel]:
    """Return the graph of a listing's version, without what others must not see.

    Args:
        store_listing_version_id: The version, in any state; the graph must have been approved.

    Returns:
        A GraphModel as `get_graph` returns it for export, with the graphs below it.

    Raises:
        NotFoundError: There is no such version, or its graph isn't in the marketplace.
        FieldNotFoundError: A node names a sub-graph's version by something that is no number.
    """
    found = await database.row(
        APPROVED_WITH_SUB_GRAPHS(database.capabilities),
        {"store_listing_version_id": store_listing_version_id},
    )
    if found is None:
        raise _not_found(database, store_listing_version_id)
    return await exported(database, checked(found))


@operation(reads=True)
async def get_available_graph(
    database: Database,
    store_listing_version_id: str,
    hide_nodes: bool = True,
    include_subgraphs: bool = False,
) -> Reply[models.GraphModel | models.GraphModelWithoutNodes]:
    """Return the graph of a listing's version that is available, approved or not.

    What AutoGPT's clients compute from their own blocks (input_schema and the like) is left out.

    Args:
        store_listing_version_id: The version.
        hide_nodes: Whether nodes, links and sub-graphs are left out.
        include_subgraphs: Whether to add the graphs that its nodes run, and theirs, if nodes aren't
            hidden.

    Raises:
        NotFoundError: There is no such version, or it is withdrawn.
        FieldNotFoundError: A node names a sub-graph's version by something that is no number.
    """
    capabilities = database.capabilities
    parameters = {"store_listing_version_id": store_listing_version_id}
    if include_subgraphs and not hide_nodes:
        found = await database.row(AVAILABLE_WITH_SUB_GRAPHS(capabilities), parameters)
        document = None if found is None else checked(found)
    else:
        statement = AVAILABLE_WITHOUT_NODES if hide_nodes else AVAILABLE
        document = await database.json(statement(capabilities), parameters)
    if document is None:
        raise _not_found(database, store_listing_version_id)
    return document


def _not_found(database: Database, store_listing_version_id: str) -> NotFoundError:
    return not_found(
        database.capabilities,
        f"Store listing version {store_listing_version_id} is unknown, or not to be had.",
    )
