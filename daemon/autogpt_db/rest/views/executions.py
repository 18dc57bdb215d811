"""Graph executions and their node executions, whoever's they are."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, ExecutionStatus, Reply, Resource
from autogpt_db.operations.executions.node_execution_documents import input_data, output_data
from autogpt_db.operations.executions.stuck_executions import find_stuck
from autogpt_db.rest.paging import USUAL, PageLimit, fetch_page
from autogpt_db.rest.resources import view
from autogpt_db.signatures.bounds import fetch_document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_BY_CREATION: LiteralString = 'run."createdAt" DESC, run."id" DESC'
# A graph's by its own index and sorted: PostgreSQL, which doesn't know the limit when it keeps a
# plan, would go through everybody's executions by "createdAt" in search of them.
_BY_NO_INDEX: LiteralString = 'run."createdAt" + interval \'0\' DESC, run."id" DESC'

_FILTERS: dict[str, LiteralString] = {
    "user_id": 'run."userId" = %(user_id)s',
    "graph_id": 'run."agentGraphId" = %(graph_id)s',
    "statuses": (
        'run."executionStatus" = ANY (%(statuses)s::text[]::platform."AgentExecutionStatus"[])'
    ),
    "created_from": 'run."createdAt" >= %(created_from)s',
    "created_before": 'run."createdAt" < %(created_before)s',
    # The second one says it all, the first one to the index.
    "after_created_at": 'run."createdAt" <= %(after_created_at)s',
    "after_id": '(run."createdAt", run."id") < (%(after_created_at)s, %(after_id)s)',
    "recent": "run.\"createdAt\" >= autogpt_db.now_v1() - interval '30 days'",
}


def _stats(capabilities: Capabilities) -> LiteralString:
    if capabilities.pods:
        return 'autogpt_db.execution_stats_v3(run."stats", run."executionStatus"::text)'
    if capabilities.store2:
        return 'autogpt_db.execution_stats_v2(run."stats")'
    return 'autogpt_db.execution_stats_v1(run."stats")'


def _runs(capabilities: Capabilities) -> LiteralString:
    tenancy: LiteralString = "'organization_id', NULL, 'team_id', NULL"
    if capabilities.orgs:
        tenancy = """'organization_id', run."organizationId", 'team_id', run."teamId\""""
    expert: LiteralString = "NULL"
    if capabilities.expert_runs:
        expert = 'run."expertId"'
    return f"""
SELECT json_build_object(
           'id', run."id",
           'user_id', run."userId",
           'graph_id', run."agentGraphId",
           'graph_version', run."agentGraphVersion",
           'preset_id', run."agentPresetId",
           'parent_id', run."parentGraphExecutionId",
           'status', run."executionStatus",
           'created_at', autogpt_db.iso_v1(run."createdAt"),
           'updated_at', autogpt_db.iso_v1(run."updatedAt"),
           'started_at', autogpt_db.iso_v1(run."startedAt"),
           'ended_at', autogpt_db.iso_v1(run."endedAt"),
           'is_shared', run."isShared",
           'stats', {_stats(capabilities)},
           {tenancy},
           'expert_id', {expert},
           'inputs', CASE WHEN %(content)s THEN run."inputs" END
       ) AS document
  FROM platform."AgentGraphExecution" AS run
 WHERE NOT run."isDeleted\""""


_RUNS = ForSchema(_runs)
_RUN = ForSchema(lambda capabilities: _runs(capabilities) + ' AND run."id" = %(execution_id)s')


def _nodes(capabilities: Capabilities) -> LiteralString:
    return f"""
SELECT json_build_object(
           'id', execution."id",
           'graph_execution_id', execution."agentGraphExecutionId",
           'node_id', execution."agentNodeId",
           'block_id', node."agentBlockId",
           'status', execution."executionStatus",
           'added_at', autogpt_db.iso_v1(execution."addedTime"),
           'queued_at', autogpt_db.iso_v1(execution."queuedTime"),
           'started_at', autogpt_db.iso_v1(execution."startedTime"),
           'ended_at', autogpt_db.iso_v1(execution."endedTime"),
           'input_data', CASE WHEN %(content)s THEN {input_data(capabilities)} ELSE '{{}}' END,
           'output_data', CASE WHEN %(content)s THEN {output_data(capabilities)} ELSE '{{}}' END
       ) AS document
  FROM platform."AgentNodeExecution" AS execution
  JOIN platform."AgentNode" AS node ON node."id" = execution."agentNodeId"
 WHERE execution."agentGraphExecutionId" = %(execution_id)s"""


