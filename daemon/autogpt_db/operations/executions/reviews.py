"""Human reviews: data that waits for a person before a graph execution goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ExecutionNotFoundError
from autogpt_db.operations import (
    FEW_CALLS,
    Database,
    JsonValue,
    Merged,
    Reply,
    operation,
)
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _get_or_create(capabilities: Capabilities) -> LiteralString:
    # A row that was just made waits for its person, whoever made it: only an older one has an
    # answer.
    columns: LiteralString = ""
    values: LiteralString = ""
    if capabilities.orgs:
        columns = ', "organizationId", "teamId"'
        values = ", %(organization_id)s, %(team_id)s"
    return f"""
WITH created AS (
    INSERT INTO platform."PendingHumanReview"
           ("nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", "payload",
            "instructions", "editable", "status", "processed", "createdAt", "updatedAt"{columns})
    VALUES (%(node_exec_id)s, %(user_id)s, %(graph_exec_id)s, %(graph_id)s, %(graph_version)s,
            %(input_data)s::jsonb, %(message)s, %(editable)s, 'WAITING', false,
            autogpt_db.now_v1(), autogpt_db.now_v1(){values})
        ON CONFLICT ("nodeExecId") DO NOTHING
)
SELECT json_build_object(
           'data', review."payload",
           'status', review."status",
           'message', COALESCE(review."reviewMessage", ''),
           'processed', false,
           'node_exec_id', review."nodeExecId"
       )
  FROM platform."PendingHumanReview" AS review
 WHERE review."nodeExecId" = %(node_exec_id)s
   AND NOT review."processed"
   AND review."status" <> 'WAITING'
"""


GET_OR_CREATE = ForSchema(_get_or_create)


def _has_pending(graph_exec_id: LiteralString) -> LiteralString:
    return f"""to_json(EXISTS (
           SELECT
             FROM platform."PendingHumanReview"
            WHERE "graphExecId" = {graph_exec_id} AND "status" = 'WAITING'
       ))"""


HAS_PENDING = Merged(
    single=f"""
SELECT {_has_pending("%(graph_exec_id)s")}
""",
    batch=f"""
SELECT call.place, {_has_pending("call.graph_exec_id")}
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, graph_exec_id text)
 WHERE {FEW_CALLS}
""",
    texts=("graph_exec_id",),
    reads=True,
)

MARK_PROCESSED = """
UPDATE platform."PendingHumanReview"
   SET "processed" = %(processed)s,
       "updatedAt" = autogpt_db.now_v1()
 WHERE "nodeExecId" = %(node_exec_id)s
"""

CANCEL_PENDING = """
WITH execution AS (
    SELECT "id"
      FROM platform."AgentGraphExecution"
     WHERE "id" = %(graph_exec_id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
), cancelled AS (
    UPDATE platform."PendingHumanReview" AS review
       SET "status" = 'REJECTED',
           "reviewMessage" = 'Execution was stopped by user',
           "processed" = true,
           "reviewedAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1()
      FROM execution
     WHERE review."graphExecId" = execution."id"
       AND review."userId" = %(user_id)s
       AND review."status" = 'WAITING'
    RETURNING 1
)
SELECT EXISTS (SELECT FROM execution), (SELECT count(*) FROM cancelled)
"""


@operation(
    reads=False,
    repeat=harmless("Returns what there is: a node execution has one review."),
    honoured={"organization_id": "orgs", "team_id": "orgs"},
)
async def get_or_create_human_review(
    database: Database,
    user_id: str,
    node_exec_id: str,
    graph_exec_id: str,
    graph_id: str,
    graph_version: int,
    input_data: JsonValue,
    message: str,
    editable: bool,
    organization_id: str | None = None,
    team_id: str | None = None,
) -> Reply[models.ReviewResult | None]:
    """Ask for a person's review of data, or return the answer that there is.

    A node execution has one review, which stays as it was made.

    Args:
        user_id: Who is to review.
        node_exec_id: The node execution that waits.
        graph_exec_id: Its graph execution; from AutoGPT v0.6.51's schema on there need be none.
        graph_id: Its graph.
        graph_version: The graph's version.
        input_data: What is to be reviewed.
        message: Instructions for the person.
        editable: Whether the person may change the data.
        organization_id: The organization that it is asked for in.
        team_id: The team that it is asked for in.

    Returns:
        The review's result once a person has answered and nobody has processed the answer; else
        null.

    Raises:
        ForeignKeyViolationError: There is no such user, or in old databases no such execution.
    """
    return await database.json(
        GET_OR_CREATE(database.capabilities),
        {
            "user_id": user_id,
            "node_exec_id": node_exec_id,
            "graph_exec_id": graph_exec_id,
            "graph_id": graph_id,
            "graph_version": graph_version,
            "input_data": input_data,
            "message": message,
            "editable": editable,
            "organization_id": organization_id or None,
            "team_id": team_id or None,
        },
    )


@operation(reads=True)
async def has_pending_reviews_for_graph_exec(database: Database, graph_exec_id: str) -> bool:
    """Tell whether a graph execution waits for a person.

    Args:
        graph_exec_id: The graph execution.
    """
    return await database.merged(HAS_PENDING, {"graph_exec_id": graph_exec_id}) == b"true"


@operation(reads=False, repeat=harmless("Says the same again."))
async def update_review_processed_status(
    database: Database, node_exec_id: str, processed: bool
) -> None:
    """Say whether a review's answer has been processed; an unknown review is passed over.

    Args:
        node_exec_id: The review's node execution.
        processed: Whether it has been.
    """
    await database.execute(MARK_PROCESSED, {"node_exec_id": node_exec_id, "processed": processed})


@operation(reads=False, repeat=harmless("Finds nothing waiting, and returns 0."))
async def cancel_pending_reviews_for_execution(
    database: Database, graph_exec_id: str, user_id: str
) -> int:
    """Reject what a stopped graph execution still has waiting for its user.

    Args:
        graph_exec_id: The graph execution.
        user_id: Its user.

    Returns:
        How many reviews were rejected.

    Raises:
        ExecutionNotFoundError: The user has no such graph execution.
    """
    row = await database.row(CANCEL_PENDING, {"graph_exec_id": graph_exec_id, "user_id": user_id})
    assert row is not None
    found, cancelled = row
    if not found:
        raise ExecutionNotFoundError(
            f"Graph execution {graph_exec_id} not found for user {user_id}"
        )
    count: int = cancelled
    return count
