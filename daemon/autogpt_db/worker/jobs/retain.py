"""Old data, deleted where somebody asked for it: a little at a time, and never in anybody's way."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.errors import LockedError, StatementCollidedError
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job
from autogpt_db.worker.retained import RETAINED

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

EXECUTIONS = 10
"""Graph executions that are emptied together: each batch looks through all their nodes."""
PAGE_SIZE = 10_000
"""Rows that one transaction looks at where no index knows how old they are."""
BUDGET = 3300.0
"""Seconds after which a run ends by itself; the next one goes on where it stopped."""
FIRST_BATCH = 10
"""Rows that a run deletes at first; more as long as that is quick."""
LONGEST = 0.5
"""Seconds that a transaction should take at most: after one that takes longer less is deleted.

AutoGPT has no index on what refers to a file: PostgreSQL looks through whole tables for each.
"""
LOCKED_PAUSE = 1.0
"""Seconds to wait when somebody else's lock was in the way."""

POSITION: LiteralString = """
SELECT position FROM autogpt_db.job_position WHERE job = 'retain' AND name = %(name)s
"""

MOVE: LiteralString = """
INSERT INTO autogpt_db.job_position (job, name, position)
VALUES ('retain', %(name)s, %(position)s)
    ON CONFLICT (job, name) DO UPDATE SET position = EXCLUDED.position
"""

TOTAL: LiteralString = """
SELECT count(*)
  FROM platform."AgentGraphExecution"
 WHERE "createdAt" >= %(position)s AND "createdAt" < %(horizon)s
"""

PAGE: LiteralString = """
SELECT array_agg(page."id") FILTER (
           WHERE page."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
       ),
       max(page."createdAt"), (array_agg(page."id" ORDER BY page."createdAt", page."id"))[count(*)],
       count(*)
  FROM (
       SELECT "id", "createdAt", "executionStatus"
         FROM platform."AgentGraphExecution"
        WHERE "createdAt" >= %(position)s
          AND ("createdAt", "id") > (%(position)s::timestamp, %(id)s)
          AND "createdAt" < %(horizon)s
        ORDER BY "createdAt", "id"
        LIMIT %(executions)s
  ) AS page
"""

# A preset's own inputs hang on no node execution, so they are never among these.
DELETE_ROWS: LiteralString = """
DELETE FROM platform."AgentNodeExecutionInputOutput"
 WHERE "id" = ANY (ARRAY(
       SELECT found."id"
         FROM platform."AgentNodeExecution" AS node
        CROSS JOIN LATERAL (
              SELECT "id"
                FROM platform."AgentNodeExecutionInputOutput"
               WHERE "referencedByInputExecId" = node."id"
               UNION ALL
              SELECT "id"
                FROM platform."AgentNodeExecutionInputOutput"
               WHERE "referencedByOutputExecId" = node."id"
         ) AS found
        WHERE node."agentGraphExecutionId" = ANY (%(ids)s::text[])
        LIMIT %(batch)s
 ))
"""

DELETE_NODES: LiteralString = """
DELETE FROM platform."AgentNodeExecution"
 WHERE "id" = ANY (ARRAY(
       SELECT "id"
         FROM platform."AgentNodeExecution"
        WHERE "agentGraphExecutionId" = ANY (%(ids)s::text[])
        LIMIT %(batch)s
 ))
"""

DELETE_EXECUTIONS: LiteralString = """
DELETE FROM platform."AgentGraphExecution" WHERE "id" = ANY (%(ids)s::text[])
"""

_BEGINNING = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - the column has no time zone


@job(
    schedule="5 2 * * *",
    when="old data is deleted, if retain says so",
    option="retain_schedule",
    time_limit=3600.0,
    attempts=20,
)
async def retain(database: JobDatabase) -> dict[str, Any]:
    """Delete executions, chats, logged costs and deleted files that the settings say are too old.

    Nothing is deleted unless an option says after how many days: `retain.input_output_days` and
    `retain.executions_days`, only of executions that have ended, `retain.cost_log_days`,
    `retain.workspace_files_days`, only the records of files that their users have deleted,
    `retain.bot_events_days`, `retain.chats_days` and `retain.chat_messages_days`. A transaction
    deletes at most `retain.batch` rows of a table, waits for nobody's lock for long, and is
    followed by a pause; a run that ends goes on next time. What a database has no table for is
    passed over. Where a transaction takes more than half a second, as where AutoGPT has no index on
    what refers to a file, the next ones delete less.

    Of a chat whole turns go, the oldest first, each in one transaction however long it is, so that
    what stays begins with words of its user, even where a run ends early. Its latest turn stays, so
    that new messages go on with its numbers, until it goes as a whole.
    A chat that a public page shows, that is at work or that somebody holds is left alone.

    An execution that ends only after the walk has passed its age keeps its inputs and outputs until
    it is deleted whole. Deleted executions no longer count in the marketplace's numbers of runs.
    """
    settings = database.settings.retain
    walk = _Walk(database, stop_at=time.monotonic() + BUDGET)
    if settings.input_output_days is not None:
        await walk.through("input_output", settings.input_output_days, (DELETE_ROWS,))
    if settings.executions_days is not None:
        steps = (DELETE_ROWS, DELETE_NODES, DELETE_EXECUTIONS)
        await walk.through("executions", settings.executions_days, steps)
    for table in RETAINED:
        days: int | None = getattr(settings, f"{table.name}_days")
        delete = table.delete(database.capabilities)
        if days is not None and delete is not None:
            await walk.clear(delete, days)
    await report(
        database,
        [Figure("retain_rows_deleted", walk.rows), Figure("retain_unfinished", not walk.finished)],
    )
    return {"executions": walk.done, "rows": walk.rows, "finished": walk.finished}


