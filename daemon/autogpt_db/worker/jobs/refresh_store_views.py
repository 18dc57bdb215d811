"""The marketplace's materialized views, where nobody else refreshes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.worker import pg_cron
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

REFRESH: LiteralString = "SELECT platform.refresh_store_materialized_views()"


@job(
    schedule="*/15 * * * *",
    when="the marketplace's views are refreshed, unless pg_cron does it",
    option="store_views_schedule",
    time_limit=1800.0,
    statement_limit=1500.0,
    attempts=3,
    refreshes=("mv_agent_run_counts", "mv_review_stats"),
)
async def refresh_store_views(database: JobDatabase) -> dict[str, Any]:
    """Refresh the run counts and ratings that the marketplace shows, unless pg_cron does it.

    AutoGPT's own function does the work; readers are not disturbed.
    """
    if await pg_cron.calls(database, "refresh_store_materialized_views"):
        return {"refreshed": False, "by": "pg_cron"}
    async with database.with_search_path() as inside:
        await inside.execute(REFRESH)
    return {"refreshed": True}
