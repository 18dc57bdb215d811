"""What executions ask people, and what they have said: a run that waits for them is not stuck."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.operations import Database, Reply, Resource
from autogpt_db.rest.paging import USUAL, PageLimit, fetch_page
from autogpt_db.rest.resources import view

if TYPE_CHECKING:
    from typing import LiteralString

_REVIEWS: LiteralString = """
SELECT json_build_object(
           'node_execution_id', review."nodeExecId",
           'graph_execution_id', review."graphExecId",
           'graph_id', review."graphId",
           'graph_version', review."graphVersion",
           'user_id', review."userId",
           'status', review."status",
           'processed', review."processed",
           'created_at', autogpt_db.iso_v1(review."createdAt"),
           'updated_at', autogpt_db.iso_v1(review."updatedAt"),
           'reviewed_at', autogpt_db.iso_v1(review."reviewedAt"),
           'instructions', CASE WHEN %(content)s THEN review."instructions" END,
           'payload', CASE WHEN %(content)s THEN review."payload" END,
           'message', CASE WHEN %(content)s THEN review."reviewMessage" END
       ) AS document
  FROM platform."PendingHumanReview" AS review
 WHERE true"""
_FILTERS: dict[str, LiteralString] = {
    "user_id": 'review."userId" = %(user_id)s',
    "execution_id": 'review."graphExecId" = %(execution_id)s',
    "waiting": "review.\"status\" = 'WAITING'",
    "after_created_at": 'review."createdAt" <= %(after_created_at)s',
    "after_node_execution_id": """(
       (review."createdAt", review."nodeExecId")
           < (%(after_created_at)s, %(after_node_execution_id)s)
   )""",
}
_PAGES_BY = ("created_at", "node_execution_id")


@view(
    Resource("/executions/{execution_id}/reviews", content="content", pages_by=_PAGES_BY),
    heavy=True,
)
async def list_reviews_of_execution(
    database: Database,
    execution_id: str,
    waiting: bool = False,
    limit: PageLimit = USUAL,
    after_created_at: datetime | None = None,
    after_node_execution_id: str | None = None,
    content: bool = False,
) -> Reply[list[models.ReviewOverview]]:
    """List what a graph execution has asked people, the newest first; none of an unknown one.

    Args:
        execution_id: The graph execution.
        waiting: Only what nobody has answered yet.
        limit: Reviews of a page.
        after_created_at: Only older ones than that which was asked at this moment.
        after_node_execution_id: It is this node execution's.
        content: Whether to read what they are about.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    wanted = {
        "execution_id": execution_id,
        "waiting": waiting,
        "after_created_at": after_created_at,
        "after_node_execution_id": after_node_execution_id,
    }
    return await _newest_first(database, wanted, limit, content=content)


@view(
    Resource("/users/{user_id}/reviews", content="content", pages_by=_PAGES_BY),
    heavy=True,
)
async def list_reviews_of_user(
    database: Database,
    user_id: str,
    waiting: bool = False,
    limit: PageLimit = USUAL,
    after_created_at: datetime | None = None,
    after_node_execution_id: str | None = None,
    content: bool = False,
) -> Reply[list[models.ReviewOverview]]:
    """List what a user is asked, and was, the newest first; none of an unknown user.

    Args:
        user_id: The user.
        waiting: Only what nobody has answered yet.
        limit: Reviews of a page.
        after_created_at: Only older ones than that which was asked at this moment.
        after_node_execution_id: It is this node execution's.
        content: Whether to read what they are about.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    wanted = {
        "user_id": user_id,
        "waiting": waiting,
        "after_created_at": after_created_at,
        "after_node_execution_id": after_node_execution_id,
    }
    return await _newest_first(database, wanted, limit, content=content)


async def _newest_first(
    database: Database, wanted: dict[str, Any], limit: int, *, content: bool
) -> bytes:
    return await fetch_page(
        database,
        _REVIEWS,
        _FILTERS,
        wanted,
        order='review."createdAt" DESC, review."nodeExecId" DESC',
        limit=limit,
        values={"content": content},
    )
