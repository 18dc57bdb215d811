"""Experts, read: which of them are shown, with what, and whose runs they are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import catalogue_of
from autogpt_db.errors import (
    DatabaseUnavailableError,
    ExpertNotFoundError,
    ExpertPrivateTenancyNotFoundError,
    SchemaChangingError,
)
from autogpt_db.operations.experts.expert_spending import week_of
from autogpt_db.settings import ExpertsSettings, RedisSettings
from redis_server import RedisServer
from service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service import Service

    Serve = Callable[..., Service]

PEOPLE = """
INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now())
"""
EXPERTS = """
INSERT INTO "Expert"
       (id, "ownerUserId", name, role, identity, "isTemplate", "isArchived", visibility)
VALUES ('own', 'ann', 'Own', 'r', 'i', false, false, 'PRIVATE'),
       ('team', 'ann', 'Team', 'r', 'i', false, false, 'TEAM'),
       ('old', 'ann', 'Old', 'r', 'i', false, true, 'PRIVATE'),
       ('model', 'ann', 'Model', 'r', 'i', true, false, 'PRIVATE')
"""
METHODS_OF_EXPERTS = (
    "append_expert_run_message",
    "enforce_expert_run_budget",
    "expert_row_exists",
    "get_expert",
    "list_experts",
    "resolve_attributable_expert",
    "resolve_private_expert_tenancy",
)


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


def spent(server: RedisServer, **credits: str) -> None:
    """Have the counters of this week say so."""
    week = week_of(datetime.now(UTC))
    server.values = {f"expert-spend:{expert}:{week}": said for expert, said in credits.items()}


def get(service: Service, expert: str, user: str = "alice", **more: bool) -> Any:
    return service.call("get_expert", user_id=user, expert_id=expert, **more)


def with_experts(service: Service) -> Service:
    service.rows(PEOPLE)
    service.rows(EXPERTS)
    return service


# What is shown ---------------------------------------------------------------------------------


def test_an_expert_shows_who_it_is_what_it_runs_and_what_it_spends(
    service_in: Serve, redis: RedisServer
) -> None:
    service = service_in(
        "v0.7.2", seeded=True, redis=RedisSettings(host="127.0.0.1", port=redis.port)
    )
    spent(redis, x1="12", x7="-5", x8="many", xb1="7")
    found = get(service, "x1")
    assert service.statements == 1
    workflows = found.pop("workflows")
    assert found == {
        "id": "x1",
        "name": "Maria",
        "avatar_url": "http://img/x1",
        "color": "sky-300",
        "role": "role x1",
        "tagline": "tag",
        "bio": "bio text",
        "skills": ["seo", "writing"],
        "identity": "I am Maria",
        "voice_preferences": "short",
        "voice_samples": [],
        "boundaries": "no calls",
        "protected_soul_rules": [
            "The expert discloses that it is AI when acting externally.",
            "External actions require approval.",
        ],
        "is_template": False,
        "source_template_id": "xt1",
        "is_archived": False,
        "last_run_at": "2026-01-17T02:00:00Z",
        "last_run_status": "FAILED",
        "weekly_budget": 500,
        "weekly_spend": 12,
        "schedules_paused_at": None,
        "pod_id": "pod1",
    }
    shown = {
        each["id"]: (each["graph_id"], each["name"], each["description"]) for each in workflows
    }
    assert shown == {
        "w1": ("g1", "Cool Agent", "Describes weather things"),
        "w2": ("g7", "My own name", "My own words"),
        "w3": (None, None, None),
        "w4": ("g2", None, None),
    }
    assert get(service, "x1", include_workflows=False)["workflows"] == []
    listed = {each["id"]: each for each in service.call("list_experts", user_id="alice")}
    assert service.statements == 1
    assert listed["x1"] == found | {"workflows": workflows}
    spending = {name: each["weekly_spend"] for name, each in listed.items()}
    assert (spending["x1"], spending["x7"], spending["x8"], spending["x9"]) == (12, 0, 0, 0)
    assert {"x2", "x3", "xt1", "xb1"} & listed.keys() == set()
    assert service.call("list_experts", user_id="carol") == []


def test_budgets_are_shown_as_they_are_in_effect(service_in: Serve) -> None:
    def budgets(default: int) -> dict[str, Any]:
        settings = ExpertsSettings(weekly_budget=default)
        service = service_in("v0.7.2", seeded=True, experts=settings)
        service.rows("""UPDATE "Expert" SET "weeklyBudget" = -3 WHERE id = 'x7'""")
        listed = service.call("list_experts", user_id="alice")
        return {each["id"]: each["weekly_budget"] for each in listed}

    own = {"x5": 100, "x6": 100, "x7": None, "x8": None, "x10": 10}
    assert budgets(300) == own | dict.fromkeys(("x1", "x4", "x9"), 300)
    assert budgets(-1) == own | dict.fromkeys(("x1", "x4", "x9"), None)


@pytest.mark.parametrize("state", ["v0.7.0", "v0.7.1", "v0.7.2"])
def test_experts_have_the_members_of_their_release(service_in: Serve, state: str) -> None:
    service = with_experts(service_in(state))
    service.rows("""INSERT INTO "ExpertWorkflow" (id, "expertId") VALUES ('w', 'own')""")
    found = get(service, "own", "ann")
    soul = {"voice_preferences", "boundaries"}
    runs = {
        "last_run_at",
        "last_run_status",
        "weekly_budget",
        "weekly_spend",
        "schedules_paused_at",
    }
    pods = {"color", "pod_id"}
    later = (soul | runs | pods) & found.keys()
    assert later == {"v0.7.0": set(), "v0.7.1": soul | runs, "v0.7.2": soul | runs | pods}[state]
    assert ("schedule_cron" in found["workflows"][0]) == (state != "v0.7.0")
    listed = [each["id"] for each in service.call("list_experts", user_id="ann")]
    assert listed == (["own", "team"] if state == "v0.7.0" else ["own"])
    assert (get(service, "team", "ann") is None) == (state != "v0.7.0")
    assert get(service, "old", "ann") is None
    assert get(service, "old", "ann", include_archived=True)["is_archived"] is True
    assert get(service, "model", "ann", include_archived=True) is None
    assert get(service, "own", "alice") is None


def test_a_listings_words_stand_before_the_librarys(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    service.rows("""UPDATE "LibraryAgent" SET name = '', description = 'd' WHERE id = 'la2'""")
    shown = {each["id"]: each for each in get(service, "x1")["workflows"]}
    assert (shown["w4"]["name"], shown["w4"]["description"]) == ("", "d")
    service.rows("""UPDATE "ExpertWorkflow" SET "storeListingVersionId" = NULL WHERE id = 'w1'""")
    service.rows("""UPDATE "LibraryAgent" SET name = 'Mine' WHERE id = 'la1'""")
    shown = {each["id"]: each for each in get(service, "x1")["workflows"]}
    assert (shown["w1"]["name"], shown["w1"]["description"]) == ("Mine", None)


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.0"])
def test_what_a_database_has_no_tables_for_is_not_served(state: str) -> None:
    catalogue = catalogue_of(state)
    capabilities = Capabilities.of(catalogue)
    lacking = {
        method
        for method in METHODS_OF_EXPERTS
        if OPERATIONS[method].needs(capabilities).lacks(catalogue)
    }
    read_only = {"expert_row_exists", "get_expert", "list_experts", "resolve_attributable_expert",
                 "resolve_private_expert_tenancy", "append_expert_run_message"}  # fmt: skip
    assert lacking == set(METHODS_OF_EXPERTS) - (read_only if state == "v0.7.0" else set())


# Whether there is one ----------------------------------------------------------------------------


def test_an_expert_exists_whether_archived_or_seen(service_in: Serve) -> None:
    service = with_experts(service_in("v0.7.2"))

    def exists(expert: str, user: str = "ann") -> Any:
        return service.call("expert_row_exists", user_id=user, expert_id=expert)

    assert [exists(each) for each in ("own", "team", "old")] == [True] * 3
    assert [exists(each) for each in ("model", "zz", "")] == [False] * 3
    assert exists("own", "ben") is False


def test_a_standby_does_not_say_that_there_is_none(
    service_in: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = with_experts(service_in("v0.7.2"))
    from autogpt_db.operations.experts import experts

    standby = experts._EXISTS.replace("pg_is_in_recovery()", "true")
    monkeypatch.setattr(experts, "_EXISTS", standby)
    assert service.call("expert_row_exists", user_id="ann", expert_id="own") is True
    with pytest.raises(DatabaseUnavailableError, match="only the primary"):
        service.call("expert_row_exists", user_id="ann", expert_id="zz")


def test_without_its_table_nothing_is_said_of_an_expert(service_in: Serve) -> None:
    service = with_experts(service_in("v0.7.2"))
    service.rows("""ALTER TABLE "Expert" RENAME TO "ExpertGone\"""")
    with pytest.raises(SchemaChangingError):
        service.call("expert_row_exists", user_id="ann", expert_id="own")


