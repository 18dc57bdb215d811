"""Whether a process's pool still fits, looked at for as long as it runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

import psycopg

from autogpt_db.database.room import LIMITS, OURS, Wish, bounds_of, tightest
from autogpt_db.errors import AutogptDbError
from autogpt_db.logs.events import connections as log

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.database.pool.faults import Faults
    from autogpt_db.database.pool.statements import Statements
    from autogpt_db.settings import Settings

INTERVAL = 10.0
"""Seconds between two looks whether there is still room."""


async def watch_room(
    open_call: Callable[[], Statements], settings: Settings, faults: Faults
) -> NoReturn:
    """Look now and then whether the pools still fit, and tell when they don't, until cancelled.

    Args:
        open_call: Returns what one look asks through.
        settings: What is wanted, as it was fitted at the start.
        faults: Remembers it.
    """
    wish = Wish.of(settings)
    while True:
        await asyncio.sleep(INTERVAL)
        try:
            row = await open_call().row(LIMITS)
        except (AutogptDbError, psycopg.OperationalError, OSError):
            continue  # an outage is somebody else's to tell of
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
            log.room_unknown(exc_info=error)
            continue
        if row is None:
            continue
        bound = tightest(bounds_of(row))
        faults.room_is(
            None
            if wish.wanted - OURS <= bound.left
            else f"the service wants {wish.wanted - OURS} connections, and {bound}",
            bound.remedy,
        )
