"""The marketplace: listings, searches by words and by meaning, and one agent in detail."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from autogpt_db.errors import (
    InvalidInputError,
    NotFoundError,
    SchemaChangingError,
    SchemaObjectMissingError,
)
from autogpt_db.operations.store.store_search import (
    BY_MEANING,
    BY_WORDS,
    WITH_MEANING,
    WITHOUT_MEANING,
)
from autogpt_db.settings import EmbeddingsSettings, Secret
from embedding_provider import EmbeddingProvider
from examples import check, examples_of
from releases.building import OLD_STORE
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import LiteralString

    from autogpt_db.database.capabilities import ForSchema

pytestmark = pytest.mark.usefixtures("with_vector")
# What later tables have no more.
VERSION, OF_VERSION = (', "agentGraphVersion"', ", 1") if OLD_STORE else ("", "")
only_before = pytest.mark.skipif(not OLD_STORE, reason="the marketplace up to AutoGPT v0.6.50")


@only_before
@pytest.mark.parametrize("example", examples_of("get_store_agents", "get_store_agent_details"))
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def offer(service: Service, slug: str, *, words: str | None = None, **columns: Any) -> None:
    """Offer one more agent, bob's, with an embedding row for `words`."""
    given = {
        "name": slug.title(), "subHeading": "", "description": "", "categories": [],
        "imageUrls": [], "createdAt": "2026-01-01",
    } | columns  # fmt: skip
    names, values = (
        ", ".join(f'"{name}"' for name in given), ", ".join(f"%({name})s" for name in given),
    )  # fmt: skip
    service.rows("""INSERT INTO "AgentGraph" (id, "userId") VALUES (%(slug)s, 'bob')""", slug=slug)
    service.rows(
        f"""INSERT INTO "StoreListing" (id, "agentGraphId", "owningUserId", slug,
                                        "hasApprovedVersion"{VERSION})
            VALUES (%(slug)s, %(slug)s, 'bob', %(slug)s, true{OF_VERSION})""",
        slug=slug,
    )
    service.rows(
        f"""INSERT INTO "StoreListingVersion"
                   (id, "storeListingId", "agentGraphId", "agentGraphVersion",
                    "submissionStatus", {names})
            VALUES (%(slug)s, %(slug)s, %(slug)s, 1, 'APPROVED', {values})""",
        slug=slug,
        **given,
    )
    service.rows(
        """UPDATE "StoreListing" SET "activeVersionId" = %(slug)s WHERE id = %(slug)s""", slug=slug
    )
    if words is not None:
        embed(service, slug, words, [0.0] * 1536)


def embed(service: Service, id: str, words: str, embedding: list[float], **columns: Any) -> None:
    service.rows(
        """INSERT INTO "UnifiedContentEmbedding"
               (id, "updatedAt", "contentType", "contentId", "userId", embedding, "searchableText")
           VALUES (gen_random_uuid(), now(), %(type)s, %(id)s, %(user)s, %(embedding)s::vector,
                   %(words)s)""",
        id=id,
        words=words,
        embedding=str(embedding),
        type=columns.get("type", "STORE_AGENT"),
        user=columns.get("user"),
    )


def page(service: Service, **options: Any) -> Any:
    return service.call("get_store_agents", **options)


def slugs(service: Service, **options: Any) -> list[str]:
    found = page(service, **options)
    return [agent["slug"] for agent in found["agents"]]


def rate(service: Service, slug: str, score: int, runs: int) -> None:
    service.rows(
        """INSERT INTO "StoreListingReview" (id, "storeListingVersionId", "reviewByUserId", score)
           VALUES (gen_random_uuid(), %(slug)s, 'alice', %(score)s)""",
        slug=slug,
        score=score,
    )
    service.rows(
        """INSERT INTO "AgentGraphExecution" (id, "agentGraphId", "userId")
           SELECT gen_random_uuid(), %(slug)s, 'alice' FROM generate_series(1, %(runs)s)""",
        slug=slug,
        runs=runs,
    )
    service.rows(
        "REFRESH MATERIALIZED VIEW mv_agent_run_counts; REFRESH MATERIALIZED VIEW mv_review_stats"
    )


