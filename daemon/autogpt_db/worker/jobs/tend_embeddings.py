"""The embeddings that searches by meaning go by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.operations.store.embeddings import (
    AT_ONCE,
    backfill_missing_embeddings,
    cleanup_orphaned_embeddings,
    get_embedding_stats,
)
from autogpt_db.worker.figures import Figure, report
from autogpt_db.worker.registry import job

if TYPE_CHECKING:
    from autogpt_db.worker.handle import JobDatabase


@job(
    schedule="47 */6 * * *",
    when="embeddings are tended",
    option="embeddings_schedule",
    time_limit=3600.0,
    attempts=3,
    spares=("UnifiedContentEmbedding",),
)
async def tend_embeddings(database: JobDatabase) -> dict[str, Any]:
    """Delete orphaned embeddings, make missing ones where there is a key, report the coverage.

    The same as AutoGPT's scheduler does; both side by side do no harm. Without pgvector or
    without `embeddings.openai_api_key` nothing is made; users' own texts need
    `embeddings.private_texts`, too.
    """
    made = 0
    if database.settings.embeddings.openai_api_key is not None:
        missing = (await get_embedding_stats(database))["totals"]["without_embeddings"]
        while True:
            batch = await backfill_missing_embeddings(database, AT_ONCE)
            made += batch["success"]
            await database.progress(made, missing)
            if not batch["success"]:
                break
    deleted = (await cleanup_orphaned_embeddings(database))["totals"]["deleted"]
    totals = (await get_embedding_stats(database))["totals"]
    await report(
        database,
        [
            Figure("embeddings_wanted", totals["total"]),
            Figure("embeddings_there", totals["with_embeddings"]),
        ],
    )
    return {"made": made, "orphans_deleted": deleted, "missing": totals["without_embeddings"]}
