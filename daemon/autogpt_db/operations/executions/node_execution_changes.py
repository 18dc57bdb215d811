"""Node executions, moved on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import ExecutionNotFoundError, InvalidValueError
from autogpt_db.live_events.recording import node_executions_recorded
from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    ExecutionStatus,
    JsonObject,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.executions.execution_status import allowed_from
from autogpt_db.operations.executions.node_execution_documents import (
    JOINED,
    JOINED_TO_OUTER,
    NODE_EXECUTION,
)
from autogpt_db.operations.executions.node_executions import BY_ID
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import JsonText


def _changes(status: LiteralString, stats: LiteralString) -> LiteralString:
    """Return what a new status sets.

    Args:
        status: The status, as text.
        stats: The new stats, a jsonb or NULL.
    """
    return f"""
           "executionStatus" = {status}::platform."AgentExecutionStatus",
           "queuedTime" = CASE {status}
               WHEN 'QUEUED' THEN autogpt_db.now_v1()
               ELSE execution."queuedTime"
           END,
           "startedTime" = CASE {status}
               WHEN 'RUNNING' THEN autogpt_db.now_v1()
               ELSE execution."startedTime"
           END,
           "endedTime" = CASE
               WHEN {status} IN ('COMPLETED', 'FAILED') THEN autogpt_db.now_v1()
               ELSE execution."endedTime"
           END,
           "stats" = COALESCE({stats}, execution."stats")"""


_CHANGES: LiteralString = _changes("%(status)s::text", "%(stats)s::jsonb")
_MAY_CHANGE: LiteralString = (
    'execution."executionStatus" = ANY (%(allowed)s::text::platform."AgentExecutionStatus"[])'
)

_UPDATE = ForSchema(
    lambda capabilities: Merged(
        single=f"""
WITH execution AS (
    UPDATE platform."AgentNodeExecution" AS execution
       SET {_CHANGES},
           "executionData" = COALESCE(%(execution_data)s::jsonb, execution."executionData")
     WHERE execution."id" = %(node_exec_id)s AND {_MAY_CHANGE}
    RETURNING *
){node_executions_recorded(capabilities, "execution")}
SELECT row_to_json(result)
  FROM (SELECT {NODE_EXECUTION(capabilities)} FROM execution{JOINED}) AS result
""",
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT *
      FROM {BOUNDED_CALLS} AS call (
               place integer, node_exec_id text, status text, allowed text,
               execution_data jsonb, stats jsonb
           )
     WHERE {FEW_CALLS}
), held AS MATERIALIZED (
    -- Locked in the order of the calls, which is that of their keys; and only what may change, as
    -- the single statement does: others wait for no row that this one leaves as it is.
    SELECT call.*
      FROM call
     CROSS JOIN LATERAL (
            SELECT
              FROM platform."AgentNodeExecution" AS execution
             WHERE execution."id" = call.node_exec_id
               AND execution."executionStatus"
                   = ANY (call.allowed::platform."AgentExecutionStatus"[])
               FOR NO KEY UPDATE
           ) AS execution
), execution AS (
    UPDATE platform."AgentNodeExecution" AS execution
       SET {_changes("held.status", "held.stats")},
           "executionData" = COALESCE(held.execution_data, execution."executionData")
      FROM held
     WHERE execution."id" = held.node_exec_id
       AND execution."executionStatus"
           = ANY (held.allowed::platform."AgentExecutionStatus"[])
    RETURNING held.place, execution.*
){node_executions_recorded(capabilities, "execution")}
SELECT execution.place, row_to_json(result)
  FROM execution
 CROSS JOIN LATERAL (SELECT {NODE_EXECUTION(capabilities)} {JOINED_TO_OUTER}) AS result
""",
        texts=("node_exec_id", "status", "allowed"),
        documents=("execution_data", "stats"),
        key=("node_exec_id",),
        answer=("execution.place", "row_to_json(result)"),
    )
)


# Locked in one order, so that two batches with rows in common wait for each other instead of
# ending each other as a deadlock.
def _batch_updated(capabilities: Capabilities) -> LiteralString:
    held: LiteralString = f"""
WITH held AS (
    SELECT execution."id"
      FROM platform."AgentNodeExecution" AS execution
     WHERE execution."id" = ANY (%(node_exec_ids)s::text[]) AND {_MAY_CHANGE}
     ORDER BY execution."id"
       FOR NO KEY UPDATE
)"""
    update: LiteralString = f"""
UPDATE platform."AgentNodeExecution" AS execution
   SET {_CHANGES}
  FROM held
 WHERE execution."id" = held."id"
"""
    if not capabilities.live_events:
        return held + update
    recorded = node_executions_recorded(capabilities, "changed")
    return f"""{held}, changed AS ({update}
RETURNING execution.*
){recorded}
SELECT FROM changed
"""


_UPDATE_BATCH = ForSchema(_batch_updated)


@operation(
    reads=False,
    at_once=True,
    repeat=harmless("A status that was reached stays, and so do its times."),
)
async def update_node_execution_status(
    database: Database,
    node_exec_id: str,
    status: ExecutionStatus,
    execution_data: JsonObject | None = None,
    stats: JsonObject | None = None,
) -> Reply[models.NodeExecutionResult]:
    """Set a node execution's status, and with it when it was queued, started or ended.

    A status that may not follow the present one changes nothing and is no error.

    Args:
        node_exec_id: The node execution.
        status: The new status.
        execution_data: Its input, which QUEUED must come with; an empty one keeps the stored.
        stats: Its stats, in place of the stored ones; empty ones keep them.

    Returns:
        Its NodeExecutionResult as it is now.

    Raises:
        ExecutionNotFoundError: There is none.
        InvalidValueError: The status is INCOMPLETE, or QUEUED has no input.
    """
    if status is ExecutionStatus.QUEUED and execution_data is None:
        raise InvalidValueError("The status QUEUED must come with execution_data.")
    document = await database.merged(
        _UPDATE(database.capabilities),
        {
            "node_exec_id": node_exec_id,
            "status": status,
            "allowed": allowed_from(status),
            "execution_data": _unless_empty(execution_data),
            "stats": _unless_empty(stats),
        },
    )
    if document is None:
        # Another statement: the first may have waited for whoever changed the row, and would
        # still see it as it was before.
        document = await database.merged(
            BY_ID(database.capabilities), {"node_exec_id": node_exec_id}
        )
    if document is None:
        raise ExecutionNotFoundError(f"There is no node execution {node_exec_id}.")
    return document


@operation(
    reads=False, repeat=harmless("A status that was reached stays; those are not counted again.")
)
async def update_node_execution_status_batch(
    database: Database,
    node_exec_ids: list[str],
    status: ExecutionStatus,
    stats: JsonObject | None = None,
) -> int:
    """Set the status of all those node executions whose present status allows it.

    Args:
        node_exec_ids: The node executions; unknown ones are skipped.
        status: The new status.
        stats: Stats for each, in place of the stored ones; empty ones keep them.

    Returns:
        How many were changed.

    Raises:
        InvalidValueError: The status is INCOMPLETE.
    """
    allowed = allowed_from(status)
    if not node_exec_ids:
        return 0
    return await database.execute(
        _UPDATE_BATCH(database.capabilities),
        {
            "node_exec_ids": node_exec_ids,
            "status": status,
            "allowed": allowed,
            "stats": _unless_empty(stats),
        },
    )


def _unless_empty(document: JsonText | None) -> JsonText | None:
    if document is None or document.received == "{}":
        return None
    # What stands between the braces of an object and is only space, is nothing.
    return None if document.received[1:-1].isspace() else document
