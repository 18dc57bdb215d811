"""Searching the marketplace: a score from meaning, words, category, age and popularity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.gateways.embedding_source import embed_query
from autogpt_db.operations.store.ranking import by_score_and_words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.operations import Database

LARGEST_PAGE = 100
NEAREST = 200


def agent_of(capabilities: Capabilities) -> LiteralString:
    """Return the document of a row of the marketplace's view, `agent`."""
    graph_id: LiteralString = "graph_id" if capabilities.store2 else '"agentGraphId"'
    return f"""
       json_build_object(
           'slug', agent.slug,
           'agent_name', agent.agent_name,
           'agent_image', COALESCE(agent.agent_image[1], ''),
           'creator', COALESCE(NULLIF(agent.creator_username, ''), 'Needs Profile'),
           'creator_avatar', COALESCE(agent.creator_avatar, ''),
           'sub_heading', agent.sub_heading,
           'description', agent.description,
           'runs', agent.runs,
           'rating', agent.rating,
           'agent_graph_id', agent.{graph_id}
       )"""


FILTERS: LiteralString = """
           agent.is_available
       AND (NOT %(featured)s OR agent.featured)
       AND (%(creators)s::text[] IS NULL OR agent.creator_username = ANY (%(creators)s::text[]))
       AND (%(category)s::text IS NULL OR %(category)s::text = ANY (agent.categories))"""


class _Weights(NamedTuple):
    semantic: float
    lexical: float
    category: float
    recency: float
    popularity: float


WITH_MEANING = _Weights(0.30, 0.30, 0.20, 0.10, 0.10)
# What meaning would weigh goes to the others in proportion.
WITHOUT_MEANING = _Weights(0.0, 3 / 7, 2 / 7, 1 / 7, 1 / 7)

# Of what was measured: `distance`, where it is known, `rank` of the words, age in `days`.
SEMANTIC: LiteralString = "COALESCE(1 - NULLIF(distance, 'NaN'), 0)"
LEXICAL: LiteralString = "rank / GREATEST(max(rank) OVER (), 0.001)"
RECENCY: LiteralString = "GREATEST(1 - days / 90, 0)"

# Without a query's embedding pgvector isn't touched: its distance to nothing would be NaN, which
# PostgreSQL ranks above every number.
_DISTANCE: LiteralString = "content.embedding <=> %(embedding)s::vector"
_NO_DISTANCE: LiteralString = "NULL::float8"


def _statement(capabilities: Capabilities, distance: LiteralString) -> LiteralString:
    version: LiteralString = (
        "listing_version_id" if capabilities.store2 else '"storeListingVersionId"'
    )
    return f"""
WITH offered AS MATERIALIZED (
    SELECT agent.*, content."search" AS words, {distance} AS distance
      FROM platform."UnifiedContentEmbedding" AS content
      JOIN platform."StoreAgent" AS agent ON agent.{version} = content."contentId"
     WHERE content."contentType" = 'STORE_AGENT'
       AND content."userId" IS NULL
       AND {FILTERS}
), candidate AS (
    SELECT * FROM offered WHERE words @@ plainto_tsquery('english', %(query)s)
    UNION
    (SELECT * FROM offered ORDER BY NULLIF(distance, 'NaN'), updated_at DESC LIMIT %(nearest)s)
), measured AS (
    SELECT *,
           ts_rank_cd(words, plainto_tsquery('english', %(query)s)) AS rank,
           EXISTS (
               SELECT
                 FROM unnest(categories) AS category (name)
                WHERE strpos(lower(category.name), lower(%(query)s)) > 0
           ) AS in_category,
           EXTRACT(epoch FROM autogpt_db.now_v1() - updated_at) / 86400 AS days
      FROM candidate
), scored AS (
    SELECT *,
           %(semantic)s::float8 * {SEMANTIC}
           + %(lexical)s::float8 * {LEXICAL}
           + %(category_weight)s::float8 * in_category::integer
           + %(recency)s::float8 * {RECENCY}
           + %(popularity)s::float8
                 * COALESCE(ln(1 + runs) / NULLIF(ln(1 + max(runs) OVER ()), 0), 0)
           AS score
      FROM measured
)
SELECT {agent_of(capabilities)},
       concat_ws(' ', agent.agent_name, agent.sub_heading, agent.description),
       agent.score,
       count(*) OVER ()
  FROM scored AS agent
 WHERE agent.score >= 0.20
 ORDER BY agent.score DESC
 LIMIT %(page_size)s OFFSET (%(page)s::bigint - 1) * %(page_size)s
"""


BY_MEANING = ForSchema(lambda capabilities: _statement(capabilities, _DISTANCE))
BY_WORDS = ForSchema(lambda capabilities: _statement(capabilities, _NO_DISTANCE))


class Found(NamedTuple):
    """A page of a search.

    Attributes:
        agents: Finished documents, best first.
        total: Results on all pages; 0 when this page is empty.
    """

    agents: list[bytes]
    total: int


async def search(
    database: Database, query: str, filters: Mapping[str, Any], *, page: int, page_size: int
) -> Found:
    """Return a page of the agents that a query finds.

    Args:
        database: A handle for this call.
        query: What to search for.
        filters: The values that `FILTERS` takes.
        page: The page's number; less than 1 stands for 1.
        page_size: Agents on a page; at most 100 are found.

    Raises:
        SchemaObjectMissingError: There are no embeddings in this database.
    """
    embedding = await embed_query(database.settings, query)
    weights = WITHOUT_MEANING if embedding is None else WITH_MEANING
    parameters = {
        **filters,
        "query": query,
        "nearest": NEAREST,
        "semantic": weights.semantic,
        "lexical": weights.lexical,
        "category_weight": weights.category,
        "recency": weights.recency,
        "popularity": weights.popularity,
        "page": max(page, 1),
        "page_size": min(page_size, LARGEST_PAGE),
    }
    if embedding is None:
        rows = await database.rows(BY_WORDS(database.capabilities), parameters)
    else:
        async with database.with_search_path() as inside:
            rows = await inside.rows(
                BY_MEANING(database.capabilities), {**parameters, "embedding": embedding}
            )
    order = by_score_and_words(query, [row[1] for row in rows], [row[2] for row in rows])
    return Found([rows[place][0] for place in order], rows[0][3] if rows else 0)
