"""The materialized view of the blocks that are run most, where nobody else refreshes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.worker import pg_cron
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

_REFRESH: LiteralString = "SELECT platform.refresh_suggested_blocks_view()"
REFRESH = ForSchema(lambda capabilities: _REFRESH if capabilities.suggested_blocks else None)


@job(
    schedule="37 * * * *",
    when="the blocks that AutoGPT's builder suggests are counted anew, unless pg_cron does it",
    option="suggested_blocks_schedule",
    time_limit=1800.0,
    statement_limit=1500.0,
    attempts=3,
    refreshes=ForSchema(
        lambda capabilities: ("mv_suggested_blocks",) if capabilities.suggested_blocks else ()
    ),
)
async def refresh_suggested_blocks(database: JobDatabase) -> dict[str, Any]:
    """Refresh which blocks AutoGPT's builder suggests, unless pg_cron does it.

    They are counted over 14 days. AutoGPT's own function does the work; readers are not disturbed.
    Databases up to AutoGPT v0.6.48's have nothing to refresh.
    """
    refresh = REFRESH(database.capabilities)
    if refresh is None:
        return {"refreshed": False}
    if await pg_cron.calls(database, "refresh_suggested_blocks_view"):
        return {"refreshed": False, "by": "pg_cron"}
    async with database.with_search_path() as inside:
        await inside.execute(refresh)
    return {"refreshed": True}