_NODES = ForSchema(_nodes)
_NODE_FILTERS: dict[str, LiteralString] = {
    "statuses": (
        'execution."executionStatus"'
        ' = ANY (%(statuses)s::text[]::platform."AgentExecutionStatus"[])'
    ),
    "after_added_at": 'execution."addedTime" >= %(after_added_at)s',
    "after_id": '(execution."addedTime", execution."id") > (%(after_added_at)s, %(after_id)s)',
}


@view(Resource("/executions", content="content", pages_by=("created_at", "id")), heavy=True)
async def list_executions(
    database: Database,
    user_id: str | None = None,
    graph_id: str | None = None,
    statuses: list[ExecutionStatus] | None = None,
    created_from: datetime | None = None,
    created_before: datetime | None = None,
    limit: PageLimit = USUAL,
    after_created_at: datetime | None = None,
    after_id: str | None = None,
    content: bool = False,
) -> Reply[list[models.ExecutionOverview]]:
    """List graph executions, the newest first, deleted ones left out.

    No index knows statuses: where they are asked for and neither a user, nor a graph, nor
    `created_from` is named, only the last 30 days are looked through.

    Args:
        user_id: Only of this user.
        graph_id: Only of this graph.
        statuses: Only in one of these.
        created_from: Only created at this moment or later.
        created_before: Only created before this moment.
        limit: Executions of a page.
        after_created_at: Only older ones than that which was created at this moment.
        after_id: It has this id.
        content: Whether to read their inputs.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    arguments = {
        "user_id": user_id,
        "graph_id": graph_id,
        "statuses": statuses,
        "created_from": created_from,
        "created_before": created_before,
        "after_created_at": after_created_at,
        "after_id": after_id,
        "recent": bool(statuses) and not (user_id or graph_id or created_from),
    }
    return await fetch_page(
        database,
        _RUNS(database.capabilities),
        _FILTERS,
        arguments,
        order=_BY_NO_INDEX if graph_id else _BY_CREATION,
        limit=limit,
        values={"content": content},
    )


@view(Resource("/executions/{execution_id}", content="content"))
async def show_execution(
    database: Database, execution_id: str, content: bool = False
) -> Reply[models.ExecutionOverview | None]:
    """Return a graph execution, whoever's it is.

    Args:
        execution_id: The execution.
        content: Whether to read its inputs.

    Raises:
        ResultTooLargeError: It is larger than the settings allow.
    """
    return await fetch_document(
        database,
        _RUN(database.capabilities),
        {"execution_id": execution_id, "content": content},
        narrow="leave content out (admin.show_content)",
    )


@view(
    Resource("/executions/{execution_id}/nodes", content="content", pages_by=("added_at", "id")),
    heavy=True,
)
async def list_node_executions(
    database: Database,
    execution_id: str,
    statuses: list[ExecutionStatus] | None = None,
    limit: PageLimit = USUAL,
    after_added_at: datetime | None = None,
    after_id: str | None = None,
    content: bool = False,
) -> Reply[list[models.NodeExecutionOverview]]:
    """List the node executions of a graph execution as they were added; none of an unknown one.

    Args:
        execution_id: The graph execution.
        statuses: Only in one of these.
        limit: Node executions of a page.
        after_added_at: Only later ones than that which was added at this moment.
        after_id: It has this id.
        content: Whether to read what went in and came out.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _NODES(database.capabilities),
        _NODE_FILTERS,
        {"statuses": statuses, "after_added_at": after_added_at, "after_id": after_id},
        order='execution."addedTime", execution."id"',
        limit=limit,
        values={"execution_id": execution_id, "content": content},
    )


@view(Resource("/stuck-executions"), heavy=True)
async def list_stuck_executions(database: Database) -> list[models.StuckExecution]:
    """List the executions that nothing moves any more, longest first, up to 1000 of each kind.

    `watch` in the settings says after how long, and how far back is looked.
    """
    return [
        {
            "kind": stuck.kind,
            "id": stuck.id,
            "node_execution_id": stuck.node_execution_id,
            "graph_id": stuck.graph_id,
            "user_id": stuck.user_id,
            "status": stuck.status,
            "since": stuck.since.isoformat(timespec="milliseconds") + "Z",
            "seconds": stuck.seconds,
        }
        for stuck in await find_stuck(database)
    ]
