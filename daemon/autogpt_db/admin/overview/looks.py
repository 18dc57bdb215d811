"""What the overview looks up: in the tree, in the workers' tables, and in the database."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING, Any, LiteralString

import msgspec

from autogpt_db.metrics.reading import read_all
from autogpt_db.operations.executions.stuck_executions import count_older, find_stuck
from autogpt_db.worker.administration import FAILED, LIST, complete
from autogpt_db.worker.registry import discover

if TYPE_CHECKING:
    from autogpt_db.admin.state import AdminState

PATIENCE = 2.0
"""Seconds that figures of the database are waited for."""
MOST_STUCK = 100
MOST_FAILED = 50

_JOBS: LiteralString = "SELECT json_agg(listed) FROM (" + LIST + ") AS listed"
_FAILED: LiteralString = "SELECT coalesce(json_agg(listed), '[]') FROM (" + FAILED + ") AS listed"

# Whoever waits for a lock, and for whom; of statements there is nothing in it.
_LOCKS: LiteralString = """
SELECT coalesce(json_agg(waits ORDER BY waits.seconds DESC), '[]')
  FROM (
       SELECT activity.pid,
              activity.application_name AS application,
              extract(epoch FROM clock_timestamp() - activity.query_start)::float8 AS seconds,
              lock.mode,
              coalesce(lock.relation::regclass::text, lock.locktype) AS target,
              (SELECT json_agg(json_build_object(
                          'pid', other.pid, 'application', other.application_name))
                 FROM pg_catalog.pg_stat_activity AS other
                WHERE other.pid = ANY (pg_catalog.pg_blocking_pids(activity.pid))
              ) AS behind
         FROM pg_catalog.pg_locks AS lock
         JOIN pg_catalog.pg_stat_activity AS activity ON activity.pid = lock.pid
        WHERE NOT lock.granted
        LIMIT 50
       ) AS waits
"""


class Looks:
    """The looks.

    Args:
        state: The process's.
    """

    def __init__(self, state: AdminState) -> None:
        self._state = state
        self._jobs = discover()

    async def tree(self) -> dict[str, Any]:
        """Return what `autogpt-db status --json` shows, and of each process its use and lanes."""
        # Supervisor's own code, which is for those who look.
        from autogpt_db.supervision.looking import look_at_tree

        runtime = self._state.settings.paths.runtime
        return await asyncio.to_thread(look_at_tree, runtime, list(read_all(runtime)))

    async def jobs(self) -> dict[str, Any]:
        """Return what `autogpt-db jobs list` and `jobs failed` show."""
        call = self._state.call("jobs")
        rows = msgspec.json.decode(await call.json(_JOBS, {"jobs": list(self._jobs)}) or b"[]")
        failed = await call.json(_FAILED, {"limit": MOST_FAILED})
        worker = self._state.settings.worker
        for row in complete(rows, self._jobs):
            schedule = self._jobs[row["job"]].schedule
            row["schedule"] = None if schedule is None else getattr(worker, schedule.option)
            row.pop("last_result", None)
        return {"jobs": rows, "failed": msgspec.json.decode(failed or b"[]")}

    async def stuck(self) -> dict[str, Any]:
        """Return what `autogpt-db executions stuck` shows."""
        found = await find_stuck(self._state.call("executions"))
        older, _ = await count_older(self._state.call("executions"))
        watch = self._state.settings.watch
        return {
            "days": watch.look_back_days,
            "older": older,
            "count": len(found),
            "stuck": [
                {"kind": one.kind, "id": one.id, "status": one.status, "seconds": one.seconds,
                 "action": getattr(watch, one.kind)}
                for one in found[:MOST_STUCK]
            ],
        }  # fmt: skip

    async def database(self) -> dict[str, Any]:
        """Return what is known of PostgreSQL: its state, sizes, and who waits for locks."""
        health = await self._state.scraping.health(PATIENCE)
        known = dataclasses.asdict(health)
        del known["queue"], known["seen"]
        locks = await self._state.call("locks").json(_LOCKS) if health.up else b"[]"
        return known | {"locks": msgspec.json.decode(locks or b"[]")}
