"""Graphs and their versions, whoever's they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, Resource
from autogpt_db.rest.paging import USUAL, PageLimit, fetch_page
from autogpt_db.rest.resources import view

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _graphs(capabilities: Capabilities) -> LiteralString:
    tenancy: LiteralString = "'organization_id', NULL, 'team_id', NULL"
    if capabilities.orgs:
        tenancy = """'organization_id', graph."organizationId", 'team_id', graph."teamId\""""
    return f"""
SELECT json_build_object(
           'id', graph."id",
           'version', graph."version",
           'user_id', graph."userId",
           'is_active', graph."isActive",
           'created_at', autogpt_db.iso_v1(graph."createdAt"),
           'updated_at', autogpt_db.iso_v1(graph."updatedAt"),
           'forked_from_id', graph."forkedFromId",
           'forked_from_version', graph."forkedFromVersion",
           {tenancy},
           'name', CASE WHEN %(content)s THEN graph."name" END,
           'description', CASE WHEN %(content)s THEN graph."description" END
       ) AS document
  FROM platform."AgentGraph" AS graph
 WHERE true"""


_GRAPHS = ForSchema(_graphs)
_FILTERS: dict[str, LiteralString] = {
    "user_id": 'graph."userId" = %(user_id)s',
    "active": 'graph."isActive"',
    "after_id": '(graph."id", graph."version") > (%(after_id)s, %(after_version)s)',
    "after_version": "true",
}
_VERSION_FILTERS: dict[str, LiteralString] = {
    "graph_id": 'graph."id" = %(graph_id)s',
    "after_version": 'graph."version" < %(after_version)s',
}


@view(Resource("/graphs", content="content", pages_by=("id", "version")), heavy=True)
async def list_graphs(
    database: Database,
    user_id: str | None = None,
    active: bool = False,
    limit: PageLimit = USUAL,
    after_id: str | None = None,
    after_version: int | None = None,
    content: bool = False,
) -> Reply[list[models.GraphOverview]]:
    """List graphs, each version by itself, by their ids.

    Args:
        user_id: Only of this user.
        active: Only active versions.
        limit: Versions of a page.
        after_id: Only those behind the one with this id.
        after_version: It has this version.
        content: Whether to read what they are called.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _GRAPHS(database.capabilities),
        _FILTERS,
        {
            "user_id": user_id,
            "active": active,
            "after_id": after_id,
            "after_version": after_version,
        },
        order='graph."id", graph."version"',
        limit=limit,
        values={"content": content},
    )


@view(Resource("/graphs/{graph_id}/versions", content="content", pages_by=("version",)))
async def list_graph_versions(
    database: Database,
    graph_id: str,
    limit: PageLimit = USUAL,
    after_version: int | None = None,
    content: bool = False,
) -> Reply[list[models.GraphOverview]]:
    """List the versions of a graph, the newest first; none of an unknown one.

    Args:
        graph_id: The graph.
        limit: Versions of a page.
        after_version: Only older ones than this.
        content: Whether to read what they are called.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _GRAPHS(database.capabilities),
        _VERSION_FILTERS,
        {"graph_id": graph_id, "after_version": after_version},
        order='graph."version" DESC',
        limit=limit,
        values={"content": content},
    )
