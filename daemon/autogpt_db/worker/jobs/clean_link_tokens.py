"""Tokens for linking chat platforms' accounts, which nobody can use any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations.linking.link_tokens import cleanup_expired_platform_link_tokens
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

CLEAN = ForSchema(
    lambda capabilities: cleanup_expired_platform_link_tokens if capabilities.linking else None
)


@job(
    schedule="29 */6 * * *",
    when="expired tokens for linking chat platforms' accounts are deleted",
    option="link_tokens_schedule",
)
async def clean_link_tokens(database: JobDatabase) -> dict[str, Any]:
    """Delete tokens for linking chat platforms' accounts that expired more than 24 hours ago.

    It does what `cleanup_expired_platform_link_tokens` does when AutoGPT's scheduler calls it; both
    running side by side delete each token once. Databases up to AutoGPT v0.6.56's have none.
    """
    clean = CLEAN(database.capabilities)
    if clean is None:
        return {"deleted": 0, "skipped": 'there is no table "PlatformLinkToken"'}
    return {"deleted": await clean(database)}