class _Walk:
    """A way through the executions, oldest first.

    Attributes:
        done: Executions that are dealt with.
        rows: Rows deleted, of whatever table.
        finished: Whether nothing is left to do.
    """

    def __init__(self, database: JobDatabase, *, stop_at: float) -> None:
        self._database = database
        self._stop_at = stop_at
        self._batch = database.settings.retain.batch
        self._total = 0
        self.done = 0
        self.rows = 0
        self.finished = True

    async def through(self, name: str, days: int, steps: tuple[LiteralString, ...]) -> None:
        """Take every execution older than `days` through the steps."""
        horizon = _horizon(days)
        # Whole executions leave nothing to walk past; the ones that ended late are met again.
        row = None
        if DELETE_EXECUTIONS not in steps:
            row = await self._database.row(POSITION, {"name": name})
        position = row[0] if row else _BEGINNING
        bounds = {"position": position, "horizon": horizon}
        row = await self._database.row(TOTAL, bounds)
        self._total += row[0] if row else 0
        page = {"id": "", "horizon": horizon, "executions": EXECUTIONS}
        while True:
            row = await self._database.row(PAGE, page | {"position": position})
            assert row is not None
            ids, last, page["id"], seen = row
            for step in steps if ids else ():
                if not await self._empty(step, ids):
                    self.finished = False
                    return
            if not seen:
                return
            position = last
            await self._database.execute(MOVE, {"name": name, "position": position})
            self.done += seen
            await self._database.progress(self.done, max(self._total, self.done))

    async def clear(self, delete: LiteralString, days: int) -> None:
        """Delete all rows of a table that are older than `days`.

        Args:
            delete: A `Retained` table's.
            days: How old they must be.
        """
        horizon = _horizon(days)
        batch = min(FIRST_BATCH, self._batch)
        after: str | None = ""
        while after is not None:
            if time.monotonic() >= self._stop_at:
                self.finished = False
                return
            began = time.monotonic()
            try:
                row = await self._database.row(
                    delete,
                    {"horizon": horizon, "after": after, "batch": batch, "page": PAGE_SIZE},
                )
            except (LockedError, StatementCollidedError):
                await asyncio.sleep(LOCKED_PAUSE)
                continue
            assert row is not None
            deleted, after = row
            self.rows += deleted
            batch = next_batch(batch, time.monotonic() - began, self._batch)
            await self._rest(began)

    async def _empty(self, step: LiteralString, ids: list[str]) -> bool:
        """Repeat a step until it finds nothing more; False when the time is up."""
        while True:
            if time.monotonic() >= self._stop_at:
                return False
            began = time.monotonic()
            try:
                deleted = await self._database.execute(step, {"ids": ids, "batch": self._batch})
            except (LockedError, StatementCollidedError):
                await asyncio.sleep(LOCKED_PAUSE)
                continue
            self.rows += deleted
            await self._rest(began)
            if deleted < self._batch or step is DELETE_EXECUTIONS:
                return True

    async def _rest(self, began: float) -> None:
        """Pause after a transaction, and say how far the run is.

        Args:
            began: When the transaction did.
        """
        rest = self._database.settings.retain.rest
        await asyncio.sleep((time.monotonic() - began) * rest)
        await self._database.progress(self.done, max(self._total, self.done))


def next_batch(batch: int, took: float, most: int) -> int:
    """Return how many rows the next transaction deletes.

    Args:
        batch: How many the last one was to delete.
        took: Seconds that it took.
        most: How many it may be at most.
    """
    if took > LONGEST:
        return max(batch // 2, 1)
    return min(batch * 2, most) if took < LONGEST / 2 else batch


def _horizon(days: int) -> dt.datetime:
    """Return the moment that is so many days ago, as the columns have it."""
    return dt.datetime.now(dt.UTC).replace(tzinfo=None) - dt.timedelta(days=days)
