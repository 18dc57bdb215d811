"""Searching all that AutoGPT has made searchable: by meaning, words, category and age at once."""

from __future__ import annotations

import enum
import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from autogpt_db import models
from autogpt_db.gateways.embedding_source import embed_query
from autogpt_db.models.store import UnifiedSearchWeights
from autogpt_db.operations import Database, JsonText, PageSize, Reply, operation
from autogpt_db.operations.store.ranking import relevances, words_of
from autogpt_db.operations.store.store_search import (
    LARGEST_PAGE,
    LEXICAL,
    NEAREST,
    RECENCY,
    SEMANTIC,
)
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

LEAST_SCORE = 0.15
INEXACT = 0.01 + 1e-9
"""What the weights together may differ from 1 by."""
MATCHING = 500
"""Rows whose words match that are looked at, at most."""

Weights = Annotated[JsonText, Document(UnifiedSearchWeights)]
"""The whole model: every weight."""


class ContentType(enum.StrEnum):
    """What can be searched: platform."ContentType"."""

    STORE_AGENT = "STORE_AGENT"
    BLOCK = "BLOCK"
    INTEGRATION = "INTEGRATION"
    DOCUMENTATION = "DOCUMENTATION"
    LIBRARY_AGENT = "LIBRARY_AGENT"
    WORKSPACE_FILE = "WORKSPACE_FILE"
    CHAT_SESSION = "CHAT_SESSION"


EVERYBODYS = (ContentType.STORE_AGENT, ContentType.BLOCK, ContentType.DOCUMENTATION)
# Not as literals of the statement: a database that lacks one of these labels can be searched, too.
SOMEBODYS = (ContentType.LIBRARY_AGENT, ContentType.WORKSPACE_FILE, ContentType.CHAT_SESSION)

# A label that this database's type hasn't got is passed over. What is a user's by its nature is
# nobody else's where its row names no user.
_SEARCHED: LiteralString = """
           content."contentType" = ANY (ARRAY(
               SELECT known.label
                 FROM unnest(enum_range(NULL::platform."ContentType")) AS known (label)
                WHERE known.label::text = ANY (%(types)s::text[])
           ))
       AND (
           content."userId" = %(user_id)s::text
           OR content."userId" IS NULL
              AND (
                  %(user_id)s::text IS NULL
                  OR content."contentType"::text <> ALL (%(somebodys)s::text[])
              )
       )"""

_NEAREST: LiteralString = f"""
     UNION
    (
        SELECT content."id"
          FROM platform."UnifiedContentEmbedding" AS content
         WHERE {_SEARCHED}
         ORDER BY content."embedding" <=> %(embedding)s::vector
         LIMIT %(nearest)s
    )"""


def _statement(nearest: LiteralString, distance: LiteralString) -> LiteralString:
    return f"""
WITH asked AS MATERIALIZED (
    SELECT CASE
               WHEN %(prefixes)s::text IS NULL THEN plainto_tsquery('english', %(words)s)
               ELSE to_tsquery('english', %(prefixes)s)
           END AS words
), candidate AS (
    (
        SELECT content."id"
          FROM platform."UnifiedContentEmbedding" AS content
         WHERE {_SEARCHED}
           AND content."search" @@ (SELECT words FROM asked)
         LIMIT %(matching)s
    ){nearest}
), measured AS (
    SELECT content."contentType"::text AS kind,
           content."contentId" AS content_id,
           content."searchableText" AS searched,
           CASE jsonb_typeof(content."metadata")
               WHEN 'object' THEN content."metadata"
               ELSE '{{}}'
           END AS metadata,
           content."updatedAt" AS updated_at,
           {distance} AS distance,
           ts_rank_cd(content."search", asked.words) AS rank,
           EXISTS (
               SELECT
                 FROM jsonb_array_elements_text(
                          CASE jsonb_typeof(content."metadata" -> 'categories')
                              WHEN 'array' THEN content."metadata" -> 'categories'
                          END
                      ) AS category (name)
                WHERE strpos(lower(category.name), lower(%(query)s)) > 0
           ) AS in_category,
           EXTRACT(epoch FROM autogpt_db.now_v1() - content."updatedAt") / 86400 AS days
      FROM candidate
      JOIN platform."UnifiedContentEmbedding" AS content ON content."id" = candidate."id"
     CROSS JOIN asked
), scored AS (
    SELECT measured.*,
           ({SEMANTIC})::float8 AS semantic,
           ({LEXICAL})::float8 AS lexical,
           in_category::integer::float8 AS category,
           ({RECENCY})::float8 AS recency
      FROM measured
), combined AS (
    SELECT scored.*,
           %(semantic)s::float8 * semantic
           + %(lexical)s::float8 * lexical
           + %(category)s::float8 * category
           + %(recency)s::float8 * recency
           AS score
      FROM scored
)
SELECT kind, content_id, searched, metadata::json,
       replace(autogpt_db.iso_v1(updated_at), 'Z', '+00:00'),
       semantic, lexical, category, recency, score,
       count(*) OVER ()
  FROM combined
 WHERE score >= %(least_score)s::float8
 ORDER BY score DESC, content_id
 LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
"""


