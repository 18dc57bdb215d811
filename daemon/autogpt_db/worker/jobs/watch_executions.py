"""Executions that are stuck: told, and ended where that is asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.errors import LockedError, StatementCollidedError
from autogpt_db.logs.events import worker as log
from autogpt_db.operations.executions.stuck_executions import KINDS, end_stuck, find_stuck
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.operations.executions.stuck_executions import Stuck
    from autogpt_db.worker.handle import JobDatabase

MOST_EVENTS = 50
"""Executions of each kind that get an event of their own in one look."""

SINCE_LAST_LOOK: LiteralString = """
SELECT EXTRACT(epoch FROM clock_timestamp() - max(started_at))::float8
  FROM autogpt_db.job_run
 WHERE job = %(job)s AND outcome = 'succeeded'
"""


@job(
    schedule="*/10 * * * *",
    when="stuck executions are looked for",
    option="watch_schedule",
    time_limit=900.0,
    statement_limit=300.0,
    attempts=3,
)
async def watch_executions(database: JobDatabase) -> dict[str, Any]:
    """Find executions that nothing moves any more; end them where the settings say so.

    Runs QUEUED, RUNNING or INCOMPLETE without a sign of life, and node executions left RUNNING
    under runs that have ended. By default they are reported only (`watch.*`).
    """
    watch = database.settings.watch
    row = await database.row(SINCE_LAST_LOOK, {"job": database.run.job})
    before = row[0] if row and row[0] is not None else float("inf")
    found = await find_stuck(database)
    told: Counter[str] = Counter()
    ended = 0
    for place, stuck in enumerate(found):
        action = getattr(watch, stuck.kind)
        threshold = getattr(watch, f"{stuck.kind}_seconds")
        if action == "act" and await _end(database, stuck):
            ended += 1
            log.execution_ended(**_fields(stuck))
        elif stuck.seconds - threshold <= before and told[stuck.kind] < MOST_EVENTS:
            told[stuck.kind] += 1
            if action == "dry_run":
                log.execution_would_be_ended(**_fields(stuck))
            else:
                log.execution_stuck(**_fields(stuck))
        await database.progress(place + 1, len(found))
    counts = Counter(stuck.kind for stuck in found)
    await report(
        database, [Figure("stuck_executions", counts[kind], {"kind": kind}) for kind in KINDS]
    )
    return {**{kind: counts[kind] for kind in KINDS}, "ended": ended}


async def _end(database: JobDatabase, stuck: Stuck) -> bool:
    try:
        return await end_stuck(database, stuck)
    except (LockedError, StatementCollidedError):
        return False  # somebody is about to move it; the next look will tell


def _fields(stuck: Stuck) -> dict[str, Any]:
    return {
        "kind": stuck.kind,
        "graph_exec_id": stuck.id,
        "node_exec_id": stuck.node_execution_id,
        "graph_id": stuck.graph_id,
        "user_id": stuck.user_id,
        "status": stuck.status,
        "silent_seconds": round(stuck.seconds),
    }
