"""Lists of graph executions, and how long they are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError
from autogpt_db.operations import (
    BigInteger,
    Database,
    ExecutionStatus,
    Limit,
    Reply,
    Resource,
    operation,
)
from autogpt_db.operations.executions.graph_execution_documents import graph_execution_meta
from autogpt_db.operations.filters import Ordering, limited, present
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

OrderBy = Literal["createdAt", "startedAt", "updatedAt"]
Direction = Literal["asc", "desc"]

_COLUMNS: dict[OrderBy, LiteralString] = {
    "createdAt": 'graph_execution."createdAt"',
    "startedAt": 'graph_execution."startedAt"',
    "updatedAt": 'graph_execution."updatedAt"',
}
# The same, but by no index: PostgreSQL, which doesn't know the limit when it keeps a plan, would go
# through everybody's executions by "createdAt" in search of a graph's.
_BY_NO_INDEX: LiteralString = "graph_execution.\"createdAt\" + interval '0'"

_COMMON_FILTERS: dict[str, LiteralString] = {
    "graph_exec_id": 'graph_execution."id" = %(graph_exec_id)s',
    "execution_ids": 'graph_execution."id" = ANY (%(execution_ids)s::text[])',
    "user_id": 'graph_execution."userId" = %(user_id)s',
    "graph_id": 'graph_execution."agentGraphId" = %(graph_id)s',
    "graph_version": 'graph_execution."agentGraphVersion" = %(graph_version)s',
    "created_time_gte": 'graph_execution."createdAt" >= %(created_time_gte)s',
    "created_time_lte": 'graph_execution."createdAt" <= %(created_time_lte)s',
    "started_time_gte": 'graph_execution."startedAt" >= %(started_time_gte)s',
    "started_time_lte": 'graph_execution."startedAt" <= %(started_time_lte)s',
    "updated_time_gte": 'graph_execution."updatedAt" >= %(updated_time_gte)s',
    "updated_time_lte": 'graph_execution."updatedAt" <= %(updated_time_lte)s',
    "statuses": (
        'graph_execution."executionStatus"'
        ' = ANY (%(statuses)s::text[]::platform."AgentExecutionStatus"[])'
    ),
}
_FILTERS = ForSchema(
    lambda capabilities: {
        **_COMMON_FILTERS,
        "team_id": 'graph_execution."teamId" = %(team_id)s' if capabilities.orgs else "false",
    }
)
_META = ForSchema(graph_execution_meta)
_COUNT: LiteralString = """
SELECT count(*)
  FROM platform."AgentGraphExecution" AS graph_execution
 WHERE NOT graph_execution."isDeleted" """


@operation(reads=True, heavy=True)
async def get_graph_executions(
    database: Database,
    graph_exec_id: str | None = None,
    execution_ids: list[str] | None = None,
    graph_id: str | None = None,
    graph_version: int | None = None,
    user_id: str | None = None,
    statuses: list[ExecutionStatus] | None = None,
    created_time_gte: datetime | None = None,
    created_time_lte: datetime | None = None,
    started_time_gte: datetime | None = None,
    started_time_lte: datetime | None = None,
    limit: Limit | None = None,
    team_id: str | None = None,
    offset: BigInteger | None = None,
    order_by: OrderBy = "createdAt",
    order_direction: Direction = "desc",
) -> Reply[list[models.GraphExecutionMeta]]:
    """List executions, newest first; without any filter, all of them.

    Args:
        graph_exec_id: Only this one, whatever `execution_ids` says.
        execution_ids: Only these, in no order of their own; an empty list is no filter.
        graph_id: Only of this graph.
        graph_version: Only of this version; 0 is compared, too.
        user_id: Only of this user.
        statuses: Only in one of these; an empty list is no filter.
        created_time_gte: Only created at this moment or later.
        created_time_lte: Only created at this moment or earlier.
        started_time_gte: Only started at this moment or later.
        started_time_lte: Only started at this moment or earlier.
        limit: At most so many; a negative number means as many from the end.
        team_id: Only of this team; in a database without teams there are none.
        offset: Leave out so many of the first; with a negative limit, of the last.
        order_by: What they are ordered by; those without this moment stand first in descending
            order.
        order_direction: The order's direction.

    Returns:
        Their GraphExecutionMeta, deleted ones left out.

    Raises:
        InvalidValueError: The offset is negative.
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    if offset is not None and offset < 0:
        raise InvalidValueError(f"offset is {offset}; it must not be negative.")
    capabilities = database.capabilities
    arguments = {
        "graph_exec_id": graph_exec_id,
        "execution_ids": None if graph_exec_id else execution_ids,
        "graph_id": graph_id,
        "graph_version": graph_version,
        "user_id": user_id,
        "statuses": statuses,
        "created_time_gte": created_time_gte,
        "created_time_lte": created_time_lte,
        "started_time_gte": started_time_gte,
        "started_time_lte": started_time_lte,
        "team_id": team_id,
    }
    filters, parameters = present(_FILTERS(capabilities), arguments)
    source, parameters["limit"] = limited(
        'platform."AgentGraphExecution" AS graph_execution',
        'NOT graph_execution."isDeleted"' + filters,
        _ordering(order_by, order_direction, indexed=not (graph_id or execution_ids)),
        limit,
        skips=bool(offset),
    )
    parameters["offset"] = offset
    rows = f"SELECT {_META(capabilities)} {source}"
    return await fetch_list(
        database,
        listed(f"SELECT row_to_json(result) AS document FROM ({rows}) AS result"),
        parameters,
        narrow="give more filters, or a limit",
    )