def test_only_available_agents_are_listed(service: Service) -> None:
    offer(service, "hidden", isAvailable=False)
    assert slugs(service) == ["cool-agent"]
    assert service.statements == 1


def test_filters_narrow_the_list(service: Service) -> None:
    offer(service, "starred", isFeatured=True, categories=["x", "data"])
    assert slugs(service, featured=True) == ["starred"]
    assert sorted(slugs(service, category="data")) == ["cool-agent", "starred"]
    assert slugs(service, category="x") == ["starred"]
    assert slugs(service, category="dat") == []
    assert sorted(slugs(service, category="", creators=[])) == ["cool-agent", "starred"]
    assert slugs(service, creators=["nobody"]) == []
    assert len(slugs(service, creators=["nobody", "bobp"])) == 2


def test_orders(service: Service) -> None:
    offer(service, "zebra", name="Zebra")
    offer(service, "apple", name="Apple")
    rate(service, "zebra", 5, 2)
    rate(service, "apple", 3, 9)
    assert slugs(service, sorted_by="rating") == ["zebra", "apple", "cool-agent"]
    assert slugs(service, sorted_by="runs") == ["apple", "zebra", "cool-agent"]
    assert slugs(service, sorted_by="name") == ["apple", "cool-agent", "zebra"]
    for order in (None, "updated_at"):
        assert sorted(slugs(service, sorted_by=order)) == ["apple", "cool-agent", "zebra"]
    agent = page(service, sorted_by="rating")["agents"][0]
    assert (agent["rating"], agent["runs"]) == (5, 2)


def test_pages_hold_what_they_should(service: Service) -> None:
    for letter in "abc":
        offer(service, letter)
    found = page(service, sorted_by="name", page=2, page_size=3)
    assert [agent["slug"] for agent in found["agents"]] == ["cool-agent"]
    assert found["pagination"] == {
        "total_items": 4, "total_pages": 2, "current_page": 2, "page_size": 3,
    }  # fmt: skip
    seen = [slugs(service, page=number, page_size=1)[0] for number in (1, 2, 3, 4)]
    assert sorted(seen) == ["a", "b", "c", "cool-agent"]


@pytest.mark.parametrize("options", [{"page": 0}, {"page_size": 0}, {"page": -1, "page_size": -1}])
def test_a_page_that_cannot_be_is_refused_for_good(
    service: Service, options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInputError):
        page(service, **options)
    if "page_size" in options:
        with pytest.raises(InvalidInputError):
            page(service, search_query="weather", **options)


def test_an_agent_without_profile_or_image_is_shown(service: Service) -> None:
    if OLD_STORE:  # later every listing's owner has one
        service.rows("""UPDATE "Profile" SET "userId" = NULL""")
    service.rows("""UPDATE "StoreListingVersion" SET "imageUrls" = '{}'""")
    (agent,) = page(service)["agents"]
    creator = ("Needs Profile", "") if OLD_STORE else ("bobp", "http://a")
    assert (agent["creator"], agent["creator_avatar"]) == creator
    assert agent["agent_image"] == ""


def test_a_database_without_a_marketplace_is_told_of(service: Service) -> None:
    service.rows('DROP VIEW "StoreAgent"')
    # The first to notice looks at the schema again, and asks for a repeat.
    with pytest.raises(SchemaChangingError):
        page(service)
    for options in ({}, {"search_query": "x"}):
        with pytest.raises(SchemaObjectMissingError, match="StoreAgent"):
            page(service, **options)


# Searching by words ------------------------------------------------------------------------------


