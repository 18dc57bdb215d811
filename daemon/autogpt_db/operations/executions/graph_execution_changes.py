"""Graph executions, moved on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError, RecordNotFoundError
from autogpt_db.live_events.recording import (
    graph_executions_recorded,
    node_executions_recorded,
    whole_run_recorded,
)
from autogpt_db.operations import (
    Database,
    ExecutionStatus,
    GraphExecutionStats,
    Reply,
    operation,
)
from autogpt_db.operations.executions.execution_status import allowed_from
from autogpt_db.operations.executions.graph_execution_batches import changing
from autogpt_db.operations.executions.graph_execution_documents import graph_execution_document
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_TERMINAL = frozenset(
    {ExecutionStatus.COMPLETED, ExecutionStatus.FAILED, ExecutionStatus.TERMINATED}
)


# What still runs of an execution that is over will say nothing more. Its stats are kept.
def _cascaded(capabilities: Capabilities, *, changed: bool) -> LiteralString:
    """Return the query that ends them; `changed`: the execution itself is over only now."""
    returned: LiteralString = ""
    if capabilities.live_events:
        returned = """
    RETURNING execution.*"""
    if changed:
        recorded = whole_run_recorded(capabilities, "graph_execution", "cascaded")
    else:
        recorded = node_executions_recorded(capabilities, "cascaded")
    return f""", cascaded AS (
    UPDATE platform."AgentNodeExecution" AS execution
       SET "executionStatus" = 'FAILED',
           "endedTime" = autogpt_db.now_v1(),
           "stats" = CASE jsonb_typeof(execution."stats")
               WHEN 'object' THEN execution."stats"
               ELSE '{{}}'
           END || jsonb_build_object('error', 'graph_execution_' || lower(%(status)s::text))
      FROM graph_execution
     WHERE execution."agentGraphExecutionId" = graph_execution."id"
       AND execution."executionStatus" = 'RUNNING'
       AND graph_execution."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED'){returned}
){recorded}"""


class _Form(NamedTuple):
    """What an update does.

    Attributes:
        guarded: A status is set, if the present one allows it; otherwise it stays.
        cascades: End the node executions that run.
        moves: Give the execution to another organization and team.
    """

    guarded: bool
    cascades: bool
    moves: bool


_STARTED: LiteralString = """
           "executionStatus" = 'RUNNING',
           "startedAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1()"""


def _stats(stats: LiteralString) -> LiteralString:
    return f"""
           "stats" = COALESCE({stats}, graph_execution."stats"),
           "updatedAt" = autogpt_db.now_v1()"""


def _status(status: LiteralString) -> LiteralString:
    return f"""
           "executionStatus" = {status}::platform."AgentExecutionStatus",
           "endedAt" = CASE
               WHEN {status} IN ('COMPLETED', 'FAILED', 'TERMINATED') THEN autogpt_db.now_v1()
               ELSE graph_execution."endedAt"
           END,"""


def _may_change(allowed: LiteralString) -> LiteralString:
    return f"""
       AND graph_execution."executionStatus"
           = ANY ({allowed}::platform."AgentExecutionStatus"[])"""


def _updated(capabilities: Capabilities, form: _Form) -> LiteralString:
    status: LiteralString = ""
    tenancy: LiteralString = ""
    guard: LiteralString = ""
    if form.moves:
        tenancy = """,
           "organizationId" = %(organization_id)s,
           "teamId" = %(team_id)s"""
    if form.guarded:
        status = _status("%(status)s::text")
        guard = _may_change("%(allowed)s::text")
    return graph_execution_document(
        capabilities,
        f"""
    UPDATE platform."AgentGraphExecution" AS graph_execution
       SET {status}{_stats("%(stats)s::jsonb")}{tenancy}
     WHERE graph_execution."id" = %(graph_exec_id)s{guard}
    RETURNING *
""",
        recorded=(
            graph_executions_recorded(capabilities) if form.guarded and not form.cascades else ""
        ),
        then=_cascaded(capabilities, changed=True) if form.cascades else "",
    )


def _read(capabilities: Capabilities, *, cascades: bool) -> LiteralString:
    return graph_execution_document(
        capabilities,
        """
    SELECT * FROM platform."AgentGraphExecution" WHERE "id" = %(graph_exec_id)s
""",
        then=_cascaded(capabilities, changed=False) if cascades else "",
    )


