"""Which agents of a user's library belong to graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import Database, Reply, operation

if TYPE_CHECKING:
    from typing import LiteralString

_ID: LiteralString = """
SELECT to_json("id")
  FROM platform."LibraryAgent"
 WHERE "userId" = %(user_id)s
   AND "agentGraphId" = %(graph_id)s
   AND NOT "isDeleted"
 ORDER BY "agentGraphVersion" DESC
 LIMIT 1
"""

_REFERENCES: LiteralString = """
SELECT COALESCE(
           json_agg(
               json_build_object('id', id, 'graph_id', graph_id, 'name', name) ORDER BY graph_id
           ),
           '[]'
       )
  FROM (
        SELECT DISTINCT ON ("agentGraphId")
               "id" AS id,
               "agentGraphId" AS graph_id,
               COALESCE("name", '') AS name
          FROM platform."LibraryAgent"
         WHERE "userId" = %(user_id)s
           AND "agentGraphId" = ANY (%(graph_ids)s::text[])
           AND NOT "isDeleted"
         ORDER BY "agentGraphId", "agentGraphVersion" DESC
       ) AS latest
"""


@operation(reads=True)
async def get_library_agent_id_by_graph_id(
    database: Database, user_id: str, graph_id: str
) -> Reply[str | None]:
    """Return the id of a user's library agent of a graph, or null.

    Args:
        user_id: Whose library.
        graph_id: The graph. Where the library has several versions of it, the highest counts.
    """
    return await database.json(_ID, {"user_id": user_id, "graph_id": graph_id})


@operation(reads=True)
async def get_library_agent_refs_by_graph_ids(
    database: Database, user_id: str, graph_ids: list[str]
) -> Reply[list[models.LibraryAgentReference]]:
    """Return a user's library agents of graphs, one for each graph that the library has.

    Args:
        user_id: Whose library.
        graph_ids: The graphs. Where the library has several versions of one, the highest counts.
    """
    return await database.json(_REFERENCES, {"user_id": user_id, "graph_ids": graph_ids})