def test_a_search_finds_words_and_ranks_what_has_more_of_them(service: Service) -> None:
    offer(service, "two", words="weather weather")
    offer(service, "three", words="weather weather weathers")
    offer(service, "none", words="other")
    assert slugs(service, search_query="weather")[1:] == ["three", "two"]  # after the category
    assert service.statements == 1


def test_what_scores_too_low_is_not_found(service: Service) -> None:
    offer(service, "old", words="other", createdAt="2020-01-01")
    assert slugs(service, search_query="weather") == ["cool-agent"]
    assert slugs(service, search_query="nonsense") == []
    assert page(service, search_query="nonsense")["pagination"]["total_items"] == 0


def test_a_category_alone_is_enough(service: Service) -> None:
    offer(service, "c", words="other", categories=["My Weathers"])
    assert "c" in slugs(service, search_query="WEATHER")
    assert "c" not in slugs(service, search_query="weather news")


def test_age_and_popularity_count(service: Service) -> None:
    today = str(service.value("SELECT now() AT TIME ZONE 'UTC'"))
    offer(service, "new", words="cloud", createdAt=today)
    offer(service, "used", words="cloud")
    offer(service, "plain", words="cloud")
    assert slugs(service, search_query="cloud")[0] == "new"
    rate(service, "used", 1, 50)
    assert slugs(service, search_query="cloud")[:2] in (["new", "used"], ["used", "new"])
    assert slugs(service, search_query="cloud")[2] == "plain"


def scores(
    service: Service, statement: ForSchema[LiteralString], weights: Any, **more: Any
) -> dict[str, float]:
    """Return what a search's statement gives each agent."""
    given = weights._asdict() | {
        "category_weight": weights.category, "category": None, "featured": False,
        "creators": None, "query": "rain", "nearest": 200, "page": 1, "page_size": 100,
    }  # fmt: skip
    rows = service.rows(statement(service.capabilities), **given, **more)
    return {document["slug"]: score for document, _, score, _ in rows}


def test_a_score_is_the_weighted_sum_of_all_that_counts(service: Service) -> None:
    def moment(days: int) -> str:
        ago = "SELECT (now() AT TIME ZONE 'UTC' - make_interval(days => %(days)s))::text"
        return str(service.value(ago, days=days))

    service.rows("""DELETE FROM "UnifiedContentEmbedding" """)
    offer(service, "often", words="rain rain rain", createdAt=moment(45))
    offer(service, "once", words="rain", createdAt=moment(200), categories=["Rainy days", "x"])
    offer(service, "other", words="snow", createdAt=moment(9), categories=["rain"])
    rate(service, "often", 1, 5)
    rate(service, "once", 1, 20)
    service.rows(
        """UPDATE "UnifiedContentEmbedding" SET embedding = %(far)s::vector
            WHERE "contentId" = 'other'""",
        far=str([3.0, 4.0, *[0.0] * 1534]),
    )
    ranks = dict(
        service.rows(
            """SELECT "contentId", ts_rank_cd(search, plainto_tsquery('english', 'rain'))
                 FROM "UnifiedContentEmbedding" """
        )
    )
    lexical = {slug: rank / ranks["often"] for slug, rank in ranks.items()}
    popular = math.log(6) / math.log(21)
    expected = {
        "often": 3 / 7 * lexical["often"] + 1 / 7 * 0.5 + 1 / 7 * popular,
        "once": 3 / 7 * lexical["once"] + 2 / 7 + 1 / 7,
        "other": 2 / 7 + 1 / 7 * 0.9,
    }
    assert lexical["once"] < lexical["often"]
    found = scores(service, BY_WORDS, WITHOUT_MEANING)
    assert found == pytest.approx(expected, abs=1e-4)
    expected = {
        "often": 0.3 * lexical["often"] + 0.1 * 0.5 + 0.1 * popular,
        "once": 0.3 * lexical["once"] + 0.2 + 0.1,
        "other": 0.3 * 0.6 + 0.2 + 0.1 * 0.9,
    }
    found = scores(service, BY_MEANING, WITH_MEANING, embedding=str([1.0, *[0.0] * 1535]))
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_search_has_filters_and_pages_of_its_own(service: Service) -> None:
    for letter in "abcde":
        offer(service, letter, words="cloud", isFeatured=letter < "c")
    assert sorted(slugs(service, search_query="cloud", featured=True)) == ["a", "b"]
    found = page(service, search_query="cloud", page=2, page_size=2)
    assert len(found["agents"]) == 2
    assert found["pagination"] == {
        "total_items": 5, "total_pages": 3, "current_page": 2, "page_size": 2,
    }  # fmt: skip
    beyond = page(service, search_query="cloud", page=9, page_size=2)
    assert beyond["agents"] == []
    assert beyond["pagination"]["total_items"] == 0
    first = page(service, search_query="cloud", page=-3, page_size=500)
    assert len(first["agents"]) == 5
    assert (first["pagination"]["current_page"], first["pagination"]["page_size"]) == (-3, 500)


