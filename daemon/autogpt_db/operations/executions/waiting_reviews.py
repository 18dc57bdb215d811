"""Human reviews that wait for a user, with what a person wants to know of where they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.errors import InvalidValueError
from autogpt_db.operations import Database, PageSize, Reply, operation
from autogpt_db.operations.executions.review_documents import review_document
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

# Whatever is looked up is the user's own; the session's id alone is part of the review's.
_ORIGIN: LiteralString = """
           'expert_id', expert."id",
           'expert_name', expert."name",
           'expert_avatar_url', expert."avatarUrl",
           'agent_name', COALESCE(NULLIF(agent."name", ''), graph."name"),
           'library_agent_id', agent."id",
           'session_id', review.session_id,"""

_WAITING: LiteralString = f"""
SELECT {review_document(_ORIGIN)} AS document
  FROM (
        SELECT waiting.*,
               row_number() OVER (ORDER BY waiting."createdAt" DESC, waiting.ctid) AS place,
               CASE
                   WHEN starts_with(waiting."graphExecId", 'copilot-session-')
                   THEN substr(waiting."graphExecId", length('copilot-session-') + 1)
               END AS session_id
          FROM platform."PendingHumanReview" AS waiting
         WHERE waiting."userId" = %(user_id)s
           AND waiting."status" = 'WAITING'
         ORDER BY place
         LIMIT %(page_size)s::bigint
        OFFSET (%(page)s::bigint - 1) * %(page_size)s::bigint
       ) AS review
  LEFT JOIN platform."AgentGraphExecution" AS execution
       ON execution."id" = review."graphExecId" AND execution."userId" = review."userId"
  LEFT JOIN platform."AgentNodeExecution" AS node_execution
       ON node_execution."id" = review."nodeExecId"
      AND node_execution."agentGraphExecutionId" = execution."id"
  LEFT JOIN platform."ChatSession" AS session
       ON session."id" = review.session_id AND session."userId" = review."userId"
  LEFT JOIN platform."Expert" AS expert
       ON expert."id" = COALESCE(execution."expertId", session."expertId")
      AND expert."ownerUserId" = review."userId"
  LEFT JOIN platform."AgentGraph" AS graph
       ON graph."id" = execution."agentGraphId"
      AND graph."version" = execution."agentGraphVersion"
      AND graph."userId" = review."userId"
  LEFT JOIN LATERAL (
       SELECT entry."id", entry."name"
         FROM platform."LibraryAgent" AS entry
        WHERE entry."userId" = review."userId"
          AND entry."agentGraphId" = execution."agentGraphId"
          AND NOT entry."isDeleted"
        ORDER BY entry."agentGraphVersion" DESC
        LIMIT 1
  ) AS agent ON true
 ORDER BY review.place
"""


@operation(reads=True, heavy=True)
async def get_pending_reviews_for_user(
    database: Database, user_id: str, page: int = 1, page_size: PageSize = 25
) -> Reply[list[models.PendingReview]]:
    """List what waits for a user's review, the newest first.

    Args:
        user_id: Who is to review.
        page: The page's number, from 1.
        page_size: Reviews on a page.

    Returns:
        Each with its expert, agent and chat, as far as these are the user's own.

    Raises:
        InvalidValueError: The page is less than 1, or its size less than 0.
        ResultTooLargeError: The reply is larger than the settings allow.
    """
    if page < 1 or page_size < 0:
        raise InvalidValueError(
            f"page is {page} and page_size {page_size}; pages are numbered from 1, and their size "
            "must not be negative."
        )
    return await fetch_list(
        database,
        listed(_WAITING),
        {"user_id": user_id, "page": page, "page_size": page_size},
        narrow="ask for a smaller page",
    )