BY_MEANING: LiteralString = _statement(_NEAREST, 'content."embedding" <=> %(embedding)s::vector')
BY_WORDS: LiteralString = _statement("", "NULL::float8")

_encode = msgspec.json.Encoder().encode


class _Shares(NamedTuple):
    semantic: float
    lexical: float
    category: float
    recency: float

    def without_meaning(self) -> _Shares:
        """Return what the others weigh where meaning isn't known: its share, in proportion."""
        rest = self.lexical + self.category + self.recency
        if rest == 0:
            return _Shares(0.0, 1.0, 0.0, 0.0)
        return _Shares(0.0, self.lexical / rest, self.category / rest, self.recency / rest)


@operation(reads=True, heavy=True)
async def unified_hybrid_search(
    database: Database,
    query: str,
    content_types: list[ContentType] | None = None,
    category: str | None = None,  # noqa: ARG001 - AutoGPT heeds it no more than we
    page: int = 1,
    page_size: PageSize = 20,
    weights: Weights | None = None,
    min_score: float | None = None,
    user_id: str | None = None,
    lexical_query: str | None = None,
    prefix_match: bool = False,
) -> Reply[tuple[list[models.HybridSearchRow], int]]:
    """Search what AutoGPT has made searchable, by meaning, words, category and age.

    By meaning only with an embeddings provider: without one, or where it fails, what has the words
    is found, and the weight of the meaning goes to the other scores in proportion.

    Args:
        query: What to search for; a blank one finds nothing.
        content_types: What to search: by default STORE_AGENT, BLOCK and DOCUMENTATION.
        category: Nothing goes by it.
        page: The page's number; less than 1 stands for 1.
        page_size: Results on a page, from 1 to 100; anything beyond stands for the nearest of them.
        weights: What each score weighs; none may be negative, and together they are 1.
        min_score: The least combined score of a result; by default 0.15.
        user_id: Who searches: finds this user's own beside everybody's. Without one everything
            that belongs to nobody is searched.
        lexical_query: The words to look for, if not those of the query.
        prefix_match: Whether words are found by what they begin with.

    Returns:
        The page, best first, and how many there are on all pages; 0 where the page is empty.

    Raises:
        ArgumentsInvalidError: A weight is negative, or together they are not 1.
    """
    query = query.strip()
    shares = _shares(weights)
    if not query:
        return b"[[],0]"
    words = (lexical_query or "").strip() or query
    prefixes = " & ".join(f"'{word}':*" for word in words_of(words)) if prefix_match else ""
    embedding = await embed_query(database.settings, query)
    if embedding is None:
        shares = shares.without_meaning()
    parameters = {
        "query": query,
        "words": words,
        "prefixes": prefixes or None,
        "types": [each.value for each in (EVERYBODYS if content_types is None else content_types)],
        "somebodys": [each.value for each in SOMEBODYS],
        "user_id": user_id,
        "matching": MATCHING,
        "nearest": NEAREST,
        **shares._asdict(),
        "least_score": LEAST_SCORE if min_score is None else min_score,
        "page": max(page, 1),
        "page_size": min(max(page_size, 1), LARGEST_PAGE),
    }
    if embedding is None:
        rows = await database.rows(BY_WORDS, parameters)
    else:
        async with database.with_search_path() as inside:
            rows = await inside.rows(BY_MEANING, {**parameters, "embedding": embedding})
    texts, scores = [row[2] for row in rows], [row[9] for row in rows]
    # Each word of a query is looked for in each text, and both may be long.
    size = len(query) + sum(map(len, texts))
    found = await database.computed(size, relevances, query, texts, scores)
    return _encode([_ordered(rows, found), rows[0][-1] if rows else 0])


def _shares(weights: JsonText | None) -> _Shares:
    """Return what each score weighs.

    Raises:
        ArgumentsInvalidError: They are no weights.
    """
    if weights is None:
        return _Shares(0.40, 0.40, 0.10, 0.10)
    shares = _Shares(**json.loads(weights))
    problems = Problems()
    if min(shares) < 0:
        problems.add(
            "value_error", ("body", "weights"), "Value error, a weight is negative", [*shares]
        )
    elif abs(sum(shares) - 1) > INEXACT:
        problems.add(
            "value_error", ("body", "weights"), "Value error, the weights are not 1 together",
            [*shares],
        )  # fmt: skip
    problems.raise_any()
    return shares


def _ordered(
    rows: list[tuple[Any, ...]], found: list[tuple[float, float]] | None
) -> list[dict[str, Any]]:
    """Return a page's documents in order: that of their scores, and of how well their words fit."""
    page = [
        {
            "content_type": kind,
            "content_id": content_id,
            "searchable_text": text,
            "metadata": msgspec.Raw(metadata),
            "updated_at": updated_at,
            "semantic_score": semantic,
            "lexical_score": lexical,
            "category_score": category,
            "recency_score": recency,
            "combined_score": score,
        }
        for kind, content_id, text, metadata, updated_at, semantic, lexical, category, recency,
            score, _total in rows
    ]  # fmt: skip
    if found is None:
        return page
    for document, (words, relevance) in zip(page, found, strict=True):
        document |= {"bm25_score": words, "final_score": relevance, "relevance": relevance}
    return sorted(page, key=lambda document: -document["relevance"])