@operation(reads=True, heavy=True, rest=Resource("/statistics/executions"))
async def get_graph_executions_count(
    database: Database,
    user_id: str | None = None,
    graph_id: str | None = None,
    statuses: list[ExecutionStatus] | None = None,
    created_time_gte: datetime | None = None,
    created_time_lte: datetime | None = None,
    started_time_gte: datetime | None = None,
    started_time_lte: datetime | None = None,
    updated_time_gte: datetime | None = None,
    updated_time_lte: datetime | None = None,
) -> int:
    """Count executions, by the filters of `get_graph_executions`.

    Args:
        user_id: Only of this user.
        graph_id: Only of this graph.
        statuses: Only in one of these; an empty list is no filter.
        created_time_gte: Only created at this moment or later.
        created_time_lte: Only created at this moment or earlier.
        started_time_gte: Only started at this moment or later.
        started_time_lte: Only started at this moment or earlier.
        updated_time_gte: Only changed at this moment or later.
        updated_time_lte: Only changed at this moment or earlier.

    Returns:
        How many there are, deleted ones left out.
    """
    arguments = {
        "user_id": user_id,
        "graph_id": graph_id,
        "statuses": statuses,
        "created_time_gte": created_time_gte,
        "created_time_lte": created_time_lte,
        "started_time_gte": started_time_gte,
        "started_time_lte": started_time_lte,
        "updated_time_gte": updated_time_gte,
        "updated_time_lte": updated_time_lte,
    }
    filters, parameters = present(_COMMON_FILTERS, arguments)
    found = await database.row(_COUNT + filters, parameters)
    assert found is not None
    count: int = found[0]
    return count


def _ordering(order_by: OrderBy, direction: Direction, *, indexed: bool) -> Ordering:
    column = _COLUMNS[order_by] if indexed or order_by != "createdAt" else _BY_NO_INDEX
    if direction == "desc":
        return Ordering(
            forward=f"{column} DESC, graph_execution.ctid",
            backward=f"{column}, graph_execution.ctid DESC",
        )
    return Ordering(
        forward=f"{column}, graph_execution.ctid",
        backward=f"{column} DESC, graph_execution.ctid DESC",
    )
