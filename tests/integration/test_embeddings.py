"""Embeddings: counted, filled in where a provider is configured, orphans removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from ages import OLD
from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider
from gateway_figures import GatewayFigures
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("with_vector")

NONE = {"total": 0, "with_embeddings": 0, "without_embeddings": 0, "coverage_percent": 0}
LATER = () if OLD else ("LIBRARY_AGENT", "WORKSPACE_FILE", "CHAT_SESSION")
NO_ORPHANS = {"deleted": 0, "message": "No orphaned embeddings"}


@pytest.fixture(autouse=True)
def without_users_own(seeded_database_url: str) -> None:
    """Take away the library's agents, which later releases search, too."""
    with psycopg.connect(seeded_database_url, autocommit=True) as connection:
        connection.execute('DELETE FROM platform."LibraryAgent"')


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider(["weather", "news"]) as running:
        yield running


@pytest.fixture
def embedding_service(seeded_database_url: str, provider: EmbeddingProvider) -> Iterator[Service]:
    options = EmbeddingsSettings(
        openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
    )
    with Service(seeded_database_url, embeddings=options) as service:
        yield service


def offer(service: Service, id: str, **columns: Any) -> None:
    """Add a version to the seed's listing."""
    given = {
        "id": id, "version": int(id[1:]) + 1, "agentGraphId": "g3", "agentGraphVersion": 1,
        "name": f"Agent {id}", "subHeading": "sub", "imageUrls": [], "description": "about news",
        "categories": ["a", "b"], "storeListingId": "sl1", "submissionStatus": "APPROVED",
    } | columns  # fmt: skip
    service.rows(
        f"""INSERT INTO "StoreListingVersion" ({", ".join(f'"{name}"' for name in given)})
            VALUES ({", ".join(f"%({name})s" for name in given)})""",
        **given,
    )


def coverage(total: int, covered: int, percent: float) -> dict[str, Any]:
    return {
        "total": total, "with_embeddings": covered, "without_embeddings": total - covered,
        "coverage_percent": percent,
    }  # fmt: skip


def test_approved_versions_that_are_not_deleted_are_counted(service: Service) -> None:
    offer(service, "v1")
    offer(service, "v2")
    offer(service, "v3", submissionStatus="PENDING")
    offer(service, "v4", isDeleted=True)
    assert service.call("get_embedding_stats") == {
        "by_type": {
            "STORE_AGENT": coverage(3, 1, 33.3), "BLOCK": NONE, "DOCUMENTATION": NONE,
            **dict.fromkeys(LATER, NONE),
        },
        "totals": coverage(3, 1, 33.3),
    }  # fmt: skip
    assert service.statements == 1
    service.rows('DELETE FROM "StoreListingVersion"')
    assert service.call("get_embedding_stats")["totals"] == NONE


def test_without_embeddings_in_the_database_there_is_an_error_to_see(service: Service) -> None:
    service.rows('DROP TABLE "UnifiedContentEmbedding"')
    found = service.call("get_embedding_stats")
    assert "UnifiedContentEmbedding" in found["by_type"]["STORE_AGENT"].pop("error")
    assert found["by_type"]["STORE_AGENT"] == found["totals"] == NONE
    assert service.call("backfill_missing_embeddings")["processed"] == 0
    cleaned = service.call("cleanup_orphaned_embeddings")
    assert cleaned["by_type"]["STORE_AGENT"]["deleted"] == 0
    assert "UnifiedContentEmbedding" in cleaned["by_type"]["STORE_AGENT"]["error"]


def backfill(service: Service, **options: Any) -> tuple[int, int, int]:
    found = service.call("backfill_missing_embeddings", **options)
    expected = f"Overall: {found['success']} succeeded, {found['failed']} failed"
    assert found.pop("message") == expected
    return tuple(found[key] for key in ("processed", "success", "failed"))


def test_without_a_key_every_item_fails(service: Service) -> None:
    assert backfill(service) == (0, 0, 0)
    for number in range(1, 13):
        offer(service, f"v{number}")
    assert backfill(service) == (10, 0, 10)
    assert service.statements == 1
    assert backfill(service, batch_size=3) == (3, 0, 3)
    assert backfill(service, batch_size=0) == (0, 0, 0)
    assert backfill(service, batch_size=-5) == (0, 0, 0)


