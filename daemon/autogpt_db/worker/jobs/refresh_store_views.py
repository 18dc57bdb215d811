"""The marketplace's materialized views, where nobody else refreshes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, LiteralString

from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase

# NULL where pg_cron is not installed; false where its table may not be read.
CRON: LiteralString = """
SELECT has_table_privilege(to_regclass('cron.job'), 'SELECT')
"""

SCHEDULED: LiteralString = """
SELECT EXISTS (
       SELECT
         FROM cron.job
        WHERE active
          AND database = current_database()
          AND command LIKE '%%refresh_store_materialized_views%%'
)
"""

REFRESH: LiteralString = "SELECT platform.refresh_store_materialized_views()"


@job(
    schedule="store_views_schedule",
    time_limit=1800.0,
    statement_limit=1500.0,
    attempts=3,
    refreshes=("mv_agent_run_counts", "mv_review_stats"),
)
async def refresh_store_views(database: JobDatabase) -> dict[str, Any]:
    """Refresh the run counts and ratings that the marketplace shows, unless pg_cron does it.

    AutoGPT's own function does the work; readers are not disturbed.
    """
    row = await database.row(CRON)
    readable = row[0] if row else None
    if readable:
        row = await database.row(SCHEDULED)
    if readable is False or (readable and row is not None and row[0]):
        # Who may not read its table cannot know, and leaves the views to it.
        return {"refreshed": False, "by": "pg_cron"}
    async with database.with_search_path() as inside:
        await inside.execute(REFRESH)
    return {"refreshed": True}
