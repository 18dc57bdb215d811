"""Replies kept for repeats that nobody may repeat any more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.pool.idempotency import delete_expired
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.database.pool import Database


@job(
    schedule="*/10 * * * *",
    when="replies older than idempotency.keep are deleted",
    option="idempotency_cleanup_schedule",
)
async def clean_idempotency_keys(database: Database) -> dict[str, int]:
    """Delete the replies to idempotency keys that are older than `idempotency.keep`.

    Where it is never scheduled, as without a worker, the API processes do it every ten minutes.
    """
    return {"deleted": await delete_expired(database, database.settings.idempotency.keep)}