def test_missing_embeddings_are_made_and_stored(
    embedding_service: Service, provider: EmbeddingProvider
) -> None:
    service = embedding_service
    offer(service, "v1", categories=["a", "b"])
    offer(service, "v2", description="", categories=[])
    offer(service, "v3", submissionStatus="PENDING")
    assert backfill(service) == (2, 2, 0)
    assert service.statements == 2
    (request,) = provider.requests
    assert request["model"] == "text-embedding-3-small"
    assert sorted(request["input"]) == ["Agent v1 sub about news a b", "Agent v2 sub"]
    rows = service.rows(
        """SELECT "contentId", "contentType"::text, "userId", "searchableText", metadata,
                  embedding = %(news)s::vector, search @@ to_tsquery('news'), length(id)
             FROM "UnifiedContentEmbedding" WHERE "contentId" IN ('v1', 'v2') ORDER BY 1""",
        news=str(provider.embedding("news")),
    )
    assert rows == [
        ("v1", "STORE_AGENT", None, "Agent v1 sub about news a b",
         {"name": "Agent v1", "categories": ["a", "b"], "slug": "cool-agent", "creator": "bobp"},
         True, True, 36),
        ("v2", "STORE_AGENT", None, "Agent v2 sub",
         {"name": "Agent v2", "categories": [], "slug": "cool-agent", "creator": "bobp"},
         False, False, 36),
    ]  # fmt: skip
    assert backfill(service) == (0, 0, 0)


def test_versions_of_a_deleted_listing_are_not_embedded_again(
    embedding_service: Service,
) -> None:
    offer(embedding_service, "v1")
    embedding_service.rows('UPDATE "StoreListing" SET "isDeleted" = true')
    assert backfill(embedding_service) == (0, 0, 0)
    assert embedding_service.call("get_embedding_stats")["totals"] == NONE


def test_many_go_in_several_requests(
    embedding_service: Service, provider: EmbeddingProvider
) -> None:
    for number in range(1, 151):
        offer(embedding_service, f"v{number}", description="ü" * 9000)
    assert backfill(embedding_service, batch_size=1000) == (150, 150, 0)
    assert [len(request["input"]) for request in provider.requests] == [100, 50]
    longest = max(len(text.encode()) for text in provider.requests[0]["input"])
    assert 8189 <= longest <= 8191


@pytest.mark.parametrize("fault", ["failing", "short"])
def test_a_failing_provider_fails_items_and_no_call(
    embedding_service: Service, provider: EmbeddingProvider, fault: str
) -> None:
    offer(embedding_service, "v1")
    offer(embedding_service, "v2")
    figures = GatewayFigures()
    setattr(provider, fault, True)
    assert backfill(embedding_service) == (2, 0, 2)
    setattr(provider, fault, False)
    assert backfill(embedding_service) == (2, 2, 0)
    assert figures.failures("embeddings") == 1


def test_embeddings_of_what_is_no_longer_offered_are_deleted(service: Service) -> None:
    found = service.call("cleanup_orphaned_embeddings")
    message = found["totals"].pop("message")
    assert found == {
        "by_type": {
            "STORE_AGENT": {"deleted": 1, "orphaned": 1, "message": message},
            "BLOCK": NO_ORPHANS,
            "DOCUMENTATION": NO_ORPHANS,
            **dict.fromkeys(LATER, NO_ORPHANS),
        },
        "totals": {"deleted": 1},
    }
    assert service.statements == 1
    left = 'SELECT count(*) FROM "UnifiedContentEmbedding"'
    assert service.value(left) == 1
    assert service.call("cleanup_orphaned_embeddings")["by_type"]["STORE_AGENT"] == NO_ORPHANS
    # Whatever the program knows nothing of stays.
    service.rows("""UPDATE "UnifiedContentEmbedding" SET "contentType" = 'BLOCK'""")
    assert service.call("cleanup_orphaned_embeddings")["totals"]["deleted"] == 0


@pytest.mark.parametrize(
    "change",
    [
        """UPDATE "StoreListing" SET "isDeleted" = true""",
        """UPDATE "StoreListingVersion" SET "isDeleted" = true""",
        """UPDATE "StoreListingVersion" SET "submissionStatus" = 'REJECTED'""",
    ],
)
def test_what_makes_an_embedding_an_orphan(service: Service, change: str) -> None:
    service.rows(change)
    assert service.call("cleanup_orphaned_embeddings")["totals"]["deleted"] == 2


def test_pgvector_out_of_reach_leaves_searching_for_text(embedding_service: Service) -> None:
    service = embedding_service
    service.rows("CREATE SCHEMA elsewhere")
    service.rows("ALTER EXTENSION vector SET SCHEMA elsewhere")
    found = service.call("get_store_agents", search_query="WEATHER")
    assert [agent["slug"] for agent in found["agents"]] == ["cool-agent"]
    offer(service, "v1")
    assert service.call("backfill_missing_embeddings")["failed"] == 1
