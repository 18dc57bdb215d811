"""Waiting for the server at a start: until it answers, takes writes, and has said what is asked."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import psycopg

from autogpt_db.backoff import Backoff
from autogpt_db.database.bounded import answered_within
from autogpt_db.database.causes import lasting_failure, lasts, refusal_of, remedy_of
from autogpt_db.database.failures import connection_lost
from autogpt_db.database.hosts import connect
from autogpt_db.database.reasons import raw_reason, reason_of
from autogpt_db.database.session import UNREADABLE, told, too_short
from autogpt_db.database.sqlstates import READ_ONLY, cause_of
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError
from autogpt_db.logs.events import starting as log

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.url import DatabaseUrl
    from autogpt_db.settings import DatabaseSettings

    Connection = psycopg.Connection[tuple[Any, ...]]

Found = TypeVar("Found")

_BETWEEN_TRIES = Backoff(first=0.05, longest=1.0)
_ANSWER: Final = 10.0
"""Seconds that a server which let us in gets for an answer."""
_START_IT: Final = "Start it, or correct DATABASE_URL."


class _Absence(NamedTuple):
    """Why the server is of no use yet.

    Attributes:
        state: What it did, in a clause: `did not answer`.
        reason: Why, as far as is known.
        remedy: What somebody may do about it.
    """

    state: str
    reason: str
    remedy: str


class ServerAwaited:
    """A server that a start waits for, as long as `database.startup_timeout` says.

    Args:
        settings: The bounds.
        notify: Gets words on what is being waited for.
    """

    def __init__(self, settings: DatabaseSettings, notify: Callable[[str], object]) -> None:
        self._settings = settings
        self._notify = notify
        self._told = ""

    def connect(self, target: DatabaseUrl) -> Connection:
        """Return a new connection to a server that takes writes.

        Raises:
            ConfigurationError: We are refused for good.
            DatabaseUnreachableError: There was none in time.
        """
        return self._until(target, lambda connection: connection)

    def have(self, target: DatabaseUrl, ask: Callable[[Connection], Found]) -> Found:
        """Return what is asked over a connection, again on another one if that is lost meanwhile.

        Args:
            target: Where to.
            ask: Asks it; in autocommit mode.

        Raises:
            ConfigurationError: We are refused for good.
            DatabaseUnreachableError: There was no answer in time.
        """

        def asked(connection: Connection) -> Found:
            with connection, answered_within(_ANSWER, connection):
                return ask(connection)

        return self._until(target, asked)

    def _until(self, target: DatabaseUrl, use: Callable[[Connection], Found]) -> Found:
        deadline = time.monotonic() + self._settings.startup_timeout
        failures = 0
        target.verify_files()
        conninfo = target.conninfo(
            connect_timeout=self._settings.connect_timeout, application_name="autogpt-db main"
        )
        while True:
            try:
                connection = connect(conninfo)
                with ExitStack() as unused:
                    unused.callback(connection.close)
                    with answered_within(_ANSWER, connection):
                        absence = _why_it_takes_no_writes(connection)
                    if absence is None:
                        unused.pop_all()
                if absence is None:
                    return use(connection)
            except psycopg.Error as error:
                if not (isinstance(error, psycopg.OperationalError) or connection_lost(error)):
                    raise
                absence = _why_it_is_away(error, target)
            failures += 1
            pause = _BETWEEN_TRIES.pause(failures)
            if time.monotonic() + pause > deadline:
                raise DatabaseUnreachableError(
                    f"PostgreSQL at {target.address} {absence.state} within "
                    f"{self._settings.startup_timeout:g} s: {absence.reason}. {absence.remedy} "
                    "database.startup_timeout sets how long to wait."
                )
            self._tell(target, absence)
            time.sleep(pause)

    def _tell(self, target: DatabaseUrl, absence: _Absence) -> None:
        reason = absence.reason
        if reason != self._told:
            self._told = reason
            log.waiting_for_database(
                address=target.address,
                reason=reason,
                remedy=absence.remedy,
            )
        self._notify(f"waiting for PostgreSQL at {target.address}: {reason}")


def _why_it_is_away(error: psycopg.Error, target: DatabaseUrl) -> _Absence:
    """Return why a server doesn't answer, where that may pass.

    Raises:
        ConfigurationError: It will not.
    """
    reason = reason_of(error, target)
    if (name := too_short(error)) is not None:
        given = target.parameters
        who, where = given.get("user", "…"), given.get("dbname", "…")
        raise ConfigurationError(
            f"database.url: {told([(name, UNREADABLE)], who, where)}"
        ) from None
    refusal = refusal_of(raw_reason(error))
    if lasts(error) and (lasting := lasting_failure(refusal, reason, target, "database.url")):
        raise lasting from None
    remedy = remedy_of(refusal, target) or _START_IT
    return _Absence("did not answer", reason, remedy)


def _why_it_takes_no_writes(connection: Connection) -> _Absence | None:
    """Return why a server that answers is of no use to a start; None when it is.

    Both pass, and are waited for: a standby is promoted, a full disk is given room.
    """
    state = "took no writes"
    if connection.pgconn.parameter_status(b"in_hot_standby") == b"on":
        remedy = "Promote it, or name the primary in DATABASE_URL."
        return _Absence(state, "it is a standby", remedy)
    row = connection.execute("SELECT current_setting('transaction_read_only')").fetchone()
    if row == ("on",):
        return _Absence(state, "it has been set to read-only", cause_of(READ_ONLY).remedy)
    return None
