"""Agents of a library, one by one: found, made, and those that start others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from api_process import ApiProcess
from autogpt_db.errors import (
    ArgumentsInvalidError,
    ArgumentsNotHonouredError,
    LimitExceededError,
    NotFoundError,
    RecordNotFoundError,
)
from autogpt_db.settings import LimitsSettings
from releases.building import LATEST
from releases.library_rows import (
    EXECUTOR,
    INPUT,
    NOTHING,
    OUTPUT,
    SAFE,
    columns,
    entry,
    model,
    started,
)
from releases.rows import graph, insert, listed, listing, node

if TYPE_CHECKING:
    from releases.library_rows import Start

STATES = ("v0.6.50", "v0.6.68", LATEST)


@pytest.mark.parametrize("state", STATES)
def test_an_agent_tells_what_its_graph_takes_and_where_it_is_offered(
    service_in: Start, state: str
) -> None:
    service = started(service_in, state)
    entry(service, "a", "g", 2)
    node(service, "in", INPUT, "g", 2, name="topic", value=None)
    node(service, "nameless", INPUT, "g", 2, value=None)
    node(service, "out", OUTPUT, "g", 2, name="answer", value="x")
    listing(service, "s", "bob", "g")
    listed(service, "sv", "s", "g", agentGraphVersion=2)
    service.rows("""UPDATE "StoreListing" SET "hasApprovedVersion" = true,
                           "activeVersionId" = 'sv'""")
    insert(
        service, "AgentGraphExecution", id="e", agentGraphId="g", agentGraphVersion=2,
        userId="alice", executionStatus="COMPLETED", isDeleted=True,
    )  # fmt: skip
    agent = service.call("get_library_agent", id="a", user_id="alice")
    assert service.statements == 1
    assert (agent["name"], agent["description"]) == ("Second", "About it")
    assert list(agent["input_schema"]["properties"]) == ["topic"], "a nameless node is left out"
    assert agent["input_schema"]["required"] == ["topic"]
    assert agent["output_schema"]["properties"]["answer"]["default"] == "x"
    assert agent["credentials_input_schema"] == NOTHING
    assert (agent["execution_count"], agent["success_rate"]) == (1, 100.0)
    assert agent["marketplace_listing"] == {
        "id": "s", "name": "sv", "slug": "s",
        "creator": {"name": "Bob", "id": "profile of bob", "slug": "bob"},
    }  # fmt: skip
    by_graph = service.call("get_library_agent_by_graph_id", user_id="alice", graph_id="g")
    assert by_graph == agent | {"marketplace_listing": None}
    service.rows("""UPDATE "StoreListing" SET "isDeleted" = true""")
    withdrawn = service.call("get_library_agent", id="a", user_id="alice")
    assert withdrawn["marketplace_listing"] is None


@pytest.mark.parametrize("state", STATES)
def test_only_the_users_own_that_are_not_deleted_are_found(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    entry(service, "archived", "g", 1, isArchived=True)
    entry(service, "deleted", "g", 2, isDeleted=True)
    assert service.call("get_library_agent", id="archived", user_id="alice")["id"] == "archived"
    for key, owner in (("archived", "bob"), ("deleted", "alice"), ("none", "alice")):
        with pytest.raises(NotFoundError, match=rf"^Library agent #{key} not found$") as failure:
            service.call("get_library_agent", id=key, user_id=owner)
        assert failure.value.status == (404 if state == LATEST else 400)
    by_graph = {"user_id": "alice", "graph_id": "g"}
    assert service.call("get_library_agent_by_graph_id", **by_graph) is None
    assert service.statements == 1
    found = service.call("get_library_agent_by_graph_id", **by_graph, include_archived=True)
    assert found["id"] == "archived"
    assert service.call(
        "get_library_agent_by_graph_id", **by_graph, include_archived=True, graph_version=2
    ) is None  # fmt: skip
    service.rows("""UPDATE "LibraryAgent" SET "isDeleted" = false, "isArchived" = false""")
    assert service.call("get_library_agent_by_graph_id", **by_graph)["id"] == "deleted"
    assert service.call("get_library_agent_by_graph_id", **by_graph, graph_version=1)["id"] == (
        "archived"
    )


@pytest.mark.parametrize("settings", ["{}", '"x"', '{"human_in_the_loop_safe_mode": [1]}'])
def test_settings_that_make_no_sense_are_the_defaults(service_in: Start, settings: str) -> None:
    service = started(service_in, "v0.6.68")
    entry(service, "a", "g", 1)
    service.rows('UPDATE "LibraryAgent" SET settings = %(it)s::jsonb', it=settings)
    assert service.call("get_library_agent", id="a", user_id="alice")["settings"] == SAFE


def test_what_is_large_is_looked_at_beside_the_event_loop(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    entry(service, "a", "g", 1)
    node(service, "in", INPUT, "g", 1, name="topic", value="short")
    asked = {"id": "a", "user_id": "alice"}
    with ApiProcess(service.url, modules=()) as api:
        children = Path(f"/proc/{api.pid}/task/{api.pid}/children")
        small = api.client.post("/get_library_agent", json=asked).json()
        before = children.read_text().split()
        service.rows("""UPDATE "AgentNode" SET "constantInput" = jsonb_set(
                            "constantInput"::jsonb, '{value}', to_jsonb(repeat('x', 50000))
                        )""")
        large = api.client.post("/get_library_agent", json=asked).json()
        assert len(children.read_text().split()) == len(before) + 1, "a helper"
    small["input_schema"]["properties"]["topic"]["default"] = "x" * 50_000
    assert large == small


# Made ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["v0.6.50", "master-2026-05-20", "v0.6.68", LATEST])
def test_a_graph_and_those_below_it_get_agents(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    graph(service, "below", 3, owner="bob", name="Below")
    made = service.call(
        "create_library_agent", graph=model("g", 2, ("below", 3), ("below", 3)), user_id="alice",
        hitl_safe_mode=False,
    )  # fmt: skip
    assert [(each["name"], each["graph_version"]) for each in made] == [
        ("Second", 2), ("Below", 3), ("Below", 3),
    ]  # fmt: skip
    assert made[0]["settings"] == SAFE | {"human_in_the_loop_safe_mode": False}
    assert (made[0]["execution_count"], made[0]["input_schema"]) == (0, NOTHING)
    assert (made[0]["can_access_graph"], made[1]["can_access_graph"]) == (True, False)
    assert service.value('SELECT count(*) FROM "LibraryAgent"') == 2
    by_age = service.rows('SELECT "agentGraphId" FROM "LibraryAgent" ORDER BY "createdAt"')
    assert [row[0] for row in by_age] == ["g", "below"]
    assert columns(service, made[0]["id"], "isCreatedByUser", "useGraphIsActiveVersion") == (
        True, True,
    )  # fmt: skip
    alone = service.call(
        "create_library_agent", graph=model("g", 1, ("below", 3), user_id="bob"), user_id="alice",
        create_library_agents_for_sub_graphs=False,
    )  # fmt: skip
    assert [each["name"] for each in alone] == ["First"]
    assert columns(service, alone[0]["id"], "isCreatedByUser") == (False,)


def test_what_is_there_comes_back_with_new_settings(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    entry(
        service, "a", "g", 1, isDeleted=True, isArchived=True, isFavorite=True, isHidden=True,
        organizationId="o", settings={"builder_chat_session_id": "c"},
    )  # fmt: skip
    (made,) = service.call(
        "create_library_agent", graph=model(), user_id="alice", organization_id=""
    )
    assert service.statements == 1
    assert (made["id"], made["settings"], made["is_hidden"]) == ("a", SAFE, False)
    assert columns(
        service, "a", "isDeleted", "isArchived", "isFavorite", "isCreatedByUser", "organizationId"
    ) == (False, False, True, False, "o")


def test_of_many_calls_at_once_none_fails(service_in: Start) -> None:
    service = started(service_in, LATEST, pool_size=8)
    graph(service, "other", 1)
    orders = [model("g", 1, ("other", 1)), model("other", 1, ("g", 1))]
    calls = [
        ("create_library_agent", {"graph": orders[n % 2], "user_id": "alice"}) for n in range(16)
    ]
    answers = service.together(calls)
    assert [each for each in answers if isinstance(each, Exception)] == []
    assert len({agent["id"] for answer in answers for agent in answer}) == 2
    assert service.value('SELECT count(*) FROM "Organization"') == 1


@pytest.mark.parametrize("state", ["v0.6.68", LATEST])
def test_agents_belong_to_the_users_own_organization(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    (made,) = service.call("create_library_agent", graph=model(), user_id="alice")
    own = service.rows('SELECT "orgId", id FROM "Team"')
    assert [columns(service, made["id"], "organizationId", "teamId")] == own
    service.call("create_library_agent", graph=model("g", 2), user_id="alice")
    assert service.statements == 1, "it is there now"
    team = own[0][1]
    for organization, given, stored in (
        ("acme", team, ("acme", team)), ("acme", None, ("acme", None)), ("", team, (None, None)),
    ):  # fmt: skip
        service.rows('DELETE FROM "LibraryAgent"')
        (made,) = service.call(
            "create_library_agent", graph=model(), user_id="alice", organization_id=organization,
            team_id=given,
        )  # fmt: skip
        assert columns(service, made["id"], "organizationId", "teamId") == stored


@pytest.mark.parametrize("state", STATES)
def test_nothing_is_made_for_what_is_not_there(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    call: dict[str, Any] = {"graph": model("g", 1, ("none", 1)), "user_id": "alice"}
    with pytest.raises(RecordNotFoundError, match="none v1"):
        service.call("create_library_agent", **call)
    with pytest.raises(RecordNotFoundError, match="g v4294967296"):
        service.call("create_library_agent", graph=model("g", 2**32), user_id="alice")
    with pytest.raises(RecordNotFoundError):
        service.call("create_library_agent", graph=model(), user_id="nobody")
    if state != "v0.6.50":
        with pytest.raises(RecordNotFoundError):
            service.call(
                "create_library_agent", graph=model(), user_id="alice", organization_id="o",
                team_id="none",
            )  # fmt: skip
    for folder in ("none", ""):
        with pytest.raises(NotFoundError, match=rf"^Folder #{folder} not found$"):
            service.call("create_library_agent", **call, folder_id=folder)
    with pytest.raises(ArgumentsInvalidError):
        service.call("create_library_agent", graph={"id": "g"}, user_id="alice")
    assert service.value('SELECT count(*) FROM "LibraryAgent"') == 0


def test_what_a_database_has_no_place_for_is_not_dropped(service_in: Start) -> None:
    service = started(service_in, "v0.6.50")
    call: dict[str, Any] = {"graph": model(), "user_id": "alice"}
    for more in ({"is_hidden": True}, {"organization_id": "o"}, {"team_id": "t"}):
        with pytest.raises(ArgumentsNotHonouredError):
            service.call("create_library_agent", **call, **more)


# Started by others ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["v0.6.68", LATEST])
def test_triggers_are_hidden_agents_that_run_the_graph(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    entry(service, "a", "g", 2)
    for number, (key, hidden, of) in enumerate(
        [("late", True, "g"), ("shown", False, "g"), ("other", True, "x"), ("early", True, "g")]
    ):
        graph(service, key)
        entry(service, key, key, isHidden=hidden, createdAt=f"2026-01-0{5 - number}")
        node(service, f"node of {key}", EXECUTOR, key, 1)
        service.rows(
            """UPDATE "AgentNode" SET "constantInput" = jsonb_build_object('graph_id', %(of)s::text)
                WHERE "agentGraphId" = %(key)s""",
            of=of,
            key=key,
        )
    asked = {"user_id": "alice", "library_agent_id": "a"}
    found = service.call("list_trigger_agents", **asked)
    assert [each["id"] for each in found] == ["early", "late"]
    assert service.statements == 2
    assert found[0]["input_schema"] == NOTHING
    given = {"user_id": "alice", "library_agent_id": "?", "parent_graph_id": "g"}
    assert service.call("list_trigger_agents", **given) == found
    assert service.statements == 1
    service.rows("""UPDATE "LibraryAgent" SET "isArchived" = true WHERE id = 'late'""")
    service.rows("""UPDATE "LibraryAgent" SET "isDeleted" = true WHERE id = 'early'""")
    assert service.call("list_trigger_agents", **given) == []
    with pytest.raises(NotFoundError, match=r"^Library agent #none not found$"):
        service.call("list_trigger_agents", user_id="alice", library_agent_id="none")


def test_more_graphs_below_than_may_be_are_refused(service_in: Start) -> None:
    service = started(service_in, LATEST, limits=LimitsSettings(items=10))
    below = [("g", 1)] * 11
    with pytest.raises(LimitExceededError, match=r"graph\.sub_graphs"):
        service.call("create_library_agent", graph=model("g", 2, *below), user_id="alice")
    alone = {"create_library_agents_for_sub_graphs": False}
    service.call("create_library_agent", graph=model("g", 2, *below), user_id="alice", **alone)
    service.call("create_library_agent", graph=model("g", 2, *below[1:]), user_id="alice")
