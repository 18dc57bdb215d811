"""Deleting outcomes that have expired where no worker ever would: else they pile up for ever."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from autogpt_db.database.pool.idempotency import delete_expired
from autogpt_db.logs.events import api as log
from autogpt_db.settings import ON_DEMAND

if TYPE_CHECKING:
    from autogpt_db.database.pool import Pool
    from autogpt_db.settings import Settings

PAUSE = 600.0
"""Seconds between two times."""


def falls_to_api(settings: Settings) -> bool:
    """Tell whether no worker of this daemon does it by itself."""
    worker = settings.worker
    return worker.processes == 0 or worker.idempotency_cleanup_schedule == ON_DEMAND


async def expire_forever(database: Pool, keep: float) -> NoReturn:
    """Delete what is older than `keep` seconds, now and every ten minutes, until cancelled.

    Any number of processes may do it at once.
    """
    while True:
        handle = database.call("clean_idempotency_keys", reads=False)
        try:
            deleted = await delete_expired(handle, keep)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next time may do better
            log.idempotency_keys_not_cleaned(reason=str(error))
        else:
            if deleted:
                log.idempotency_keys_cleaned(deleted=deleted)
        await asyncio.sleep(PAUSE)
