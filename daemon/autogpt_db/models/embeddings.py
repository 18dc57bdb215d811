"""Embeddings of what is searched by meaning; AutoGPT itself calls all of these objects."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class EmbeddingCoverage(TypedDict):
    """How much has an embedding; `error` says why nothing could be counted."""

    total: int
    with_embeddings: int
    without_embeddings: int
    coverage_percent: float
    error: NotRequired[str]


class EmbeddingStats(TypedDict):
    """How much of what is searched by meaning has an embedding, by type of content."""

    by_type: dict[str, EmbeddingCoverage]
    totals: EmbeddingCoverage


class EmbeddingBackfill(TypedDict):
    """How many embeddings were made."""

    processed: int
    success: int
    failed: int
    message: str


class EmbeddingDeletion(TypedDict):
    """How many embeddings were deleted; `error` says why none could be."""

    deleted: int
    orphaned: NotRequired[int]
    message: NotRequired[str]
    error: NotRequired[str]


class EmbeddingCleanup(TypedDict):
    """Which embeddings of what is gone were deleted, by type of content."""

    by_type: dict[str, EmbeddingDeletion]
    totals: EmbeddingDeletion
