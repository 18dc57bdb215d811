"""Connections.

Told by the process whose connections they are.
"""

from __future__ import annotations

from logging import ERROR, INFO, WARNING

from autogpt_db.logs.declaration import event


@event(WARNING)
def connections_refused(*, address: str, reason: str, detail: str | None) -> None:
    """No connection can be opened; told once for each reason, tried again for ever.

    Mend what `reason` says; `autogpt-db doctor` looks closer. Nothing has to be restarted.
    """


@event(INFO)
def database_back(*, address: str) -> None:
    """Connections can be opened again."""


@event(WARNING)
def host_silent(*, address: str) -> None:
    """Of several hosts the one in use does not answer; its connections are replaced by another
    one's.

    Look after that host; nothing has to be done here.
    """


@event(WARNING)
def pools_shrunk(
    *, wanted: str, allowed: str, api_pool_size: int, worker_pool_size: int, remedy: str
) -> None:
    """Role, database, server or pooler allow fewer connections than the pools want; each process
    gets its share.
    """


@event(WARNING)
def connections_short(*, reason: str, remedy: str | None) -> None:
    """Of a running service: there is no longer room for all connections."""


@event(INFO)
def connections_enough() -> None:
    """There is room again for all connections."""


@event(ERROR)
def room_unknown(*, exc_info: BaseException) -> None:
    """A bug: whether there is room could not be looked up; it is tried again.

    Report it, with the traceback.
    """


@event(ERROR, counter="pool_connections_stray_total")
def connection_astray(*, problem: str) -> None:
    """A connection was open, and neither idle nor lent to anybody who lives, calls waited beside
    idle ones, or a call had one for longer than any of its bounds allows: a bug; it has been
    replaced, they were served, or that call was cancelled.

    Report it, with what came before it; it has mended itself.
    """


@event(ERROR)
def connection_not_opened(*, exc_info: BaseException) -> None:
    """A bug in opening a connection; it goes on trying.

    Report it, with the traceback.
    """


@event(ERROR)
def pool_untended(*, exc_info: BaseException) -> None:
    """A bug in watching a process's connections; it goes on looking.

    Report it, with the traceback.
    """


@event(ERROR, counter="database_faults_total")
def database_refuses(
    *, cause: str, sqlstate: str | None, operation: str, reason: str, remedy: str
) -> None:
    """PostgreSQL refused a statement for a reason that somebody has to mend; told once a minute for
    each cause.
    """


@event(ERROR)
def settings_unbearable(*, settings: str, remedy: str) -> None:
    """Sessions (behind a transaction pooler, or with a `transaction_timeout`) have settings that
    cannot be worked with. `/ready` answers 503.
    """


@event(INFO)
def settings_bearable() -> None:
    """They have none of these settings any more."""


@event(WARNING)
def commits_not_awaited(*, reason: str, remedy: str) -> None:
    """`synchronous_commit` is off for the service's sessions: a crash of PostgreSQL may undo what
    was answered with success.
    """


@event(INFO)
def commits_awaited() -> None:
    """`synchronous_commit` is on again."""


@event(ERROR)
def writes_refused(*, cause: str, reason: str, remedy: str) -> None:
    """No write can succeed: the database is read-only, or its disk is full. `/ready` answers
    503.
    """


@event(INFO)
def writes_possible(*, cause: str, seconds: float) -> None:
    """Writes can succeed again, after so long."""


@event(ERROR)
def pulse_unknown(*, exc_info: BaseException) -> None:
    """The database could not be asked how it is, for a reason that is a bug.

    Report it, with the traceback; it is asked again.
    """


@event(INFO)
def statement_repeated(*, operation: str, sqlstate: str | None) -> None:
    """A statement that is known to have had no effect was sent once more."""


@event(ERROR)
def health_unknown(*, exc_info: BaseException) -> None:
    """PostgreSQL could not be asked how it is, for a reason that is a bug; `/metrics` goes without.

    Report it, with the traceback; the next scrape asks again.
    """


@event(WARNING)
def backend_closed_hard(*, operation: str, pid: int) -> None:
    """A server process didn't answer its cancel; the connection was cut.

    Where it is still there (`pg_stat_activity`), PostgreSQL or its machine hangs: look there.
    """
