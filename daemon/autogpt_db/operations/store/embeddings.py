"""Embeddings of what is searched by meaning: how many there are, new ones, and orphans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.errors import InvalidValueError, SchemaObjectMissingError
from autogpt_db.gateways.embedding_source import EmbeddingError, embed
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import BatchSize, Database, Resource, operation
from autogpt_db.operations.store.embedding_kinds import (
    COVERAGE,
    DELETE_ORPHANS,
    KINDS,
    MISSING,
    MISSING_IN_PUBLIC,
    NOT_OURS,
    STORE,
)
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE = 100
"""Texts in one request to the provider, and items in one statement."""

EMBEDDINGS = "UnifiedContentEmbedding"
"""The table that only a server with pgvector has."""

MOST_DELETED = 1000
"""Orphans of each kind in one statement."""


@operation(reads=True, heavy=True, spares=(EMBEDDINGS,), rest=Resource("/statistics/embeddings"))
async def get_embedding_stats(database: Database) -> models.EmbeddingStats:
    """Tell how much of what is searched by meaning has an embedding.

    That are the marketplace's approved versions, and as far as the database has them users' agents,
    files and chats.

    Returns:
        Figures `by_type` and their `totals`. Those of AutoGPT's blocks and documentation are 0:
        they are part of its own code.
    """
    kinds = KINDS(database.capabilities)
    try:
        rows = await database.rows(COVERAGE(database.capabilities))
        by_type = {name: _coverage(*counts) for name, *counts in rows}
    except SchemaObjectMissingError as error:
        by_type = {kind.name: {**_coverage(0, 0), "error": str(error)} for kind in kinds}
    return {
        "by_type": by_type | {kind: _coverage(0, 0) for kind in NOT_OURS},
        "totals": _coverage(
            sum(each["total"] for each in by_type.values()),
            sum(each["with_embeddings"] for each in by_type.values()),
        ),
    }


@operation(
    reads=False,
    repeat=harmless("Goes on with what is still without."),
    spares=(EMBEDDINGS,),
)
async def backfill_missing_embeddings(
    database: Database, batch_size: BatchSize = 10
) -> models.EmbeddingBackfill:
    """Make embeddings for what has none; all fail without a provider.

    Users' own texts are sent to the provider, unless `embeddings.private_texts` is false.

    Args:
        batch_size: At most so many of each type.

    Returns:
        How many were `processed`, with `success`, or `failed`, and a `message`.
    """
    private = database.settings.embeddings.private_texts
    missing = MISSING if private else MISSING_IN_PUBLIC
    try:
        rows = await database.rows(
            missing(database.capabilities), {"batch_size": max(batch_size, 0)}
        )
    except SchemaObjectMissingError as error:
        log.embedding_failed(texts=0, reason=str(error))
        rows = []
    success = 0
    for start in range(0, len(rows), AT_ONCE):
        success += await _embed_and_store(database, rows[start : start + AT_ONCE])
    failed = len(rows) - success
    return {
        "processed": len(rows),
        "success": success,
        "failed": failed,
        "message": f"Overall: {success} succeeded, {failed} failed",
    }


@operation(reads=False, repeat=harmless("Finds no orphans, and returns 0."), spares=(EMBEDDINGS,))
async def cleanup_orphaned_embeddings(database: Database) -> models.EmbeddingCleanup:
    """Delete embeddings of what is no longer there to be found.

    Returns:
        What was deleted `by_type`, and the `totals`. Embeddings of AutoGPT's blocks and
        documentation stay: which of them are current is known to its own code only.
    """
    capabilities = database.capabilities
    deleted = {kind.name: 0 for kind in KINDS(capabilities)}
    try:
        more = True
        while more:
            rows = await database.rows(DELETE_ORPHANS(capabilities), {"at_once": MOST_DELETED})
            for name, count in rows:
                deleted[name] += count
            more = any(count >= MOST_DELETED for _, count in rows)
        by_type = {name: _deletion(count) for name, count in deleted.items()}
    except SchemaObjectMissingError as error:
        by_type = {name: {"deleted": 0, "error": str(error)} for name in deleted}
    total = sum(deleted.values())
    return {
        "by_type": by_type | {kind: _deletion(0) for kind in NOT_OURS},
        "totals": {"deleted": total, "message": f"Deleted {total} orphaned embeddings"},
    }


def _coverage(total: int, covered: int) -> models.EmbeddingCoverage:
    return {
        "total": total,
        "with_embeddings": covered,
        "without_embeddings": total - covered,
        "coverage_percent": round(covered / total * 100, 1) if total else 0,
    }


def _deletion(deleted: int) -> models.EmbeddingDeletion:
    if not deleted:
        return {"deleted": 0, "message": "No orphaned embeddings"}
    message = f"Deleted {deleted} orphaned embeddings"
    return {"deleted": deleted, "orphaned": deleted, "message": message}


async def _embed_and_store(database: Database, rows: Sequence[tuple[Any, ...]]) -> int:
    if database.settings.embeddings.openai_api_key is None:
        return 0
    kinds, ids, users, texts, metadata = (list(column) for column in zip(*rows, strict=True))
    given = {"kinds": kinds, "ids": ids, "users": users, "texts": texts, "metadata": metadata}
    try:
        embeddings = await embed(database.settings, texts)
        async with database.with_search_path() as inside:
            return await inside.execute(STORE, {**given, "embeddings": embeddings})
    except (EmbeddingError, InvalidValueError) as error:
        log.embedding_failed(texts=len(texts), reason=str(error))
        return 0
