"""Executions that nothing moves any more: finding them, and ending one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.live_events.recording import node_executions_recorded, whole_run_recorded

if TYPE_CHECKING:
    import datetime as dt

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.pool import Database
    from autogpt_db.settings import WatchSettings

KINDS = ("queued", "running", "incomplete", "orphans")
"""What `watch` has a setting for, each."""
MOST = 1000
"""Findings of each kind in one look, the oldest; thousands of one kind hide none of another."""

# A run's last sign of life: its own row, its node executions, the outputs of those that run, and
# the same of the runs it started. Who waits for a person is not stuck, nor is who waits for that.
STUCK: LiteralString = """
WITH RECURSIVE settings AS (
    SELECT autogpt_db.now_v1() AS now,
           autogpt_db.now_v1() - make_interval(days => %(days)s) AS first
), suspect AS MATERIALIZED (
    SELECT run."id", run."executionStatus" AS status,
           GREATEST(run."createdAt", run."startedAt", run."updatedAt") AS moved
      FROM platform."AgentGraphExecution" AS run
     CROSS JOIN settings
     WHERE run."createdAt" >= settings.first
       AND run."executionStatus" IN ('INCOMPLETE', 'QUEUED', 'RUNNING')
       AND NOT run."isDeleted"
       AND GREATEST(run."createdAt", run."startedAt", run."updatedAt")
           < settings.now - make_interval(secs => CASE run."executionStatus"
                 WHEN 'QUEUED' THEN %(queued)s
                 WHEN 'RUNNING' THEN %(running)s
                 ELSE %(incomplete)s
             END)
       AND (%(only)s::text IS NULL OR run."id" = %(only)s::text)
), family (root, id) AS (
    SELECT "id", "id" FROM suspect WHERE status = 'RUNNING'
     UNION
    SELECT family.root, child."id"
      FROM family
      JOIN platform."AgentGraphExecution" AS child ON child."parentGraphExecutionId" = family.id
), life AS (
    SELECT family.root,
           max(GREATEST(member."createdAt", member."startedAt", member."updatedAt",
                        node.moved)) AS moved,
           bool_or(member."executionStatus" = 'REVIEW' OR node.reviewed OR EXISTS (
               SELECT
                 FROM platform."PendingHumanReview" AS review
                WHERE review."graphExecId" = member."id"
                  AND review."status" = 'WAITING'
           ) AND member."executionStatus" IN ('RUNNING', 'REVIEW')) AS waits_for_people
      FROM family
      JOIN platform."AgentGraphExecution" AS member ON member."id" = family.id
      LEFT JOIN LATERAL (
           SELECT max(GREATEST(execution."addedTime", execution."queuedTime",
                               execution."startedTime", execution."endedTime",
                               output.at)) AS moved,
                  bool_or(execution."executionStatus" = 'REVIEW') AS reviewed
             FROM platform."AgentNodeExecution" AS execution
             LEFT JOIN LATERAL (
                  SELECT max(row."time") AS at
                    FROM platform."AgentNodeExecutionInputOutput" AS row
                   WHERE row."referencedByOutputExecId" = execution."id"
                     AND execution."executionStatus" = 'RUNNING'
             ) AS output ON true
            WHERE execution."agentGraphExecutionId" = member."id"
      ) AS node ON true
     GROUP BY family.root
), found AS (
    SELECT lower(suspect.status::text) AS kind, suspect."id", NULL::text AS node_execution_id,
           COALESCE(life.moved, suspect.moved) AS since
      FROM suspect
     CROSS JOIN settings
      LEFT JOIN life ON life.root = suspect."id"
     WHERE suspect.status <> 'RUNNING'
        OR (
            life.moved < settings.now - make_interval(secs => %(running)s)
            AND NOT COALESCE(life.waits_for_people, false)
        )
     UNION ALL
    SELECT 'orphans', run."id", node."id", COALESCE(run."endedAt", run."updatedAt",
           run."createdAt")
      FROM platform."AgentGraphExecution" AS run
     CROSS JOIN settings
      JOIN platform."AgentNodeExecution" AS node
           ON node."agentGraphExecutionId" = run."id"
          AND node."executionStatus" = 'RUNNING'
     WHERE run."createdAt" >= settings.first
       AND run."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
       AND NOT run."isDeleted"
       AND GREATEST(run."endedAt", run."updatedAt", run."createdAt", node."startedTime")
           < settings.now - make_interval(secs => %(orphans)s)
       AND (%(only)s::text IS NULL OR run."id" = %(only)s::text)
), ranked AS (
    SELECT found.*,
           row_number() OVER (
               PARTITION BY kind ORDER BY since, "id", node_execution_id
           ) AS place
      FROM found
)
SELECT found.kind, run."id", found.node_execution_id, run."agentGraphId", run."userId",
       run."executionStatus"::text, found.since,
       EXTRACT(epoch FROM settings.now - found.since)::float8
  FROM ranked AS found
  JOIN platform."AgentGraphExecution" AS run ON run."id" = found."id"
 CROSS JOIN settings
 WHERE found.place <= %(most)s
 ORDER BY found.since, run."id", found.node_execution_id
"""

OLDER: LiteralString = """
SELECT count(*),
       floor(EXTRACT(epoch FROM autogpt_db.now_v1() - min("createdAt")) / 86400)::integer
  FROM platform."AgentGraphExecution"
 WHERE "createdAt" < autogpt_db.now_v1() - make_interval(days => %(days)s)
   AND "executionStatus" IN ('INCOMPLETE', 'QUEUED', 'RUNNING')
   AND NOT "isDeleted"