_START = ForSchema(
    lambda capabilities: changing(
        capabilities,
        graph_execution_document(
            capabilities,
            f"""
    UPDATE platform."AgentGraphExecution"
       SET {_STARTED}
     WHERE "id" = %(graph_exec_id)s
    RETURNING *
""",
            recorded=graph_executions_recorded(capabilities),
        ),
        {},
        _STARTED,
        recorded=graph_executions_recorded(capabilities),
    )
)
_UPDATE_STATS = ForSchema(
    lambda capabilities: changing(
        capabilities,
        _updated(capabilities, _Form(guarded=False, cascades=False, moves=False)),
        {"stats": "jsonb"},
        _stats("held.stats"),
    )
)
_UPDATE_STATUS = ForSchema(
    lambda capabilities: changing(
        capabilities,
        _updated(capabilities, _Form(guarded=True, cascades=False, moves=False)),
        {"status": "text", "allowed": "text", "stats": "jsonb"},
        _status("held.status") + _stats("held.stats"),
        guard=_may_change("held.allowed"),
        recorded=graph_executions_recorded(capabilities),
    )
)
# Not merged: these change other rows as well, or come seldom.
_UPDATE = ForSchema(
    lambda capabilities: {
        form: _updated(capabilities, form)
        for guarded in (False, True)
        for cascades in {False, guarded and capabilities.chat_status}
        for moves in {False, capabilities.orgs}
        for form in [_Form(guarded, cascades, moves)]
        if cascades or moves
    }
)
_BY_ID = ForSchema(
    lambda capabilities: {
        cascades: _read(capabilities, cascades=cascades)
        for cascades in {False, capabilities.chat_status}
    }
)


@operation(
    reads=False,
    repeat=harmful("Moves the start, and sets an execution RUNNING again that has moved on since."),
)
async def update_graph_execution_start_time(
    database: Database, graph_exec_id: str
) -> Reply[models.GraphExecution | None]:
    """Set an execution RUNNING, started now, whatever it was before.

    Args:
        graph_exec_id: The execution; may be deleted.

    Returns:
        Its GraphExecution, or null when there is none.
    """
    return await database.merged(_START(database.capabilities), {"graph_exec_id": graph_exec_id})


@operation(
    reads=False,
    repeat=harmless("Sets the same stats; a status that was reached stays."),
    honoured={"update_tenancy": "orgs"},
)
async def update_graph_execution_stats(
    database: Database,
    graph_exec_id: str,
    status: ExecutionStatus | None = None,
    stats: GraphExecutionStats | None = None,
    cascade_running_children: bool = True,
    update_tenancy: bool = False,
    organization_id: str | None = None,
    team_id: str | None = None,
) -> Reply[models.GraphExecution | None]:
    """Set an execution's status, its stats, its organization and team, or several of these.

    A status that may not follow the present one changes nothing at all, and is no error.

    Args:
        graph_exec_id: The execution; may be deleted.
        status: The new status; COMPLETED, FAILED and TERMINATED also set when it ended.
        stats: All of its stats: they replace the stored ones.
        cascade_running_children: Whether its node executions that still run become FAILED, once it
            is COMPLETED, FAILED or TERMINATED. In databases of AutoGPT up to v0.6.59 they never do.
        update_tenancy: Whether to set organization and team.
        organization_id: The organization it belongs to from now on.
        team_id: The team it belongs to from now on; null for none.

    Returns:
        Its GraphExecution as it is now.

    Raises:
        InvalidValueError: Nothing is to be set, the status is INCOMPLETE, or `update_tenancy`
            comes without an organization.
        ForeignKeyViolationError: There is no such team.
        RecordNotFoundError: There is no such execution.
    """
    capabilities = database.capabilities
    if update_tenancy:
        if not organization_id:
            raise InvalidValueError("organization_id is required when updating tenancy.")
    elif status is None and stats is None:
        raise InvalidValueError("Either status or stats must be given.")
    parameters: dict[str, str | None] = {
        "graph_exec_id": graph_exec_id,
        "status": status,
        "stats": stats,
        "organization_id": organization_id,
        "team_id": team_id or None,
    }
    cascades = capabilities.chat_status and cascade_running_children and status in _TERMINAL
    if status is not None:
        parameters["allowed"] = allowed_from(status)
    if cascades or update_tenancy:
        form = _Form(guarded=status is not None, cascades=cascades, moves=update_tenancy)
        document = await database.json(_UPDATE(capabilities)[form], parameters)
    else:
        merged = _UPDATE_STATS if status is None else _UPDATE_STATUS
        document = await database.merged(merged(capabilities), parameters)
    if document is None:
        # Another statement: the first may have waited for whoever changed the row, and would
        # still see it as it was before.
        document = await database.json(_BY_ID(capabilities)[cascades], parameters)
    if document is None:
        raise RecordNotFoundError(f"graph execution {graph_exec_id}")
    return document
