"""Embeddings of texts from OpenAI, by its own client; off without a key."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from autogpt_db.gateways.failures import failed
from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from autogpt_db.settings import Settings

MODEL = "text-embedding-3-small"
# The model takes 8,191 tokens. A token is one byte at least, so what is cut to as many bytes fits.
LONGEST_TEXT = 8191


async def embed_query(settings: Settings, query: str) -> str | None:
    """Return a query's embedding as pgvector writes it, or None when there is none to be had."""
    if settings.embeddings.openai_api_key is None:
        return None
    try:
        (embedding,) = await embed(settings, [query])
    except EmbeddingError as error:
        log.embedding_failed(texts=1, reason=str(error))
        return None
    return embedding


class EmbeddingError(Exception):
    """The provider gave no embeddings; the message says why."""


async def embed(settings: Settings, texts: list[str]) -> list[str]:
    """Return texts' embeddings as pgvector writes them, in order.

    Args:
        settings: With the provider's key.
        texts: At most 2,048; each is cut to what the model takes.

    Raises:
        EmbeddingError: There is no key, or the provider didn't answer as it should.
    """
    options = settings.embeddings
    if options.openai_api_key is None:
        raise EmbeddingError("embeddings.openai_api_key is not set")
    try:
        import openai
    except ImportError as error:
        raise EmbeddingError("the client library is missing: install autogpt-db[openai]") from error
    client = _client(options.openai_api_key.reveal(), options.openai_base_url, options.timeout)
    try:
        reply = await client.embeddings.create(
            model=MODEL, input=[_cut(text) for text in texts], encoding_format="float"
        )
    except openai.OpenAIError as error:
        failed("embeddings")
        raise EmbeddingError(f"{type(error).__name__}: {error}") from error
    if len(reply.data) != len(texts):
        failed("embeddings")
        raise EmbeddingError(f"{len(reply.data)} embeddings for {len(texts)} texts")
    return [
        "[" + ",".join(map(repr, item.embedding)) + "]"
        for item in sorted(reply.data, key=lambda item: item.index)
    ]


@lru_cache(maxsize=1)
def _client(api_key: str, base_url: str | None, timeout: float) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    return AsyncOpenAI(api_key=api_key, base_url=base_url, timeout=timeout, max_retries=0)


def _cut(text: str) -> str:
    return text.encode()[:LONGEST_TEXT].decode(errors="ignore")