"""

HOLD: LiteralString = """
SELECT "id" FROM platform."AgentGraphExecution" WHERE "id" = %(id)s FOR NO KEY UPDATE
"""


def _failed(capabilities: Capabilities) -> LiteralString:
    returned: LiteralString = '"id"'
    nodes_returned: LiteralString = ""
    if capabilities.live_events:
        returned = "*"
        nodes_returned = """
    RETURNING node.*"""
    return f"""
WITH failed AS (
    UPDATE platform."AgentGraphExecution"
       SET "executionStatus" = 'FAILED',
           "endedAt" = autogpt_db.now_v1(),
           "updatedAt" = autogpt_db.now_v1(),
           "stats" = CASE WHEN jsonb_typeof("stats") = 'object' THEN "stats" ELSE '{{}}' END
                     || jsonb_build_object('error', %(reason)s::text)
     WHERE "id" = %(id)s
       AND "executionStatus" = %(status)s::text::platform."AgentExecutionStatus"
    RETURNING {returned}
), nodes AS (
    UPDATE platform."AgentNodeExecution" AS node
       SET "executionStatus" = 'FAILED',
           "endedTime" = autogpt_db.now_v1()
      FROM failed
     WHERE node."agentGraphExecutionId" = failed."id"
       AND node."executionStatus" IN ('INCOMPLETE', 'QUEUED', 'RUNNING'){nodes_returned}
){whole_run_recorded(capabilities, "failed", "nodes")}
SELECT count(*) FROM failed
"""


def _closed(capabilities: Capabilities) -> LiteralString:
    returned: LiteralString = "node.*" if capabilities.live_events else "1"
    return f"""
WITH closed AS (
    UPDATE platform."AgentNodeExecution" AS node
       SET "executionStatus" = CASE run."executionStatus"
               WHEN 'FAILED' THEN 'FAILED'
               ELSE 'TERMINATED'
           END::platform."AgentExecutionStatus",
           "endedTime" = COALESCE(run."endedAt", autogpt_db.now_v1())
      FROM platform."AgentGraphExecution" AS run
     WHERE node."id" = %(node_execution_id)s
       AND run."id" = node."agentGraphExecutionId"
       AND run."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
       AND node."executionStatus" = 'RUNNING'
    RETURNING {returned}
){node_executions_recorded(capabilities, "closed")}
SELECT count(*) FROM closed
"""


FAIL = ForSchema(_failed)
CLOSE = ForSchema(_closed)


@dataclass(frozen=True, slots=True)
class Stuck:
    """An execution that nothing moves any more.

    Attributes:
        kind: One of `KINDS`.
        id: The graph execution.
        node_execution_id: The node execution that was left running, of kind `orphans`.
        graph_id: Its graph.
        user_id: Whose it is.
        status: Its status.
        since: Its last sign of life, UTC.
        seconds: How long ago that was.
    """

    kind: str
    id: str
    node_execution_id: str | None
    graph_id: str
    user_id: str
    status: str
    since: dt.datetime
    seconds: float

    @property
    def remedy(self) -> str:
        """Say what acting on it would do."""
        if self.kind == "orphans":
            return "close the node execution"
        return "set to FAILED"


def parameters(watch: WatchSettings, *, days: int | None = None) -> dict[str, Any]:
    """Return what `STUCK` has to know.

    Args:
        watch: The settings.
        days: How many to look back, instead of the settings' own.
    """
    return {
        "days": days or watch.look_back_days,
        "queued": watch.queued_seconds,
        "running": watch.running_seconds,
        "incomplete": watch.incomplete_seconds,
        "orphans": watch.orphans_seconds,
        "only": None,
        "most": MOST,
    }


async def find_stuck(database: Database, *, only: str | None = None) -> list[Stuck]:
    """Return what is stuck, longest first.

    Args:
        database: A handle on the pool.
        only: Look at this graph execution and no other.
    """
    given = parameters(database.settings.watch) | {"only": only}
    return [Stuck(*row) for row in await database.rows(STUCK, given)]


async def count_older(database: Database) -> tuple[int, int]:
    """Return how many executions that haven't ended are older than what `find_stuck` looks at.

    Returns:
        Their number, and the days since the oldest was made; 0 where there is none. Whether one of
        them shows a sign of life isn't looked at.
    """
    given = {"days": database.settings.watch.look_back_days}
    ((count, days),) = await database.rows(OLDER, given)
    return count, days or 0


async def end_stuck(database: Database, stuck: Stuck) -> bool:
    """Fail a stuck execution, or close an orphan, unless it has moved since it was found.

    Returns:
        Whether anything was changed.
    """
    async with database.transaction() as inside:
        await inside.rows(HOLD, {"id": stuck.id})
        # Held, it cannot move any more between this look and the change.
        given = parameters(database.settings.watch) | {"only": stuck.id}
        still = [Stuck(*row) for row in await inside.rows(STUCK, given)]
        same = (stuck.kind, stuck.node_execution_id)
        if same not in {(one.kind, one.node_execution_id) for one in still}:
            return False
        if stuck.kind == "orphans":
            close = CLOSE(database.capabilities)
            row = await inside.row(close, {"node_execution_id": stuck.node_execution_id})
        else:
            reason = f"No activity for {stuck.seconds / 3600:.1f} hours; ended by autogpt-db."
            given = {"id": stuck.id, "status": stuck.status, "reason": reason}
            row = await inside.row(FAIL(database.capabilities), given)
        return bool(row and row[0])
