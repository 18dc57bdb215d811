"""Start and stop.

Told by main, by each of its processes, and by commands that do the same work.
"""

from __future__ import annotations

from logging import CRITICAL, ERROR, INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.declaration import Entry, event

if TYPE_CHECKING:
    from collections.abc import Sequence


@event(WARNING)
def settings(*, notice: str) -> None:
    """Something about the settings that a person should notice, such as a variable without effect.

    `notice` says what to change; `autogpt-db config` prints each value and where it came from.
    """


@event(
    WARNING,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a10", "autogpt-db waits for PostgreSQL at @ADDRESS@"),
)
def waiting_for_database(*, address: str, reason: str, remedy: str | None = None) -> None:
    """PostgreSQL doesn't answer yet, takes no writes or has no room; it is asked again until
    `database.startup_timeout`.

    PostgreSQL does not answer: @REASON@. It is asked again until it does; requests wait in the
    meantime. Start PostgreSQL, or correct database.url. "Operation not permitted" comes from the
    unit's IPAddressDeny=: allow the address with `systemctl edit autogpt-db` and IPAddressAllow=.
    """


@event(WARNING)
def waiting_for_migrations(*, address: str, reason: str) -> None:
    """AutoGPT's migrations have yet to make its tables, or run now; they are awaited without limit.

    Run them (AutoGPT's `migrate` service does), or correct database.url.
    """


@event(INFO)
def backed_up(*, directory: str, seconds: float, remedy: str) -> None:
    """The private cluster was backed up before AutoGPT's tables in it change."""


@event(WARNING)
def tables_upgrade_postponed(*, problem: str, remedy: str) -> None:
    """AutoGPT's tables in the private cluster stay as they are, because no backup could be made;
    the next start tries again.
    """


@event(WARNING)
def rows_kept_aside(*, table: str, count: int, reason: str, place: str) -> None:
    """Rows that newer tables of AutoGPT's forbid were moved.

    Look at them in `place`: what is still wanted is entered again by hand.
    """


@event(INFO)
def schema_migrated(*, applied: Sequence[str]) -> None:
    """The migrations that were applied now."""


@event(WARNING)
def encryption_key_unchecked(*, reason: str | None) -> None:
    """Our role may not read what users have encrypted, so the key could not be tried.

    `methods_not_served` names the right that is missing, and the statement that grants it.
    """


@event(WARNING)
def ours_mended(*, items: Sequence[str]) -> None:
    """Something in the schema autogpt_db was missing or different, and was made anew.

    Find out who changes it: what is ours there is for no one else.
    """


@event(WARNING)
def ours_differs(*, what: str, remedy: str) -> None:
    """Something in the schema autogpt_db is different and waits for somebody to decide; the runs of
    agents don't need it.
    """


@event(INFO)
def database_ready(*, address: str, server: str, schema: str) -> None:
    """The database is proven usable."""


@event(
    ERROR,
    entry=Entry(
        "6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a02",
        "autogpt-db's configuration is at fault",
        "autogpt-db.toml(5)",
    ),
)
def configuration_invalid(*, problem: str) -> None:
    """One fault of the configuration; there is a record for each.

    @PROBLEM@

    At a start this ends the service with code 78, and systemd does not try again: correct it, then
    `systemctl start autogpt-db`. At a reload the settings before stay in effect: correct it, then
    `systemctl reload autogpt-db`. `autogpt-db config` prints each value and where it came from.
    """


@event(
    ERROR,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a01", "autogpt-db cannot go on", "autogpt-db(1)"),
)
def cannot_go_on(*, problem: str, kind: str) -> None:
    """A failure with a name ends the process.

    @PROBLEM@

    The process has ended. Unless its exit code is 78, systemd starts it again, so a trouble that
    passes needs nobody. `journalctl -u autogpt-db EVENT=exiting` shows the codes, `autogpt-db
    doctor` looks for the cause.
    """


@event(
    CRITICAL,
    entry=Entry("6d0e7c1f3f0b4f0d9a3a5b0d1c5c7a04", "A process of autogpt-db ended by a bug"),
)
def failed(*, kind: str, exc_info: BaseException) -> None:
    """A failure without a name ends the process: a bug.

    The traceback is in the record. The process is started again by itself. Report it, with the
    record and what came before it:
    `journalctl -u autogpt-db AUTOGPT_DB_PROCESS=@AUTOGPT_DB_PROCESS@`.
    """


@event(INFO)
def stopped(*, signal: str | None) -> None:
    """Asked to stop; of main, when it had begun to serve: everything has ended."""


@event(INFO)
def exiting(*, code: int) -> None:
    """The exit code, unless 0 (exit-codes.md)."""
