"""pgvector in whatever schema it lives: found by sessions of ours, and behind a pooler."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider
from pgbouncer import PGBOUNCER, PgBouncer
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = 'some "Place", or other'


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider([]) as running:  # whatever is said, means the same
        yield running


@pytest.fixture(params=["direct", "pooled"])
def through(request: pytest.FixtureRequest, seeded_database_url: str) -> Iterator[str]:
    """Yield the database's URL, and one that leads through a transaction pooler."""
    with psycopg.connect(seeded_database_url) as connection:
        if connection.execute("SELECT to_regtype('platform.vector') IS NULL").fetchone() == (True,):
            pytest.skip("this PostgreSQL has no pgvector")
    if request.param == "direct":
        yield seeded_database_url
        return
    if PGBOUNCER is None:
        pytest.skip("pgbouncer is not installed")
    with PgBouncer(f"{seeded_database_url}&schema=platform") as running:
        yield running.url


def move(url: str, place: str) -> None:
    """Put pgvector into a schema of its own."""
    name = place.replace('"', '""')
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE SCHEMA "{name}"'.encode())
        connection.execute(f'ALTER EXTENSION vector SET SCHEMA "{name}"'.encode())


def service_on(url: str, through: str, provider: EmbeddingProvider) -> Service:
    options = EmbeddingsSettings(
        openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
    )
    return Service(url, through=through, embeddings=options)


def without_embeddings(service: Service) -> Service:
    """Leave nothing to search but one listing, and that without an embedding."""
    service.rows('DELETE FROM "UnifiedContentEmbedding"')
    service.rows('DELETE FROM "LibraryAgent"')
    return service


def by_meaning(service: Service) -> list[str]:
    """Return what is found that has no word of the query in it."""
    found = service.call("get_store_agents", search_query="sky")
    return [agent["slug"] for agent in found["agents"]]


def test_it_is_found_in_any_schema(
    seeded_database_url: str, through: str, provider: EmbeddingProvider
) -> None:
    move(seeded_database_url, PLACE)
    with service_on(seeded_database_url, through, provider) as opened:
        service = without_embeddings(opened)
        assert by_meaning(service) == []
        assert service.call("backfill_missing_embeddings")["success"] == 1
        assert by_meaning(service) == ["cool-agent"]


def test_it_is_found_again_where_it_was_moved_to(
    seeded_database_url: str, through: str, provider: EmbeddingProvider
) -> None:
    with service_on(seeded_database_url, through, provider) as opened:
        service = without_embeddings(opened)
        assert service.call("backfill_missing_embeddings")["success"] == 1
        for place in ("elsewhere", PLACE):
            move(seeded_database_url, place)
            service.learn()
            assert by_meaning(service) == ["cool-agent"]


def test_a_schema_that_is_searched_anyway_costs_nothing(
    seeded_database_url: str, provider: EmbeddingProvider
) -> None:
    with service_on(seeded_database_url, seeded_database_url, provider) as service:
        without_embeddings(service)
        assert service.call("backfill_missing_embeddings")["success"] == 1
        assert by_meaning(service) == ["cool-agent"]
        assert service.statements == 1
