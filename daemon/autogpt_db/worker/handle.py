"""What a job receives: statements whose effect is only committed while its run is valid."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.database.pool import Database
from autogpt_db.database.pool.statements import NO_PARAMETERS
from autogpt_db.logs.events import worker as log
from autogpt_db.worker.runs import END, RunTakenAwayError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from autogpt_db.database.pool import Call
    from autogpt_db.worker.runs import JobRun

IDLE_LIMIT = 10.0
"""Seconds that a job's open transaction may wait for its worker.

Less than `rescue.STALLED`: when the worker counts as dead the server has ended its transaction.
"""
LOCK_LIMIT = 5.0
"""Seconds that a job's statement waits for somebody else's lock, and so makes others wait."""
WRITE_PROGRESS = 1.0
"""Seconds between two writings of a run's progress."""
LOG_PROGRESS = 30.0
"""Seconds between two lines about it in the log."""

# The row stays locked until the end of the transaction: who wants to take the job away waits, or
# goes on with another one.
FENCE: LiteralString = """
SELECT pg_catalog.set_config('idle_in_transaction_session_timeout', %(idle)s, true),
       pg_catalog.set_config('lock_timeout', %(lock)s, true),
       pg_catalog.set_config('statement_timeout', %(statement)s, true),
       pg_backend_pid(), transaction_timestamp()
  FROM autogpt_db.job_run
 WHERE token = %(token)s
   AND ended_at IS NULL
   FOR NO KEY UPDATE
"""

PROGRESS: LiteralString = """
UPDATE autogpt_db.job_run
   SET done = %(done)s,
       total = %(total)s,
       progressed_at = clock_timestamp()
 WHERE token = %(token)s
   AND ended_at IS NULL
"""


class JobDatabase(Database):
    """What a job's run speaks to PostgreSQL through.

    Every statement, and every transaction, commits together with a check that the run is still
    the job's. So a worker that was frozen and wakes writes nothing any more.

    Attributes:
        run: The run.
    """

    __slots__ = ("_call", "_inside", "_logged", "_statement_limit", "_written", "run")

    def __init__(
        self,
        call: Call,
        run: JobRun,
        *,
        statement_limit: float,
        inside: Database | None = None,
    ) -> None:
        """Take what its statements need.

        Args:
            call: What they go through.
            run: The run.
            statement_limit: Seconds that one of them may take in the server.
            inside: The open transaction that all of them go into, if there is one.
        """
        self._connections = call._connections  # noqa: SLF001 - our own class's
        self._call = call
        self.run = run
        self._statement_limit = statement_limit
        self._inside = inside
        self._written = self._logged = time.monotonic()

    def within(self, inside: Database) -> JobDatabase:
        """Return a handle whose statements all go into an open transaction.

        Args:
            inside: What `transaction` yielded.
        """
        return JobDatabase(
            self._call, self.run, statement_limit=self._statement_limit, inside=inside
        )

    @property
    def statements(self) -> int:
        """Return how many statements it has sent."""
        return self._call.statements

    def another_call(self, name: str, *, reads: bool) -> Database:
        """Return what a call goes through that is not the run's, and is not fenced."""
        return self._call.another_call(name, reads=reads)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Database]:
        """Run several statements as one transaction, if the run is still the job's.

        Raises:
            RunTakenAwayError: It is not; nothing has been written.
        """
        if self._inside is not None:
            yield self._inside
            return
        if self._call.busy:
            # It would wait for the row that its own open transaction has locked.
            raise RuntimeError(f"{self.run.job} has a transaction open; use what it yielded.")
        async with self._call.transaction() as inside:
            row = await inside.row(
                FENCE,
                {
                    "token": self.run.token,
                    "idle": _milliseconds(IDLE_LIMIT),
                    "lock": _milliseconds(LOCK_LIMIT),
                    "statement": _milliseconds(self._statement_limit),
                },
            )
            if row is None:
                raise RunTakenAwayError(
                    f"The job {self.run.job} was taken away from this worker, which had shown no "
                    "sign of life; another one runs it."
                )
            *_, pid, since = row
            self.run.transaction = pid, since
            try:
                yield inside
            finally:
                self.run.transaction = None

    async def row(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        async with self.transaction() as inside:
            return await inside.row(sql, parameters)

    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""
        async with self.transaction() as inside:
            return await inside.rows(sql, parameters)

    async def execute(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> int:
        """Run a statement and return how many rows it changed."""
        async with self.transaction() as inside:
            return await inside.execute(sql, parameters)

    async def end_with(self, inside: Database) -> None:
        """End the run as a success within the transaction of its writes, so both or neither hold.

        Args:
            inside: What `transaction` yielded.
        """
        await inside.row(END, self.run.ending("succeeded", status="succeeded", spent=1))

    async def progress(self, done: int, total: int | None = None) -> None:
        """Say how far the run is; written and logged now and then.

        Args:
            done: How much is done, in the job's own unit.
            total: How much there is; None when nobody knows.
        """
        run = self.run
        run.done, run.total = done, total
        now = time.monotonic()
        if now - self._logged >= LOG_PROGRESS:
            self._logged = now
            rate = done / max(now - run.began, 0.001)
            left = (total - done) / rate if total is not None and rate > 0 else None
            log.job_progress(
                job=run.job,
                id=run.job_id,
                done=done,
                total=total,
                rate=round(rate, 1),
                remaining=None if left is None else round(max(left, 0)),
            )
        if now - self._written >= WRITE_PROGRESS:
            self._written = now
            await self.execute(PROGRESS, {"token": run.token, "done": done, "total": total})


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
