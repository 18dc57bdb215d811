"""Node executions, read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import (
    FEW_CALLS,
    Database,
    ExecutionStatus,
    Limit,
    Merged,
    Reply,
    operation,
)
from autogpt_db.operations.executions.node_execution_documents import (
    JOINED,
    NEWEST_FIRST,
    NODE_EXECUTION,
    NODE_EXECUTION_WITHOUT_ROWS,
    WRITTEN,
)
from autogpt_db.operations.filters import Ordering, limited, present
from autogpt_db.signatures.bounds import fetch_document, fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

_ORDERING = Ordering(
    forward=f"{NEWEST_FIRST}, execution.ctid",
    backward='execution."queuedTime", execution."addedTime", execution.ctid DESC',
)

_FILTERS: dict[str, LiteralString] = {
    "graph_exec_id": 'execution."agentGraphExecutionId" = %(graph_exec_id)s',
    "node_id": 'execution."agentNodeId" = %(node_id)s',
    "block_ids": 'node."agentBlockId" = ANY (%(block_ids)s::text[])',
    "statuses": (
        'execution."executionStatus"'
        ' = ANY (%(statuses)s::text[]::platform."AgentExecutionStatus"[])'
    ),
    "created_time_gte": 'execution."addedTime" >= %(created_time_gte)s',
    "created_time_lte": 'execution."addedTime" <= %(created_time_lte)s',
}

BY_ID = ForSchema(
    lambda capabilities: Merged(
        single=f"""
SELECT row_to_json(result)
  FROM (
        SELECT {NODE_EXECUTION(capabilities)}
          FROM platform."AgentNodeExecution" AS execution{JOINED}
         WHERE execution."id" = %(node_exec_id)s
       ) AS result
""",
        batch=f"""
SELECT call.place, row_to_json(result)
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, node_exec_id text)
 CROSS JOIN LATERAL (
        SELECT {NODE_EXECUTION(capabilities)}
          FROM platform."AgentNodeExecution" AS execution{JOINED}
         WHERE execution."id" = call.node_exec_id
       ) AS result
 WHERE {FEW_CALLS}
""",
        texts=("node_exec_id",),
        reads=True,
    )
)
"""Reads a node execution by its id."""

_LATEST = ForSchema(
    lambda capabilities: (
        f"""
SELECT row_to_json(result)
  FROM (
        SELECT {NODE_EXECUTION(capabilities)}
          FROM platform."AgentNodeExecution" AS execution{JOINED}
         WHERE execution."agentGraphExecutionId" = %(graph_eid)s
           AND execution."agentNodeId" = %(node_id)s
           AND execution."executionStatus"
               IN ('QUEUED', 'RUNNING', 'COMPLETED', 'TERMINATED', 'FAILED')
         ORDER BY {_ORDERING.forward}
         LIMIT 1
       ) AS result
"""
    )
)
_OUTPUTS: LiteralString = f"""
SELECT COALESCE(json_object_agg(named."name", named.list), '{{}}')
  FROM (
        SELECT entry."name",
               json_agg(entry."data" ORDER BY {WRITTEN}) AS list
          FROM platform."AgentNodeExecutionInputOutput" AS entry
         WHERE entry."referencedByOutputExecId" = %(node_exec_id)s
           AND entry."data" <> 'null'
         GROUP BY entry."name"
       ) AS named
"""


@operation(reads=True)
async def get_node_execution(
    database: Database, node_exec_id: str
) -> Reply[models.NodeExecutionResult | None]:
    """Return a node execution with its input and output, or null.

    Args:
        node_exec_id: The node execution.

    Returns:
        A NodeExecutionResult.
    """
    return await database.merged(BY_ID(database.capabilities), {"node_exec_id": node_exec_id})


@operation(reads=True, heavy=True)
async def get_node_executions(
    database: Database,
    graph_exec_id: str | None = None,
    node_id: str | None = None,
    block_ids: list[str] | None = None,
    statuses: list[ExecutionStatus] | None = None,
    limit: Limit | None = None,
    created_time_gte: datetime | None = None,
    created_time_lte: datetime | None = None,
    include_exec_data: bool = True,
) -> Reply[list[models.NodeExecutionResult]]:
    """List node executions, last queued first, those never queued before them.

    Args:
        graph_exec_id: Only of this graph execution.
        node_id: Only of this node.
        block_ids: Only of nodes of these blocks; an empty list is no filter.
        statuses: Only in one of these; an empty list is no filter.
        limit: At most so many; a negative number means as many from the end.
        created_time_gte: Only added at this moment or later.
        created_time_lte: Only added at this moment or earlier.
        include_exec_data: Whether to read input and output rows; without them a result has only
            the data that stands in its own row.

    Returns:
        Their NodeExecutionResult.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    arguments = {
        "graph_exec_id": graph_exec_id,
        "node_id": node_id,
        "block_ids": block_ids,
        "statuses": statuses,
        "created_time_gte": created_time_gte,
        "created_time_lte": created_time_lte,
    }
    filters, parameters = present(_FILTERS, arguments)
    source, parameters["limit"] = limited(
        'platform."AgentNodeExecution" AS execution',
        f"true{filters}",
        _ORDERING,
        limit,
        joined=JOINED,
    )
    columns = NODE_EXECUTION if include_exec_data else NODE_EXECUTION_WITHOUT_ROWS
    chosen = columns(database.capabilities)
    return await fetch_list(
        database,
        listed(f"SELECT row_to_json(result) AS document FROM (SELECT {chosen} {source}) AS result"),
        parameters,
        narrow="give more filters, a limit, or include_exec_data false",
    )


@operation(reads=True)
async def get_latest_node_execution(
    database: Database, node_id: str, graph_eid: str
) -> Reply[models.NodeExecutionResult | None]:
    """Return a node's last queued execution in a graph execution, or null.

    Executions that are INCOMPLETE or in REVIEW don't count.

    Args:
        node_id: The node.
        graph_eid: The graph execution.

    Returns:
        A NodeExecutionResult.
    """
    return await fetch_document(
        database,
        _LATEST(database.capabilities),
        {"node_id": node_id, "graph_eid": graph_eid},
        narrow="use get_node_executions with include_exec_data false",
    )


@operation(reads=True)
async def get_execution_outputs_by_node_exec_id(
    database: Database, node_exec_id: str
) -> Reply[dict[str, list[Any]]]:
    """Return the outputs that a node execution has made, null ones left out.

    Args:
        node_exec_id: The node execution.

    Returns:
        An object of lists by name, each in the order of writing; empty for an unknown node
        execution.

    Raises:
        ResultTooLargeError: It is larger than the settings allow.
    """
    return await fetch_document(
        database,
        _OUTPUTS,
        {"node_exec_id": node_exec_id},
        narrow="raise the bound: nothing else makes it smaller",
    )