def test_runs_are_attributed_to_live_experts_alone(service_in: Serve) -> None:
    service = with_experts(service_in("v0.7.2"))

    def attributed(expert: str | None, user: str = "ann") -> Any:
        return service.call("resolve_attributable_expert", user_id=user, expert_id=expert)

    assert [attributed(each) for each in ("own", "team")] == ["own", "team"]
    assert [attributed(each) for each in ("old", "model", "zz", "", None)] == [None] * 5
    assert attributed("own", "ben") is None
    assert service.answer("resolve_attributable_expert", {"user_id": "ann"})[0] == 422


# Where its runs belong ---------------------------------------------------------------------------


def home(service: Service, expert: str, user: str) -> Any:
    return service.call("resolve_private_expert_tenancy", user_id=user, expert_id=expert)


def test_an_experts_runs_belong_to_its_owners_organization(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    assert home(service, "x1", "alice") == ["org-a", "team-a"]
    assert service.statements == 1
    for expert, user in (("x2", "alice"), ("x3", "alice"), ("xt1", "alice"), ("x1", "bob")):
        with pytest.raises(ExpertNotFoundError) as refused:
            home(service, expert, user)
        assert refused.value.body() == {"type": "ExpertNotFoundError", "args": [expert]}
        assert refused.value.status == 404


def test_an_owner_without_an_organization_gets_one(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, pool_size=8)
    service.rows("""UPDATE "Expert" SET "ownerUserId" = 'erin' WHERE id = 'xd1'""")
    call = ("resolve_private_expert_tenancy", {"user_id": "erin", "expert_id": "xd1"})
    answers = service.together([call] * 8)
    assert answers == [answers[0]] * 8
    assert None not in answers[0]
    made = """SELECT count(*) FROM "Organization" WHERE "bootstrapUserId" = 'erin'"""
    assert service.value(made) == 1


def test_an_owner_who_can_have_no_organization_is_told(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    with pytest.raises(ExpertPrivateTenancyNotFoundError) as refused:
        home(service, "xgh", "ghost")
    assert refused.value.status == 503
    assert refused.value.retry_after is None
    assert refused.value.body()["args"] == ["xgh"]
