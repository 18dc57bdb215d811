"""Approvals of what nodes are about to do, given beforehand or for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import FEW_CALLS, Database, JsonValueToShow, Merged, Reply, operation

if TYPE_CHECKING:
    from typing import LiteralString


def _approval(
    node_exec_id: LiteralString,
    graph_exec_id: LiteralString,
    node_id: LiteralString,
    user_id: LiteralString,
    input_data: LiteralString,
) -> LiteralString:
    """Return the statement that finds an approval, of a node execution or of its node."""
    # A person who approves all of a node's future actions leaves a row under this key.
    return f"""
SELECT json_build_object(
           'data', CASE
               WHEN review."nodeExecId" = asked.auto_key AND {input_data} IS NOT NULL
               THEN {input_data}::json
               ELSE review."payload"::json
           END,
           'status', review."status",
           'message', CASE
               WHEN review."nodeExecId" = asked.auto_key
               THEN 'Auto-approved (user approved all future actions for this node)'
               ELSE COALESCE(review."reviewMessage", '')
           END,
           'processed', true,
           'node_exec_id', review."nodeExecId"
       ) AS document
  FROM (SELECT 'auto_approve_' || {graph_exec_id} || '_' || {node_id} AS auto_key) AS asked
  JOIN platform."PendingHumanReview" AS review
       ON review."nodeExecId" IN ({node_exec_id}, asked.auto_key)
 WHERE review."status" = 'APPROVED'
   AND review."userId" = {user_id}
 ORDER BY review."createdAt"
 LIMIT 1
"""


APPROVAL = Merged(
    single=_approval(
        "%(node_exec_id)s",
        "%(graph_exec_id)s",
        "%(node_id)s",
        "%(user_id)s",
        "%(input_data)s::text",
    ),
    batch=f"""
SELECT call.place, found.document
  FROM json_to_recordset(%(calls)s::json) AS call (
           place integer, node_exec_id text, graph_exec_id text, node_id text, user_id text,
           input_data text
       )
 CROSS JOIN LATERAL ({
        _approval(
            "call.node_exec_id",
            "call.graph_exec_id",
            "call.node_id",
            "call.user_id",
            "call.input_data",
        )
    }) AS found
 WHERE {FEW_CALLS}
""",
    # The data as text: as JSON, null would be none.
    texts=("node_exec_id", "graph_exec_id", "node_id", "user_id", "input_data"),
    reads=True,
)


@operation(reads=True)
async def check_approval(
    database: Database,
    node_exec_id: str,
    graph_exec_id: str,
    node_id: str,
    user_id: str,
    input_data: JsonValueToShow | None = None,
) -> Reply[models.ReviewResult | None]:
    """Return the approval that a node execution, or its node in this graph execution, has; or null.

    Args:
        node_exec_id: The node execution.
        graph_exec_id: Its graph execution.
        node_id: Its node.
        user_id: Whose approval.
        input_data: What stands for the reviewed data where all future actions were approved.
    """
    return await database.merged(
        APPROVAL,
        {
            "node_exec_id": node_exec_id,
            "graph_exec_id": graph_exec_id,
            "node_id": node_id,
            "user_id": user_id,
            "input_data": None if input_data is None else input_data.received,
        },
    )
