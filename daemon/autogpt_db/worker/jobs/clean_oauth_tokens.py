"""Expired OAuth codes and tokens, which nothing else removes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations.users.oauth import cleanup_expired_oauth_tokens
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.database.pool import Database


@job(
    schedule="17 */6 * * *",
    when="expired OAuth tokens are deleted",
    option="oauth_cleanup_schedule",
)
async def clean_oauth_tokens(database: Database) -> dict[str, int]:
    """Delete expired OAuth authorization codes, access tokens and refresh tokens.

    It does what `cleanup_expired_oauth_tokens` does when AutoGPT's scheduler calls it; both
    running side by side delete each row once.
    """
    return await cleanup_expired_oauth_tokens(database)
