"""Embeddings of what the marketplace offers: how many there are, new ones, and orphans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from autogpt_db.errors import InvalidValueError, SchemaObjectMissingError
from autogpt_db.operations import BatchSize, Database, operation
from autogpt_db.operations.embedding_source import EmbeddingError, embed
from autogpt_db.operations.repeats import harmless

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

log = structlog.get_logger("autogpt_db.operations")

AT_ONCE = 100
"""Texts in one request to the provider, and items in one statement."""

EMBEDDINGS = "UnifiedContentEmbedding"
"""The table that only a server with pgvector has."""

# Blocks and documentation are AutoGPT's own code and files: whatever has an embedding there may be
# current, so it is neither counted nor deleted.
_NOT_OURS = ("BLOCK", "DOCUMENTATION")

COVERAGE: LiteralString = """
SELECT count(*),
       count(*) FILTER (WHERE EXISTS (
           SELECT
             FROM platform."UnifiedContentEmbedding" AS content
            WHERE content."contentType" = 'STORE_AGENT' AND content."contentId" = version."id"
       ))
  FROM platform."StoreListingVersion" AS version
 WHERE version."submissionStatus" = 'APPROVED' AND NOT version."isDeleted"
"""

MISSING: LiteralString = """
SELECT version."id",
       concat_ws(
           ' ', NULLIF(version."name", ''), NULLIF(version."subHeading", ''),
           NULLIF(version."description", ''), NULLIF(array_to_string(version."categories", ' '), '')
       )
  FROM platform."StoreListingVersion" AS version
 WHERE version."submissionStatus" = 'APPROVED'
   AND NOT version."isDeleted"
   AND NOT EXISTS (
       SELECT
         FROM platform."UnifiedContentEmbedding" AS content
        WHERE content."contentType" = 'STORE_AGENT' AND content."contentId" = version."id"
   )
 LIMIT %(batch_size)s
"""

STORE: LiteralString = """
INSERT INTO platform."UnifiedContentEmbedding"
       ("id", "createdAt", "updatedAt", "contentType", "contentId", "userId", "embedding",
        "searchableText", "metadata")
SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), 'STORE_AGENT',
       item.id, NULL, item.embedding::vector, item.text,
       jsonb_build_object('name', version."name", 'categories', version."categories")
  FROM unnest(%(ids)s::text[], %(embeddings)s::text[], %(texts)s::text[])
       AS item (id, embedding, text)
  JOIN platform."StoreListingVersion" AS version ON version."id" = item.id
    ON CONFLICT ("contentType", "contentId", "userId") DO UPDATE
   SET "embedding" = EXCLUDED."embedding",
       "searchableText" = EXCLUDED."searchableText",
       "metadata" = EXCLUDED."metadata",
       "updatedAt" = EXCLUDED."updatedAt"
"""

DELETE_ORPHANS: LiteralString = """
DELETE FROM platform."UnifiedContentEmbedding" AS content
 WHERE content."contentType" = 'STORE_AGENT'
   AND NOT EXISTS (
       SELECT
         FROM platform."StoreListingVersion" AS version
         JOIN platform."StoreListing" AS listing ON listing."id" = version."storeListingId"
        WHERE version."id" = content."contentId"
          AND version."submissionStatus" = 'APPROVED'
          AND NOT version."isDeleted"
          AND NOT listing."isDeleted"
   )
"""


@operation(reads=True, heavy=True, spares=(EMBEDDINGS,))
async def get_embedding_stats(database: Database) -> dict[str, Any]:
    """Tell how many of the marketplace's approved versions have an embedding.

    Returns:
        Figures `by_type` and their `totals`. Those of AutoGPT's blocks and documentation are 0:
        they are part of its own code.
    """
    try:
        row = await database.row(COVERAGE)
        assert row is not None
        offered = _coverage(*row)
    except SchemaObjectMissingError as error:
        offered = {**_coverage(0, 0), "error": str(error)}
    return {
        "by_type": {"STORE_AGENT": offered, **{kind: _coverage(0, 0) for kind in _NOT_OURS}},
        "totals": _coverage(offered["total"], offered["with_embeddings"]),
    }


@operation(
    reads=False,
    repeat=harmless("Goes on with the versions that are still without."),
    spares=(EMBEDDINGS,),
)
async def backfill_missing_embeddings(
    database: Database, batch_size: BatchSize = 10
) -> dict[str, Any]:
    """Make embeddings for approved versions that have none; all fail without a provider.

    Args:
        batch_size: At most so many.

    Returns:
        How many were `processed`, with `success`, or `failed`, and a `message`.
    """
    try:
        rows = await database.rows(MISSING, {"batch_size": max(batch_size, 0)})
    except SchemaObjectMissingError as error:
        log.warning("embedding_failed", texts=0, reason=str(error))
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
async def cleanup_orphaned_embeddings(database: Database) -> dict[str, Any]:
    """Delete embeddings of versions that the marketplace no longer offers.

    Returns:
        What was deleted `by_type`, and the `totals`. Embeddings of AutoGPT's blocks and
        documentation stay: which of them are current is known to its own code only.
    """
    try:
        deleted = await database.execute(DELETE_ORPHANS)
        offered: dict[str, Any] = _deletion(deleted)
    except SchemaObjectMissingError as error:
        deleted, offered = 0, {"deleted": 0, "error": str(error)}
    return {
        "by_type": {"STORE_AGENT": offered, **{kind: _deletion(0) for kind in _NOT_OURS}},
        "totals": {"deleted": deleted, "message": f"Deleted {deleted} orphaned embeddings"},
    }


def _coverage(total: int, covered: int) -> dict[str, Any]:
    return {
        "total": total,
        "with_embeddings": covered,
        "without_embeddings": total - covered,
        "coverage_percent": round(covered / total * 100, 1) if total else 0,
    }


def _deletion(deleted: int) -> dict[str, Any]:
    if not deleted:
        return {"deleted": 0, "message": "No orphaned embeddings"}
    message = f"Deleted {deleted} orphaned embeddings"
    return {"deleted": deleted, "orphaned": deleted, "message": message}


async def _embed_and_store(database: Database, rows: Sequence[tuple[Any, ...]]) -> int:
    if database.settings.embeddings.openai_api_key is None:
        return 0
    ids, texts = [row[0] for row in rows], [row[1] for row in rows]
    try:
        embeddings = await embed(database.settings, texts)
        return await database.execute(STORE, {"ids": ids, "texts": texts, "embeddings": embeddings})
    except (EmbeddingError, InvalidValueError) as error:
        log.warning("embedding_failed", texts=len(texts), reason=str(error))
        return 0
