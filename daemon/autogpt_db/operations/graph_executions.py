"""Graph executions, read."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from autogpt_db.operations import Database, ExecutionStatus, Limit, Merged, operation
from autogpt_db.operations.bounds import fetch_document, fetch_list, listed
from autogpt_db.operations.execution_documents import (
    GRAPH_EXECUTION_META,
    graph_execution_document,
    graph_execution_with_nodes_document,
)
from autogpt_db.operations.filters import Ordering, limited, present

if TYPE_CHECKING:
    from typing import LiteralString

_ORDERING = Ordering(
    forward='graph_execution."createdAt" DESC, graph_execution.ctid',
    backward='graph_execution."createdAt", graph_execution.ctid DESC',
)
# The same, but by no index: PostgreSQL, which doesn't know the limit when it keeps a plan, would go
# through everybody's executions by "createdAt" in search of a graph's.
_ORDERING_WITHIN_GRAPH = Ordering(
    forward="graph_execution.\"createdAt\" + interval '0' DESC, graph_execution.ctid",
    backward="graph_execution.\"createdAt\" + interval '0', graph_execution.ctid DESC",
)

_FILTERS: dict[str, LiteralString] = {
    "graph_exec_id": 'graph_execution."id" = %(graph_exec_id)s',
    "user_id": 'graph_execution."userId" = %(user_id)s',
    "graph_id": 'graph_execution."agentGraphId" = %(graph_id)s',
    "graph_version": 'graph_execution."agentGraphVersion" = %(graph_version)s',
    "created_time_gte": 'graph_execution."createdAt" >= %(created_time_gte)s',
    "created_time_lte": 'graph_execution."createdAt" <= %(created_time_lte)s',
    "statuses": (
        'graph_execution."executionStatus"'
        ' = ANY (%(statuses)s::text[]::platform."AgentExecutionStatus"[])'
    ),
}

_OWN: LiteralString = """
    SELECT *
      FROM platform."AgentGraphExecution"
     WHERE "id" = %(execution_id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
"""
_OF_USER = graph_execution_document(_OWN)
_OF_USER_WITH_NODES = graph_execution_with_nodes_document(_OWN)
_META_OF_USER = Merged(
    single=f"""
SELECT row_to_json(result)
  FROM (SELECT {GRAPH_EXECUTION_META} FROM ({_OWN}) AS graph_execution) AS result
""",
    batch=f"""
SELECT call.place, row_to_json(result)
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, execution_id text, user_id text)
 CROSS JOIN LATERAL (
        SELECT {GRAPH_EXECUTION_META}
          FROM platform."AgentGraphExecution" AS graph_execution
         WHERE graph_execution."id" = call.execution_id
           AND graph_execution."userId" = call.user_id
           AND NOT graph_execution."isDeleted"
       ) AS result
""",
    texts=("execution_id", "user_id"),
    reads=True,
)
_CHILDREN: LiteralString = f"""
SELECT row_to_json(result) AS document
  FROM (
        SELECT {GRAPH_EXECUTION_META}
          FROM platform."AgentGraphExecution" AS graph_execution
         WHERE "parentGraphExecutionId" = %(parent_exec_id)s AND NOT "isDeleted"
         ORDER BY graph_execution.ctid
       ) AS result
"""
_COUNT: LiteralString = """
SELECT count(*)
  FROM platform."AgentGraphExecution" AS graph_execution
 WHERE NOT graph_execution."isDeleted" """


@operation(reads=True)
async def get_child_graph_executions(database: Database, parent_exec_id: str) -> bytes:
    """List the executions that an execution has started.

    Args:
        parent_exec_id: The starting execution.

    Returns:
        Their GraphExecutionMeta, deleted ones left out; empty for an unknown parent.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database,
        listed(_CHILDREN),
        {"parent_exec_id": parent_exec_id},
        narrow="use get_graph_executions with a limit",
    )