def test_only_the_markets_own_embeddings_count(service: Service) -> None:
    offer(service, "mine")
    embed(service, "mine", "cloud", [0.0] * 1536, user="alice")
    owner = None if OLD_STORE else "bob"  # later a constraint wants one
    embed(service, "mine", "cloud", [0.0] * 1536, type="LIBRARY_AGENT", user=owner)
    assert slugs(service, search_query="cloud") == []


def test_a_query_is_text_and_nothing_else(service: Service) -> None:
    for query in ("'; DROP TABLE x", "a & | !", "%", "\\", "ü" * 5000, "weather'"):
        page(service, search_query=query)


@only_before
def test_without_embeddings_text_is_looked_for(service: Service) -> None:
    offer(service, "b", name="Bee", subHeading="collects", description="HONEY", isFeatured=True)
    service.rows('DROP TABLE "UnifiedContentEmbedding"')
    for query, found in {
        "bee": ["b"],
        "Collect": ["b"],
        "honey": ["b"],
        "h_ne": [],  # every character stands for itself
        "wea": ["cool-agent"],
        "zzz": [],
    }.items():
        assert slugs(service, search_query=query) == found
    assert slugs(service, search_query="o", sorted_by="name") == ["b", "cool-agent"]
    assert page(service, search_query="o", page=0)["pagination"]["total_items"] == 2


# Searching by meaning ----------------------------------------------------------------------------


@pytest.fixture
def provider() -> Iterator[EmbeddingProvider]:
    with EmbeddingProvider(["weather", "news", "sky"]) as running:
        yield running


@pytest.fixture
def by_meaning(
    seeded_database_url: str, seeded_template: str, provider: EmbeddingProvider
) -> Iterator[Service]:
    options = EmbeddingsSettings(
        openai_api_key=Secret("sk-test"), openai_base_url=provider.url, timeout=5
    )
    with Service(seeded_database_url, copy_of=seeded_template, embeddings=options) as service:
        yield service


def test_meaning_finds_what_words_do_not(by_meaning: Service, provider: EmbeddingProvider) -> None:
    offer(by_meaning, "near")
    embed(by_meaning, "near", "clouds", provider.embedding("sky"))
    offer(by_meaning, "far", createdAt="2020-01-01")
    embed(by_meaning, "far", "papers", provider.embedding("news"))
    offer(by_meaning, "zero", createdAt="2020-01-01")
    embed(by_meaning, "zero", "nothing", [0.0] * 1536)  # a distance that is NaN
    found = slugs(by_meaning, search_query="sky")
    assert found[0] == "near"
    assert not {"far", "zero"} & set(found)
    assert [request["input"] for request in provider.requests] == [["sky"]]


def test_a_failing_provider_leaves_the_words(
    by_meaning: Service, provider: EmbeddingProvider
) -> None:
    provider.failing = True
    with structlog.testing.capture_logs() as logs:
        assert slugs(by_meaning, search_query="weather") == ["cool-agent"]
    assert [record["event"] for record in logs] == ["embedding_failed"]
    assert "sk-test" not in str(logs)


