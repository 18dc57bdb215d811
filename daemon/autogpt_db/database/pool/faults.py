"""What a process has heard of the database's troubles: counted, told, and remembered till over."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import psycopg

from autogpt_db.database.causes import refusal_of, remedy_of
from autogpt_db.database.failures import StandbyMetError
from autogpt_db.database.reasons import raw_reason
from autogpt_db.database.sqlstates import READ_ONLY, cause_of_failed
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from autogpt_db.database.pool.pooled import PooledConnection
    from autogpt_db.database.sqlstates import Cause
    from autogpt_db.database.url import DatabaseUrl

_OF_A_POOLER = "08P01"
"""What PgBouncer's own errors have."""
REPEATED = 60.0
"""Seconds until the same cause is told again."""


class Faults:
    """The refusals that somebody has to act on.

    Attributes:
        counts: How many there were, by the cause's name.
        trouble: What keeps writes from succeeding; None while nothing does.
        settings: Settings of our sessions that cannot be worked with; "" without any.
        room: Why there is no room for all connections, in words; None while there is.
    """

    def __init__(self, target: DatabaseUrl | None = None) -> None:
        """Begin with none.

        Args:
            target: Where the database is, for the names in remedies.
        """
        self._target = target
        self.counts: Counter[str] = Counter()
        self.trouble: Cause | None = None
        self.settings = ""
        self.room: str | None = None
        self._awaited = True
        self._since = self._last = 0.0
        self._told: dict[str, float] = {}

    def note(self, error: BaseException, operation: str, statement: str = "") -> None:
        """Take note of what a statement met.

        Args:
            error: What psycopg raised.
            operation: Whose statement it was.
            statement: The statement, with `platform` for AutoGPT's schema.
        """
        if not isinstance(error, psycopg.Error) or isinstance(error, StandbyMetError):
            return
        if error.sqlstate is None:
            return
        if error.sqlstate == _OF_A_POOLER:
            self._note_refusal(error, operation)
            return
        cause = cause_of_failed(error.sqlstate, statement)
        if not cause.remedy:
            return
        self.counts[cause.name] += 1
        if cause.stops_writes:
            self.writes_refused(cause)
            return
        self._tell(cause.name, error, operation, cause.matter, cause.remedy)

    def _note_refusal(self, error: psycopg.Error, operation: str) -> None:
        """Tell why a pooler could not log in to its server, where this is what it says."""
        refusal = refusal_of(raw_reason(error))
        if refusal is not None and refusal.trouble is not None and self._target is not None:
            remedy = remedy_of(refusal, self._target)
            self._tell("pooler_refused", error, operation, refusal.words, remedy)

    def _tell(
        self, cause: str, error: psycopg.Error, operation: str, reason: str, remedy: str
    ) -> None:
        now = time.monotonic()
        if now - self._told.get(cause, -REPEATED) >= REPEATED:
            self._told[cause] = now
            log.database_refuses(
                cause=cause,
                sqlstate=error.sqlstate,
                operation=operation,
                reason=reason,
                remedy=remedy,
            )

    @property
    def words(self) -> str | None:
        """Return what keeps calls from succeeding, in words; None while nothing does."""
        if self.trouble is not None:
            return self.trouble.matter
        if self.settings:
            return f"The database's sessions cannot be worked with: {self.settings}"
        return None

    def settings_are(self, unbearable: str) -> None:
        """Take note of the settings that our sessions have, and that we cannot replace.

        Args:
            unbearable: Those that cannot be worked with, and their values; "" without any.
        """
        if unbearable and unbearable != self.settings:
            remedy = "`autogpt-db doctor` names the statement that mends it"
            log.settings_unbearable(settings=unbearable, remedy=remedy)
        elif self.settings and not unbearable:
            log.settings_bearable()
        self.settings = unbearable

    def commits_are(self, *, awaited: bool) -> None:
        """Take note of whether a commit is on the disk when it is answered.

        It is borne, since nothing fails: whoever has set it may have meant to.
        """
        if self._awaited and not awaited:
            log.commits_not_awaited(
                reason="synchronous_commit is off: a crash of PostgreSQL undoes calls of the last "
                "moments that were answered with success",
                remedy="unless that is meant: `autogpt-db doctor` names the statement",
            )
        elif awaited and not self._awaited:
            log.commits_awaited()
        self._awaited = awaited

    def room_is(self, words: str | None, remedy: str) -> None:
        """Take note of whether there is room for the pools.

        Args:
            words: Why there is not; None: there is.
            remedy: What to do about it.
        """
        if words is not None and self.room is None:
            log.connections_short(reason=words, remedy=remedy)
        elif words is None and self.room is not None:
            log.connections_enough()
        self.room = words

    def writes_refused(self, cause: Cause) -> None:
        """Remember that no write can succeed now."""
        self._last = time.monotonic()
        if self.trouble is not cause:
            self.trouble = cause
            self._since = self._last
            log.writes_refused(cause=cause.name, reason=cause.matter, remedy=cause.remedy)

    def writes_possible(self, cause: Cause, *, after: float = 0.0) -> None:
        """Take note that `cause` keeps no write from succeeding any more.

        Args:
            cause: What has passed.
            after: Seconds that must have gone since a write was refused last.
        """
        now = time.monotonic()
        if self.trouble is cause and now - self._last >= after:
            self.trouble = None
            log.writes_possible(cause=cause.name, seconds=round(now - self._since, 3))


async def classified(error: psycopg.Error, connection: PooledConnection) -> psycopg.Error:
    """Return what an error stands for, where that takes a question to its server.

    A standby refuses writes with the same code as a primary that has been set to read-only, and of
    these only the first makes its connection useless.

    Args:
        error: What a statement met.
        connection: Where; outside of a failed transaction.
    """
    if error.sqlstate != READ_ONLY or isinstance(error, StandbyMetError):
        return error
    try:
        cursor = await connection.execute("SELECT pg_catalog.pg_is_in_recovery()", prepare=False)
        row = await cursor.fetchone()
    except (psycopg.Error, OSError):
        return error
    if row is None or not row[0]:
        return error
    connection.standby = True
    return StandbyMetError(*error.args)
