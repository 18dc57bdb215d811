"""Human reviews that the copilot looks up, to go on with a block once a person has answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.executions.review_documents import review_document, unsaid_origin
from autogpt_db.signatures.bounds import fetch_document, fetch_list, listed
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_REVIEWS: LiteralString = """
  FROM platform."PendingHumanReview" AS review
  LEFT JOIN platform."AgentNodeExecution" AS node_execution
       ON node_execution."id" = review."nodeExecId"
 WHERE review."userId" = %(user_id)s"""


def _waiting(capabilities: Capabilities) -> LiteralString:
    return listed(f"""
SELECT {review_document(unsaid_origin(capabilities))} AS document{_REVIEWS}
   AND review."graphExecId" = %(graph_exec_id)s
   AND review."status" = 'WAITING'
 ORDER BY review."createdAt", review."nodeExecId"
""")


def _by_node_execution(capabilities: Capabilities) -> LiteralString:
    return f"""
SELECT COALESCE(
           json_object_agg(
               review."nodeExecId", {review_document(unsaid_origin(capabilities))}
           ),
           '{{}}'
       ){_REVIEWS}
   AND review."nodeExecId" = ANY (%(node_exec_ids)s::text[])
"""


WAITING = ForSchema(_waiting)
BY_NODE_EXECUTION = ForSchema(_by_node_execution)

DELETE: LiteralString = """
DELETE FROM platform."PendingHumanReview"
 WHERE "nodeExecId" = %(node_exec_id)s AND "userId" = %(user_id)s
"""


@operation(reads=True)
async def get_pending_reviews_for_execution(
    database: Database, graph_exec_id: str, user_id: str
) -> Reply[list[models.HumanReview]]:
    """List what waits for a user's review in one execution, the oldest first.

    Args:
        graph_exec_id: The graph execution, or `copilot-session-` and a chat session's id; there
            need be no such execution.
        user_id: Who is to review.

    Raises:
        ResultTooLargeError: The reply is larger than the settings allow.
    """
    return await fetch_list(
        database,
        WAITING(database.capabilities),
        {"graph_exec_id": graph_exec_id, "user_id": user_id},
        narrow="ask for single reviews by get_reviews_by_node_exec_ids",
    )


@operation(reads=True)
async def get_reviews_by_node_exec_ids(
    database: Database, node_exec_ids: list[str], user_id: str
) -> Reply[dict[str, models.HumanReview]]:
    """Return a user's reviews of node executions, whatever their status.

    Args:
        node_exec_ids: The node executions.
        user_id: Whose reviews.

    Returns:
        By node execution; those without a review of the user's are left out.

    Raises:
        ResultTooLargeError: The reply is larger than the settings allow.
    """
    return await fetch_document(
        database,
        BY_NODE_EXECUTION(database.capabilities),
        {"node_exec_ids": node_exec_ids, "user_id": user_id},
        narrow="ask for fewer reviews",
    )


@operation(reads=False, repeat=harmless("Finds no review, and returns 0."))
async def delete_review_by_node_exec_id(database: Database, node_exec_id: str, user_id: str) -> int:
    """Delete a user's review of a node execution, whatever its status.

    Args:
        node_exec_id: The node execution.
        user_id: Whose review.

    Returns:
        How many were deleted: 1, or 0 where the user has none.
    """
    return await database.execute(DELETE, {"node_exec_id": node_exec_id, "user_id": user_id})
