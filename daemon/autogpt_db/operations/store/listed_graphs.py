"""The graphs behind what the marketplace offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.graphs.graph_documents import graph_model
from autogpt_db.signatures.bounds import fetch_document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _listed(capabilities: Capabilities) -> LiteralString:
    return f"""
WITH listed AS MATERIALIZED (
    SELECT DISTINCT ON ("agentGraphId")
           "agentGraphId" AS id,
           "agentGraphVersion" AS version
      FROM platform."StoreListingVersion"
     WHERE "agentGraphId" = ANY (%(graph_ids)s::text[])
       AND "submissionStatus" = 'APPROVED'
       AND NOT "isDeleted"
     ORDER BY "agentGraphId", "agentGraphVersion" DESC
)
SELECT COALESCE(json_object_agg(result.id, row_to_json(result)), '{{}}')
  FROM (
        SELECT {graph_model(capabilities)}, '[]'::json AS sub_graphs
          FROM listed
          JOIN platform."AgentGraph" AS graph
            ON graph."id" = listed.id AND graph."version" = listed.version
       ) AS result
"""


LISTED = ForSchema(_listed)


@operation(reads=True)
async def get_store_listed_graphs(
    database: Database, graph_ids: list[str]
) -> Reply[dict[str, models.GraphModel]]:
    """Return the graphs that the marketplace has approved, each in the highest version approved.

    What AutoGPT's clients compute from their own blocks (input_schema and the like) is left out.

    Args:
        graph_ids: The graphs.

    Returns:
        Whole graphs without those below them, by id; those that aren't listed are left out. Whether
        a listing is available at the moment plays no part.

    Raises:
        ResultTooLargeError: The reply is larger than the settings allow.
    """
    return await fetch_document(
        database,
        LISTED(database.capabilities),
        {"graph_ids": graph_ids},
        narrow="ask for fewer graphs",
    )