@operation(reads=True, heavy=True)
async def get_graph_executions(
    database: Database,
    graph_exec_id: str | None = None,
    graph_id: str | None = None,
    graph_version: int | None = None,
    user_id: str | None = None,
    statuses: list[ExecutionStatus] | None = None,
    created_time_gte: datetime | None = None,
    created_time_lte: datetime | None = None,
    limit: Limit | None = None,
) -> bytes:
    """List executions, newest first; without any filter, all of them.

    Args:
        graph_exec_id: Only this one.
        graph_id: Only of this graph.
        graph_version: Only of this version; 0 is compared, too.
        user_id: Only of this user.
        statuses: Only in one of these; an empty list is no filter.
        created_time_gte: Only created at this moment or later.
        created_time_lte: Only created at this moment or earlier.
        limit: At most so many of the newest; a negative number means the oldest instead.

    Returns:
        Their GraphExecutionMeta, deleted ones left out.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    arguments = {
        "graph_exec_id": graph_exec_id,
        "graph_id": graph_id,
        "graph_version": graph_version,
        "user_id": user_id,
        "statuses": statuses,
        "created_time_gte": created_time_gte,
        "created_time_lte": created_time_lte,
    }
    filters, parameters = present(_FILTERS, arguments)
    source, parameters["limit"] = limited(
        'platform."AgentGraphExecution" AS graph_execution',
        'NOT graph_execution."isDeleted"' + filters,
        _ORDERING_WITHIN_GRAPH if graph_id else _ORDERING,
        limit,
    )
    rows = f"SELECT {GRAPH_EXECUTION_META} {source}"
    return await fetch_list(
        database,
        listed(f"SELECT row_to_json(result) AS document FROM ({rows}) AS result"),
        parameters,
        narrow="give more filters, or a limit",
    )


@operation(reads=True, heavy=True)
async def get_graph_executions_count(
    database: Database,
    user_id: str | None = None,
    graph_id: str | None = None,
    statuses: list[ExecutionStatus] | None = None,
    created_time_gte: datetime | None = None,
    created_time_lte: datetime | None = None,
) -> int:
    """Count executions, by the filters of `get_graph_executions`.

    Args:
        user_id: Only of this user.
        graph_id: Only of this graph.
        statuses: Only in one of these; an empty list is no filter.
        created_time_gte: Only created at this moment or later.
        created_time_lte: Only created at this moment or earlier.

    Returns:
        How many there are, deleted ones left out.
    """
    arguments = {
        "user_id": user_id,
        "graph_id": graph_id,
        "statuses": statuses,
        "created_time_gte": created_time_gte,
        "created_time_lte": created_time_lte,
    }
    filters, parameters = present(_FILTERS, arguments)
    found = await database.row(_COUNT + filters, parameters)
    assert found is not None
    count: int = found[0]
    return count


@operation(reads=True, heavy=True)
async def get_graph_execution(
    database: Database, user_id: str, execution_id: str, include_node_executions: bool = False
) -> bytes | None:
    """Return a user's execution with its inputs and outputs, or null.

    Args:
        user_id: Its owner.
        execution_id: The execution.
        include_node_executions: Whether to add its newest 1000 node executions.

    Returns:
        A GraphExecution, or a GraphExecutionWithNodes.

    Raises:
        ValidationFailedError: Its stored inputs or credentials do not validate.
        ResultTooLargeError: It is larger than the settings allow.
    """
    return await fetch_document(
        database,
        _OF_USER_WITH_NODES if include_node_executions else _OF_USER,
        {"user_id": user_id, "execution_id": execution_id},
        narrow="leave its node executions out, and read them by get_node_executions with a limit",
    )


@operation(reads=True)
async def get_graph_execution_meta(
    database: Database, user_id: str, execution_id: str
) -> bytes | None:
    """Return a user's execution without what its nodes did, or null.

    Args:
        user_id: Its owner.
        execution_id: The execution.

    Returns:
        A GraphExecutionMeta.

    Raises:
        ValidationFailedError: Its stored inputs or credentials do not validate.
    """
    return await database.merged(_META_OF_USER, {"user_id": user_id, "execution_id": execution_id})
