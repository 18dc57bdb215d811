"""Having pools that fit before anybody opens them: at the start with patience, later without."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from autogpt_db.database.bounded import answered_within
from autogpt_db.database.hosts import connect
from autogpt_db.database.room import (
    Wish,
    fitted,
    pooler_bounds,
    refuse_without_room,
    server_bounds,
    tightest,
)
from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.logs.events import starting as log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autogpt_db.database.provisioning.manager import DatabaseManager
    from autogpt_db.database.room import Bound
    from autogpt_db.settings import Settings

_LOOK_AGAIN = 1.0
"""Seconds between two looks whether others have left some room."""
_PATIENCE = 2
"""Seconds that a reload waits for an answer: main has processes to watch meanwhile."""


def fit(manager: DatabaseManager, notify: Callable[[str], object]) -> Settings:
    """Return the manager's settings with pools that have room.

    Args:
        manager: The database, proven usable.
        notify: Gets words on what is being waited for.

    Raises:
        ConfigurationError: There is no room for even one connection of each process.
        DatabaseUnreachableError: Others left none within `database.startup_timeout`.
    """
    settings, address = manager.settings, manager.url.address
    deadline = time.monotonic() + settings.database.startup_timeout
    wish = Wish.of(settings)
    told = ""
    while True:
        bounds = _bounds(manager)
        if not bounds:
            return settings
        refuse_without_room(wish, bounds)
        bound = tightest(bounds)
        if bound.left >= wish.least:
            return fitted(settings, bounds)
        reason = f"the service needs {wish.least} connections at least, and {bound}"
        if time.monotonic() > deadline:
            raise DatabaseUnreachableError(
                f"There is no room at {address}: {reason}. {bound.remedy}"
            )
        notify(f"waiting for room at {address}: {reason}")
        if reason != told:
            told = reason
            log.waiting_for_database(address=address, reason=reason, remedy=bound.remedy)
        time.sleep(_LOOK_AGAIN)


def refit(manager: DatabaseManager, settings: Settings) -> Settings:
    """Return settings for a reload, whose pools have room; wait for nothing.

    Args:
        manager: The database.
        settings: As they were read anew.

    Raises:
        ConfigurationError: There is no room for even one connection of each process.
    """
    bounds: Sequence[Bound] = ()
    if manager.url.pgbouncer:
        bounds = pooler_bounds(manager.url, _PATIENCE)
    else:
        conninfo = manager.url.conninfo(
            connect_timeout=_PATIENCE, application_name="autogpt-db main"
        )
        try:
            with connect(conninfo) as connection, answered_within(_PATIENCE, connection):
                bounds = server_bounds(connection)
        except psycopg.Error:
            pass  # an outage; the processes tell of what they meet
    if not bounds:
        return settings
    refuse_without_room(Wish.of(settings), bounds)
    return fitted(settings, bounds)


def _bounds(manager: DatabaseManager) -> tuple[Bound, ...]:
    if manager.url.pgbouncer:
        return pooler_bounds(manager.url, manager.settings.database.connect_timeout)
    return manager.awaited.have(manager.url, server_bounds)
