"""Searching everything at once: with an embedding service by meaning, without one by words."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api_process import ApiProcess
from autogpt_db.errors import ArgumentsInvalidError
from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

SCORES = ("semantic_score", "lexical_score", "category_score", "recency_score", "combined_score")
PRIVATE = ["LIBRARY_AGENT", "CHAT_SESSION", "WORKSPACE_FILE"]


def search(service: Service, query: str, **options: Any) -> Any:
    return service.call("unified_hybrid_search", query=query, **options)


def ids(service: Service, query: str, **options: Any) -> list[str]:
    rows, total = search(service, query, **options)
    assert total == len(rows)
    return [row["content_id"] for row in rows]


@pytest.fixture(params=["v0.6.68", "v0.7.2"])
def service(request: pytest.FixtureRequest, service_in: Serve) -> Service:
    return service_in(request.param, seeded=True)


def test_without_meaning_words_are_found_and_all_scores_are_numbers(service: Service) -> None:
    rows, total = search(service, "weather")
    assert service.statements == 1
    assert total == len(rows) == 4
    assert {row["content_type"] for row in rows} == {"STORE_AGENT", "DOCUMENTATION", "BLOCK"}
    for row in rows:
        assert all(isinstance(row[name], float | int) for name in SCORES), row
        weighed = 0.4 * row["lexical_score"] + 0.1 * (row["category_score"] + row["recency_score"])
        assert row["combined_score"] == pytest.approx(weighed / 0.6)
        assert row["final_score"] == row["relevance"]
        assert row["updated_at"] == "2026-01-01T00:00:00+00:00"
    relevance = [row["relevance"] for row in rows]
    assert relevance == sorted(relevance, reverse=True)
    assert rows[0]["content_id"] == "slv9", "its category is called so"
    assert search(service, "zzzqqq", min_score=0) == [[], 0]
    assert search(service, "weather", min_score=5) == [[], 0]


def test_nobody_finds_what_is_somebody_elses(service: Service) -> None:
    assert sorted(ids(service, "weather", content_types=PRIVATE, user_id="alice")) == ["cs1", "la3"]
    assert ids(service, "weather", content_types=PRIVATE, user_id="bob") == ["wf6"]
    assert ids(service, "weather", content_types=PRIVATE) == []
    service.rows(
        'ALTER TABLE "UnifiedContentEmbedding"'
        ' DROP CONSTRAINT "UnifiedContentEmbedding_user_scoped_requires_user"'
    )
    service.rows("""UPDATE "UnifiedContentEmbedding" SET "userId" = NULL""")
    assert ids(service, "weather", content_types=PRIVATE, user_id="alice") == []
    assert sorted(ids(service, "weather", content_types=PRIVATE)) == ["cs1", "la3", "wf6"]
    assert len(ids(service, "weather", user_id="alice")) == 4


def test_words_may_be_others_than_the_query_and_be_begun_only(service: Service) -> None:
    assert search(service, " \n") == [[], 0]
    assert search(service, "weather", content_types=[]) == [[], 0]
    assert ids(service, "wea") == []
    assert len(ids(service, "wea", prefix_match=True)) == 4
    assert ids(service, "wea rep", prefix_match=True) == ["docs/weather.md"]
    assert ids(service, "x", lexical_query="reports") == ["docs/weather.md"]
    assert len(ids(service, "weather", lexical_query=" ")) == 4
    for odd in ("'", "a:*", "!& |", "\\", "it's", "&", "\u00b2"):
        search(service, odd, prefix_match=True)


def test_pages_are_parts_of_the_whole(service: Service) -> None:
    whole = {row["content_id"] for row in search(service, "weather")[0]}
    pages = [search(service, "weather", page=page, page_size=3) for page in (1, 2, 3)]
    assert [(len(rows), total) for rows, total in pages] == [(3, 4), (1, 4), (0, 0)]
    assert {row["content_id"] for rows, _ in pages for row in rows} == whole
    assert len(search(service, "weather", page=-1, page_size=-5)[0]) == 1


def test_weights_are_shares(service: Service) -> None:
    for odd in ({"semantic": -0.4}, {"lexical": 0.9}, {"recency": "x"}):
        with pytest.raises(ArgumentsInvalidError):
            search(service, "weather", weights=odd)
    with pytest.raises(ArgumentsInvalidError):
        search(service, "weather", content_types=["WORDS"])
    alone = {"semantic": 1, "lexical": 0, "category": 0, "recency": 0}
    rows, _ = search(service, "weather", weights=alone)
    assert {row["combined_score"] - row["lexical_score"] for row in rows} == {0}


def test_odd_rows_hide_no_others(service: Service) -> None:
    service.rows("""UPDATE "UnifiedContentEmbedding" SET metadata = '{"categories": "x"}'
                     WHERE "contentId" = 'slv1'""")
    service.rows("""UPDATE "UnifiedContentEmbedding" SET metadata = '[1]'
                     WHERE "contentId" = 'slv9'""")
    rows, _ = search(service, "weather")
    assert {row["content_id"]: row["metadata"] for row in rows}["slv9"] == {}
    assert len(rows) == 4


def test_with_an_embedding_service_meaning_is_found_wherever_pgvector_lives(
    service_in: Serve,
) -> None:
    with EmbeddingProvider(["rain"]) as provider:
        service = service_in(
            "v0.6.68",
            seeded=True,
            embeddings=EmbeddingsSettings(
                openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
            ),
        )
        meaning = "[" + ",".join(map(repr, provider.embedding("rain"))) + "]"
        service.rows(
            """UPDATE "UnifiedContentEmbedding" SET embedding = %(it)s::vector
                WHERE "contentId" = 'gone'""",
            it=meaning,
        )
        service.rows("CREATE SCHEMA elsewhere")
        service.rows("ALTER EXTENSION vector SET SCHEMA elsewhere")
        rows, _ = search(service, "rain", min_score=0.4)
        assert [row["content_id"] for row in rows] == ["gone"]
        assert rows[0]["semantic_score"] == pytest.approx(1)
        provider.failing = True
        assert search(service, "rain", min_score=0.4) == [[], 0]
        assert len(search(service, "weather")[0]) == 4


def test_a_long_query_is_ranked_beside_the_event_loop(service: Service) -> None:
    with ApiProcess(service.url, modules=()) as api:
        children = Path(f"/proc/{api.pid}/task/{api.pid}/children")
        body = {"query": "weather", "min_score": 0}
        short, _ = api.client.post("/unified_hybrid_search", json=body).json()
        before = children.read_text().split()
        body |= {"query": "weather " * 4000, "lexical_query": "weather"}
        long, _ = api.client.post("/unified_hybrid_search", json=body).json()
        assert len(children.read_text().split()) == len(before) + 1, "a helper"
    assert {row["content_id"] for row in long} == {row["content_id"] for row in short}
