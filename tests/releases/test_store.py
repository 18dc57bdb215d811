"""The marketplace from v0.6.51 on: its view under new names, and its search by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import NotFoundError
from releases.rows import graph, insert, listed, listing, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Start = Callable[..., Service]

STATES = ("v0.6.51", "v0.6.68", "v0.7.2")


@pytest.fixture(params=STATES)
def store(request: pytest.FixtureRequest, service_in: Start) -> Service:
    service = service_in(request.param)
    user(service, "ann", "bob")
    offer(service, "bees", name="Bee keeper", subHeading="All of honey", createdAt="2026-01-02")
    offer(
        service, "news", name="News reader", description="Reads the news, and news of news",
        createdAt="2026-01-03", isFeatured=True, categories=["media"],
    )  # fmt: skip
    offer(
        service, "rain", owner="ann", name="A forecast", description="Tells news of the weather",
        createdAt="2026-01-01", videoUrl="http://v",
    )  # fmt: skip
    return service


def offer(service: Service, slug: str, owner: str = "bob", **columns: Any) -> None:
    """Offer an agent."""
    graph(service, slug, owner=owner)
    listing(service, slug, owner, slug, hasApprovedVersion=True)
    listed(service, f"v of {slug}", slug, slug, **columns)
    service.rows(
        """UPDATE "StoreListing" SET "activeVersionId" = %(it)s WHERE id = %(slug)s""",
        it=f"v of {slug}",
        slug=slug,
    )


def slugs(service: Service, **options: Any) -> list[str]:
    return [agent["slug"] for agent in service.call("get_store_agents", **options)["agents"]]


def total(service: Service, **options: Any) -> int:
    found: int = service.call("get_store_agents", **options)["pagination"]["total_items"]
    return found


def test_listings_have_four_orders_and_their_graphs(store: Service) -> None:
    assert slugs(store, sorted_by="updated_at") == ["news", "bees", "rain"]
    assert slugs(store, sorted_by="name") == ["rain", "bees", "news"]
    insert(store, "AgentGraphExecution", id="e", agentGraphId="rain", userId="bob")
    insert(store, "AgentGraphExecution", id="own", agentGraphId="bees", userId="bob")
    insert(
        store, "StoreListingReview", id="r", storeListingVersionId="v of bees",
        reviewByUserId="ann", score=4,
    )  # fmt: skip
    store.rows("SELECT platform.refresh_store_materialized_views()")
    assert slugs(store, sorted_by="runs")[0] == "rain"
    assert slugs(store, sorted_by="rating")[0] == "bees"
    found = {agent["slug"]: agent for agent in store.call("get_store_agents")["agents"]}
    assert {slug: (one["runs"], one["agent_graph_id"]) for slug, one in found.items()} == {
        "bees": (0, "bees"), "news": (0, "news"), "rain": (1, "rain"),
    }  # fmt: skip
    assert slugs(store, featured=True) == slugs(store, category="media") == ["news"]
    assert slugs(store, creators=["ann"]) == ["rain"]
    assert store.statements == 1


def test_what_no_embedding_finds_words_find(store: Service) -> None:
    for query, found in {
        "news": ["news", "rain"],  # the more of it the better
        "reading weather": [],  # every word counts
        "honey": ["bees"],
        "keepers": ["bees"],
        "hone": [],
        "zzz": [],
        "the": [],
        "%": [],
    }.items():
        assert slugs(store, search_query=query) == found, query
        assert total(store, search_query=query) == len(found)
    assert slugs(store, search_query="news", sorted_by="name") == ["news", "rain"]
    assert slugs(store, search_query="news", creators=["ann"]) == ["rain"]
    assert slugs(store, search_query="news", featured=True) == ["news"]
    assert slugs(store, search_query="news", category="media") == ["news"]
    store.rows("""UPDATE "StoreListingVersion" SET "isAvailable" = false WHERE id = 'v of rain'""")
    assert slugs(store, search_query="news") == ["news"]


def test_a_page_beyond_the_last_has_the_true_total(store: Service) -> None:
    def page(number: int) -> tuple[list[str], Any]:
        found = store.call("get_store_agents", search_query="news", page=number, page_size=1)
        return [agent["slug"] for agent in found["agents"]], found["pagination"]

    assert page(2) == (
        ["rain"], {"total_items": 2, "total_pages": 2, "current_page": 2, "page_size": 1},
    )  # fmt: skip
    assert page(3) == (
        [], {"total_items": 2, "total_pages": 2, "current_page": 3, "page_size": 1},
    )  # fmt: skip
    assert page(0)[0] == ["news"]


def test_what_embeddings_find_needs_no_words(store: Service) -> None:
    store.rows(
        """INSERT INTO "UnifiedContentEmbedding"
               (id, "updatedAt", "contentType", "contentId", embedding, "searchableText")
           VALUES ('u', now(), 'STORE_AGENT', 'v of bees', array_fill(0, ARRAY[1536])::vector,
                   'about news, somehow')"""
    )
    assert slugs(store, search_query="news") == ["bees"]
    assert slugs(store, search_query="weather") == ["rain"]


def test_without_embeddings_in_the_database_words_are_looked_for(store: Service) -> None:
    store.rows('DROP TABLE "UnifiedContentEmbedding"')
    assert slugs(store, search_query="news") == ["news", "rain"]


def details(service: Service, username: str, slug: str, **more: Any) -> Any:
    found = service.call("get_store_agent_details", username=username, agent_name=slug, **more)
    assert service.statements == 1
    return found


def test_details_bear_old_and_new_names(store: Service) -> None:
    found = details(store, "ann", "rain")
    assert (found["graph_id"], found["agentGraphId"]) == ("rain", "rain")
    assert found["graph_versions"] == found["agentGraphVersions"] == ["1"]
    assert found["active_version_id"] == found["store_listing_version_id"] == "v of rain"
    assert found["has_approved_version"] is True
    assert (found["agent_video"], found["agent_output_demo"]) == ("http://v", "")
    assert (found["creator_avatar"], found["instructions"]) == ("", None)
    assert (found["owning_org_id"], found["changelog"]) == (None, None)
    assert found["recommended_schedule_cron"] is None
    store.rows("""UPDATE "StoreListingVersion" SET "recommendedScheduleCron" = '* * * * *'""")
    assert details(store, "ann", "rain")["recommended_schedule_cron"] == "* * * * *"


def test_the_changelog_is_of_approved_versions_newest_first(store: Service) -> None:
    graph(store, "rain", 2, owner="ann")
    listed(
        store, "v2", "rain", "rain", agentGraphVersion=2, version=2, changesSummary="More rain",
        createdAt="2026-01-05",
    )  # fmt: skip
    listed(store, "v3", "rain", "rain", version=3, submissionStatus="PENDING")
    found = details(store, "ann", "rain", include_changelog=True)
    assert [(each["version"], each["changes_summary"]) for each in found["changelog"]] == [
        ("2", "More rain"), ("1", "No changes recorded"),
    ]  # fmt: skip
    assert found["versions"] == found["graph_versions"] == ["1", "2"]
    assert found["store_listing_version_id"] == "v of rain", "the active one"


def test_an_agent_that_is_not_shown_is_not_found(store: Service) -> None:
    for username, slug in (("ann", "bees"), ("?", "rain"), ("ann", "?")):
        with pytest.raises(NotFoundError):
            details(store, username, slug)
    store.rows('UPDATE "StoreListing" SET "activeVersionId" = NULL')
    with pytest.raises(NotFoundError):
        details(store, "ann", "rain")


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_details_tell_the_organization(service_in: Start, state: str) -> None:
    service = service_in(state)
    user(service, "bob")
    offer(service, "bees")
    insert(service, "Organization", id="acme", name="acme", slug="acme")
    service.rows("""UPDATE "StoreListing" SET "owningOrgId" = 'acme'""")
    assert details(service, "bob", "bees")["owning_org_id"] == "acme"
    service.rows("""UPDATE "StoreListing" SET "activeVersionId" = NULL""")
    with pytest.raises(NotFoundError) as refused:
        details(service, "bob", "bees")
    assert refused.value.status == (404 if state == "v0.7.2" else 400)