# One agent ---------------------------------------------------------------------------------------


def details(service: Service, **options: Any) -> Any:
    request = {"username": "bobp", "agent_name": "cool-agent"} | options
    found = service.call("get_store_agent_details", **request)
    assert service.statements == 1
    return found


def revise(service: Service, id: str, version: int, **columns: Any) -> None:
    given = {
        "id": id, "version": version, "agentGraphId": "g3", "agentGraphVersion": 1, "name": id,
        "subHeading": "s", "imageUrls": [], "description": "d", "categories": ["c"],
        "storeListingId": "sl1", "submissionStatus": "APPROVED", "createdAt": "2026-02-01",
    } | columns  # fmt: skip
    service.rows(
        f"""INSERT INTO "StoreListingVersion" ({", ".join(f'"{name}"' for name in given)})
            VALUES ({", ".join(f"%({name})s" for name in given)})""",
        **given,
    )


@only_before
def test_the_highest_approved_version_is_shown(service: Service) -> None:
    revise(service, "v2", 2, videoUrl="v", agentOutputDemoUrl="o", instructions="not shown")
    revise(service, "v3", 3, submissionStatus="PENDING")
    found = details(service)
    assert found["store_listing_version_id"] == "v2"
    assert (found["agent_video"], found["agent_output_demo"], found["instructions"]) == (
        "v", "o", None,
    )  # fmt: skip
    assert found["versions"] == ["1", "2"]
    assert found["last_updated"] == "2026-02-01T00:00:00Z"
    # The cron and the id are the active version's all the same.
    assert (found["active_version_id"], found["recommended_schedule_cron"]) == (
        "slv1", "0 9 * * *",
    )  # fmt: skip
    service.rows("""UPDATE "StoreListing" SET "activeVersionId" = NULL""")
    found = details(service)
    assert (found["active_version_id"], found["recommended_schedule_cron"]) == (None, None)
    assert found["has_approved_version"] is True


def test_the_changelog_is_shown_when_asked_for(service: Service) -> None:
    assert details(service)["changelog"] is None
    revise(service, "v2", 2, changesSummary="better")
    revise(service, "v10", 10, changesSummary="")
    revise(service, "v11", 11, submissionStatus="REJECTED")
    nothing = "No changes recorded"
    assert details(service, include_changelog=True)["changelog"] == [
        {"version": "10", "changes_summary": nothing, "date": "2026-02-01T00:00:00Z"},
        {"version": "2", "changes_summary": "better", "date": "2026-02-01T00:00:00Z"},
        {"version": "1", "changes_summary": nothing, "date": "2026-01-06T00:00:00Z"},
    ]


@only_before
def test_an_owner_with_two_profiles_is_found_by_either(service: Service) -> None:
    # The owner's second profile has a row of the view, too; the listing's row is one of the two.
    service.rows(
        """INSERT INTO "Profile" (id, "userId", name, username, description, links)
           VALUES ('p2', 'bob', 'n', 'second', 'd', '{}')"""
    )
    found = details(service, username="second")
    assert found["creator"] in {"second", "bobp"}
    assert found["has_approved_version"] is True


@pytest.mark.parametrize("options", [{"username": "nobody"}, {"agent_name": "Cool Agent"}])
def test_an_unknown_agent_is_not_found(service: Service, options: dict[str, Any]) -> None:
    with pytest.raises(NotFoundError) as caught:
        details(service, **options)
    assert (caught.value.status, caught.value.wire_type) == (400, "NotFoundError")


def test_a_listing_that_is_not_offered_is_not_found(service: Service) -> None:
    service.rows("""UPDATE "StoreListing" SET "hasApprovedVersion" = false""")
    with pytest.raises(NotFoundError):
        details(service)
