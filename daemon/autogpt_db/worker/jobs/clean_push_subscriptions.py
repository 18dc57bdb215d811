"""Browsers that no longer take pushed messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.notifications.push_subscriptions import (
    cleanup_failed_push_subscriptions,
)
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

CLEAN = ForSchema(
    lambda capabilities: cleanup_failed_push_subscriptions if capabilities.push else None
)


@job(
    schedule="53 3 * * *",
    when="browsers that no longer take pushed messages are forgotten",
    option="push_subscriptions_schedule",
)
async def clean_push_subscriptions(database: JobDatabase) -> dict[str, Any]:
    """Forget browsers that failed to take five pushed messages.

    It does what `cleanup_failed_push_subscriptions` does when AutoGPT's scheduler calls it; both
    running side by side delete each subscription once. Databases up to AutoGPT v0.6.57's have none.
    """
    clean = CLEAN(database.capabilities)
    if clean is None:
        return {"deleted": 0, "skipped": 'there is no table "PushSubscription"'}
    return {"deleted": await clean(database)}
