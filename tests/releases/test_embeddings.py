"""Embeddings of what later releases search: users' agents, files and chats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.operations.store import embeddings
from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider
from releases.rows import graph, insert, listed, listing, user

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service import Service

    Start = Callable[..., Service]

OURS = {
    "v0.6.59": ["STORE_AGENT"],
    "master-2026-05-20": ["STORE_AGENT", "LIBRARY_AGENT"],
    "master-2026-06-17": ["STORE_AGENT", "LIBRARY_AGENT", "WORKSPACE_FILE", "CHAT_SESSION"],
    "v0.6.68": ["STORE_AGENT", "LIBRARY_AGENT", "WORKSPACE_FILE", "CHAT_SESSION"],
    "v0.7.2": ["STORE_AGENT", "LIBRARY_AGENT", "WORKSPACE_FILE", "CHAT_SESSION"],
}
TEXTS = {
    "STORE_AGENT": "Listed sub to be had a b",
    "LIBRARY_AGENT": "Mine do this",
    "WORKSPACE_FILE": "Plan draft.v2",
    "CHAT_SESSION": "A talk",
}


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider(["talk", "plan"]) as running:
        yield running


def started(service_in: Start, provider: EmbeddingProvider, state: str, **options: Any) -> Service:
    """Start a service on a database with two of everything, one of which counts."""
    given = EmbeddingsSettings(
        openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5, **options
    )
    service = service_in(state, embeddings=given)
    user(service, "alice", "bob")
    graph(service, "g", 1, owner="bob", name="Mine", description="", instructions="do this")
    listing(service, "l", "bob", "g", slug="slug")
    listed(
        service, "v", "l", "g", name="Listed", subHeading="sub", description="to be had",
        categories=["a", "b"],
    )  # fmt: skip
    graph(service, "g", 2, owner="bob", name="Hidden")
    library = {"userId": "alice", "agentGraphId": "g"}
    insert(service, "LibraryAgent", id="a", agentGraphVersion=1, **library)
    if state != "v0.6.59":
        insert(service, "LibraryAgent", id="hidden", agentGraphVersion=2, isHidden=True, **library)
    insert(service, "UserWorkspace", id="w", userId="alice")
    for key, path, deleted in (("f", "/in/draft.v2.md", False), ("gone", "/x", True)):
        insert(
            service, "UserWorkspaceFile", id=key, workspaceId="w", name="Plan", path=path,
            storagePath=key, mimeType="text/plain", sizeBytes=1, isDeleted=deleted,
        )  # fmt: skip
    insert(service, "ChatSession", id="c", userId="bob", title=" A talk\t")
    insert(service, "ChatSession", id="untitled", userId="bob", title=" \t")
    return service


def coverage(total: int, covered: int, percent: float) -> dict[str, Any]:
    return {
        "total": total, "with_embeddings": covered, "without_embeddings": total - covered,
        "coverage_percent": percent,
    }  # fmt: skip


def stats(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.call("get_embedding_stats")
    assert service.statements == 1
    return found


def backfill(service: Service, **options: Any) -> tuple[int, int, int]:
    found = service.call("backfill_missing_embeddings", **options)
    return found["processed"], found["success"], found["failed"]


@pytest.mark.parametrize("state", OURS)
def test_each_age_embeds_what_it_searches(
    service_in: Start, provider: EmbeddingProvider, state: str
) -> None:
    service = started(service_in, provider, state)
    kinds = OURS[state]
    nothing = coverage(0, 0, 0)
    theirs = {"BLOCK": nothing, "DOCUMENTATION": nothing}
    assert stats(service) == {
        "by_type": dict.fromkeys(kinds, coverage(1, 0, 0.0)) | theirs,
        "totals": coverage(len(kinds), 0, 0.0),
    }
    assert backfill(service, batch_size=1) == (len(kinds), len(kinds), 0), "one of each"
    assert service.statements == 2
    assert sorted(provider.requests[0]["input"]) == sorted(TEXTS[kind] for kind in kinds)
    assert stats(service) == {
        "by_type": dict.fromkeys(kinds, coverage(1, 1, 100.0)) | theirs,
        "totals": coverage(len(kinds), len(kinds), 100.0),
    }
    assert backfill(service) == (0, 0, 0)
    found = {
        kind: rest
        for kind, *rest in service.rows(
            """SELECT "contentType"::text, "contentId", "userId", "searchableText", metadata
                 FROM "UnifiedContentEmbedding" """
        )
    }
    expected = {
        "STORE_AGENT": ["v", None, TEXTS["STORE_AGENT"], {
            "name": "Listed", "categories": ["a", "b"], "slug": "slug", "creator": "bob",
        }],
        "LIBRARY_AGENT": ["a", "alice", TEXTS["LIBRARY_AGENT"], {"name": "Mine"}],
        "WORKSPACE_FILE": ["f", "alice", TEXTS["WORKSPACE_FILE"], {
            "name": "Plan", "path": "/in/draft.v2.md", "mime_type": "text/plain",
        }],
        "CHAT_SESSION": ["c", "bob", TEXTS["CHAT_SESSION"], {"title": " A talk\t"}],
    }  # fmt: skip
    assert found == {kind: expected[kind] for kind in kinds}


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_what_is_gone_is_an_orphan(
    service_in: Start, provider: EmbeddingProvider, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = started(service_in, provider, state)
    backfill(service)
    none = {"deleted": 0, "message": "No orphaned embeddings"}
    found = service.call("cleanup_orphaned_embeddings")
    assert set(found["by_type"]) == {*OURS[state], "BLOCK", "DOCUMENTATION"}
    assert all(each == none for each in found["by_type"].values())
    assert service.statements == 1
    for kind in OURS[state]:  # and three of each that nobody knows
        service.rows(
            """INSERT INTO "UnifiedContentEmbedding"
                   (id, "updatedAt", "contentType", "contentId", "userId", embedding,
                    "searchableText")
               SELECT gen_random_uuid(), now(), %(kind)s::text::"ContentType", 'x' || n,
                      CASE WHEN %(kind)s <> 'STORE_AGENT' THEN 'alice' END,
                      array_fill(0, ARRAY[1536])::vector, 'x'
                 FROM generate_series(1, 3) AS n""",
            kind=kind,
        )
    for change in (
        'UPDATE "LibraryAgent" SET "isHidden" = true',
        'UPDATE "UserWorkspaceFile" SET "isDeleted" = true',
        """UPDATE "ChatSession" SET title = ' ' """,
        """UPDATE "StoreListingVersion" SET "submissionStatus" = 'REJECTED' """,
    ):
        service.rows(change)
    monkeypatch.setattr(embeddings, "MOST_DELETED", 3)
    found = service.call("cleanup_orphaned_embeddings")
    assert service.statements == 2, "bounded, and again until there are no more"
    assert {kind: found["by_type"][kind]["deleted"] for kind in OURS[state]} == dict.fromkeys(
        OURS[state], 4
    )
    assert found["totals"]["deleted"] == 16
    assert service.value('SELECT count(*) FROM "UnifiedContentEmbedding"') == 0


def test_an_embedding_of_somebody_else_is_none(
    service_in: Start, provider: EmbeddingProvider
) -> None:
    service = started(service_in, provider, "v0.6.68")
    backfill(service)
    service.rows(
        """UPDATE "UnifiedContentEmbedding" SET "userId" = 'bob'
            WHERE "contentType" = 'LIBRARY_AGENT'"""
    )
    assert stats(service)["by_type"]["LIBRARY_AGENT"] == coverage(1, 0, 0.0)
    assert backfill(service) == (1, 1, 0)


def test_users_own_texts_stay_here_when_told(
    service_in: Start, provider: EmbeddingProvider
) -> None:
    service = started(service_in, provider, "v0.6.68", private_texts=False)
    assert backfill(service) == (1, 1, 0)
    assert [request["input"] for request in provider.requests] == [[TEXTS["STORE_AGENT"]]]
    assert stats(service)["totals"] == coverage(4, 1, 25.0)


def test_what_has_no_text_is_passed_over(service_in: Start, provider: EmbeddingProvider) -> None:
    service = started(service_in, provider, "v0.6.68")
    service.rows('UPDATE "AgentGraph" SET name = NULL, instructions = NULL')
    service.rows("""UPDATE "UserWorkspaceFile" SET name = 'draft.V2'""")
    assert backfill(service) == (3, 3, 0)
    assert "draft.V2" in provider.requests[0]["input"], "the path says nothing else"
