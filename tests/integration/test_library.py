"""Libraries: pages of agents, and what marketplace listings add to them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.errors import InvalidInputError, NotFoundError, RecordNotFoundError
from examples import check, examples_of

if TYPE_CHECKING:
    from service import Service

NOTHING = {"type": "object", "properties": {}, "required": []}
SAFE = {
    "human_in_the_loop_safe_mode": True,
    "sensitive_action_safe_mode": False,
    "builder_chat_session_id": None,
}


@AS_OF_V0_6_48
@pytest.mark.parametrize("example", examples_of("list_library_agents"))
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def listed(service: Service, user: str = "alice", **options: Any) -> Any:
    found = service.call("list_library_agents", user_id=user, **options)
    assert service.statements == 1
    return found


def names(service: Service, **options: Any) -> list[str]:
    return [agent["id"] for agent in listed(service, **options)["agents"]]


def put(service: Service, id: str, graph: str, version: int, **columns: Any) -> None:
    given = {
        "id": id, "userId": "alice", "agentGraphId": graph, "agentGraphVersion": version,
    } | columns  # fmt: skip
    service.rows(
        f"""INSERT INTO "LibraryAgent" ({", ".join(f'"{name}"' for name in given)})
            VALUES ({", ".join(f"%({name})s" for name in given)})""",
        **given,
    )


def change(service: Service, table: str, id: str, **columns: Any) -> None:
    service.rows(
        f"""UPDATE "{table}" SET {", ".join(f'"{name}" = %({name})s' for name in columns)}
             WHERE id = %(key)s""",
        key=id,
        **columns,
    )


def execute(service: Service, id: str, status: str, age: str = "0", **columns: Any) -> None:
    given = {
        "id": id, "userId": "alice", "agentGraphId": "g2", "agentGraphVersion": 1,
        "executionStatus": status,
    } | columns  # fmt: skip
    service.rows(
        f"""INSERT INTO "AgentGraphExecution"
                ("createdAt", {", ".join(f'"{name}"' for name in given)})
            VALUES (now() - %(age)s::interval, {", ".join(f"%({name})s" for name in given)})""",
        age=age,
        **given,
    )


def test_deleted_and_archived_agents_and_those_of_others_are_left_out(service: Service) -> None:
    put(service, "deleted", "g1", 1, isDeleted=True)
    put(service, "archived", "g2", 1, isArchived=True)
    put(service, "bobs", "g3", 1, userId="bob")
    found = listed(service)
    assert [agent["id"] for agent in found["agents"]] == ["la1"]
    assert found["pagination"]["total_items"] == 1


def test_the_order_is_by_creation_forwards_or_by_update_backwards(service: Service) -> None:
    put(service, "b", "g1", 1, createdAt="2026-01-04", updatedAt="2026-01-05")
    put(service, "c", "g2", 1, createdAt="2026-01-06", updatedAt="2026-01-08")
    assert names(service, sort_by="createdAt") == ["b", "la1", "c"]
    assert names(service, sort_by="updatedAt") == names(service) == ["c", "la1", "b"]


def test_pages_hold_what_they_should(service: Service) -> None:
    for number, graph in enumerate((("g1", 1), ("g2", 1), ("g3", 1))):
        put(service, f"x{number}", *graph, updatedAt="2026-01-06")  # all equal
    assert listed(service, page_size=3)["pagination"] == {
        "total_items": 4, "total_pages": 2, "current_page": 1, "page_size": 3,
    }  # fmt: skip
    pages = [names(service, page=page, page_size=3) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [3, 1, 0]
    assert sorted(sum(pages, [])) == ["la1", "x0", "x1", "x2"]  # noqa: RUF017 - three short lists
    assert listed(service, page=9, page_size=1)["pagination"]["current_page"] == 9


@pytest.mark.parametrize(
    "options", [{"page": 0}, {"page_size": 0}, {"page": -1}, {"search_term": "x" * 101}]
)
def test_pages_and_terms_have_bounds(service: Service, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError) as caught:
        listed(service, **options)
    assert caught.value.status == 400


def test_a_term_is_looked_for_in_name_and_description(service: Service) -> None:
    put(service, "g2", "g2", 1)
    for term, found in {
        "GRAPH": ["la1"],
        "sub": ["g2"],
        "one v2": ["la1"],
        "one_v2": [],  # every character stands for itself
        "g%2": [],
        "": ["g2", "la1"],
        " one v": ["la1"],
        " graph one": [],  # white space counts
        " " * 101: [],
        "'; DROP": [],
        "\\": [],
    }.items():
        assert sorted(names(service, search_term=term)) == found, term


@AS_OF_V0_6_48
def test_an_agent_has_what_its_rows_say(service: Service) -> None:
    change(service, "LibraryAgent", "la1", creatorId="p1", imageUrl="http://i", isFavorite=False)
    change(
        service, "AgentGraph", "g1", instructions="do", recommendedScheduleCron="* * * * *",
        updatedAt="2026-02-01 00:00:00.25", userId="bob",
    )  # fmt: skip
    (agent,) = listed(service)["agents"]
    assert agent == {
        "id": "la1",
        "graph_id": "g1",
        "graph_version": 2,
        "owner_user_id": "alice",
        "image_url": "http://i",
        "creator_name": "Bob P",
        "creator_image_url": "http://a",
        "status": "COMPLETED",
        "created_at": "2026-01-05T00:00:00Z",
        "updated_at": "2026-02-01T00:00:00.250000Z",
        "name": "Graph one v2",
        "description": "",
        "instructions": "do",
        "input_schema": NOTHING,
        "output_schema": NOTHING,
        "credentials_input_schema": None,
        "has_external_trigger": False,
        "has_human_in_the_loop": False,
        "has_sensitive_action": False,
        "trigger_setup_info": None,
        "new_output": False,
        "execution_count": 0,
        "success_rate": None,
        "avg_correctness_score": None,
        "recent_executions": [],
        "can_access_graph": False,
        "is_latest_version": True,
        "is_favorite": False,
        "folder_id": None,
        "folder_name": None,
        "is_hidden": False,
        "is_scheduled": False,
        "next_scheduled_run": None,
        "recommended_schedule_cron": "* * * * *",
        "settings": SAFE | {"sensitive_action_safe_mode": True},
        "marketplace_listing": None,
    }
    change(service, "Profile", "p1", avatarUrl=None)
    assert listed(service)["agents"][0]["creator_image_url"] == ""


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ({}, SAFE),
        ("{}", SAFE),
        ('{"sensitive_action_safe_mode": "yes"}', SAFE | {"sensitive_action_safe_mode": True}),
        ({"human_in_the_loop_safe_mode": 0}, SAFE | {"human_in_the_loop_safe_mode": False}),
        ({"human_in_the_loop_safe_mode": None, "x": 1}, SAFE),
        ({"human_in_the_loop_safe_mode": "perhaps"}, None),
        ("no json", None),
        ("[]", None),
        ([], None),
        (None, None),
    ],
)
def test_an_agent_whose_settings_do_not_validate_is_only_counted(
    service: Service, stored: Any, shown: Any
) -> None:
    change(service, "LibraryAgent", "la1", settings=json.dumps(stored))
    found = listed(service)
    assert [agent["settings"] for agent in found["agents"]] == ([] if shown is None else [shown])
    assert found["pagination"]["total_items"] == 1


def agent_with_executions(service: Service) -> Any:
    (agent,) = (
        agent for agent in listed(service, include_executions=True)["agents"] if agent["id"] == "g2"
    )
    return agent


@AS_OF_V0_6_48
def test_executions_tell_how_an_agent_does(service: Service) -> None:
    put(service, "g2", "g2", 1)
    assert agent_with_executions(service)["recent_executions"] == []
    # None of these is the user's, the version's or young enough to count.
    execute(service, "bobs", "FAILED", userId="bob")
    stats = json.dumps({"correctness_score": "1"})
    execute(service, "old", "COMPLETED", "7 days 1 minute", stats=stats)
    agent = agent_with_executions(service)
    assert agent["execution_count"] == 1
    assert agent["new_output"] is False
    assert agent["avg_correctness_score"] is None
    statuses = []
    for status, shown in (
        ("COMPLETED", "COMPLETED"),
        ("RUNNING", "HEALTHY"),
        ("QUEUED", "WAITING"),
        ("TERMINATED", "WAITING"),
        ("FAILED", "ERROR"),
    ):
        stats = json.dumps({"correctness_score": 0.25, "activity_status": f"was {status}"})
        execute(service, status, status, "6 days 23 hours", stats=stats, isDeleted=True)
        statuses.append(agent_with_executions(service)["status"] == shown)
    assert all(statuses)
    agent = agent_with_executions(service)
    assert (agent["execution_count"], agent["new_output"]) == (6, True)
    assert agent["success_rate"] == 2 / 6 * 100
    assert agent["avg_correctness_score"] == 0.25
    assert {
        "status": "FAILED", "correctness_score": 0.25, "activity_summary": "was FAILED",
    } in agent["recent_executions"]  # fmt: skip
    assert agent["recent_executions"][-1] == {
        "status": "COMPLETED", "correctness_score": None, "activity_summary": None,
    }  # fmt: skip


def test_a_score_that_no_double_holds_counts_as_none(service: Service) -> None:
    put(service, "g2", "g2", 1)
    execute(service, "odd", "COMPLETED", "2 days", stats='{"correctness_score": 1e400}')
    execute(service, "even", "COMPLETED", "3 days", stats='{"correctness_score": 0.5}')
    agent = agent_with_executions(service)
    assert agent["avg_correctness_score"] == 0.5
    assert [run["correctness_score"] for run in agent["recent_executions"]] == [None, 0.5]


@AS_OF_V0_6_48
def test_the_ten_latest_executions_count(service: Service) -> None:
    put(service, "g2", "g2", 1)
    execute(service, "oldest", "FAILED", "20 hours")
    for number in range(10):
        execute(service, f"x{number}", "COMPLETED", f"{number} hours", stats='"text"')
    agent = agent_with_executions(service)
    assert (agent["execution_count"], agent["status"]) == (10, "COMPLETED")
    assert agent["success_rate"] == 100


def add(service: Service, user: str = "alice", version: str = "slv1") -> Any:
    return service.call(
        "add_store_agent_to_library", store_listing_version_id=version, user_id=user
    )


def test_a_listings_graph_comes_into_the_library_once(service: Service) -> None:
    agent = add(service)
    assert service.statements == 1
    assert agent["creator_name"] == "Unknown"
    assert (agent["graph_id"], agent["graph_version"], agent["settings"]) == ("g3", 1, SAFE)
    assert (agent["can_access_graph"], agent["owner_user_id"]) == (False, "alice")
    assert agent["input_schema"] == NOTHING
    assert set(agent) == set(listed(service)["agents"][0])
    assert add(service)["id"] == agent["id"]
    rows = service.rows(
        """SELECT "isCreatedByUser", "useGraphIsActiveVersion", settings, "creatorId", "imageUrl"
             FROM "LibraryAgent" WHERE "agentGraphId" = 'g3'"""
    )
    assert rows == [(False, False, SAFE, None, None)]
    assert add(service, "bob")["can_access_graph"] is True


@AS_OF_V0_6_48
def test_a_deleted_agent_comes_back_as_it_was(service: Service) -> None:
    put(
        service, "mine", "g3", 1, isDeleted=True, isArchived=True, isFavorite=True,
        updatedAt="2026-01-01", settings='"broken"', creatorId="p1",
    )  # fmt: skip
    agent = add(service)
    assert (agent["id"], agent["is_favorite"], agent["settings"]) == ("mine", True, SAFE)
    assert agent["creator_name"] == "Unknown"
    assert agent["updated_at"] == "2026-01-01T00:00:00Z"
    columns = """"isDeleted", "isArchived", "updatedAt" > '2026-01-02'"""
    row = f"""SELECT {columns} FROM "LibraryAgent" WHERE id = 'mine'"""
    assert service.rows(row) == [(False, True, True)]
    change(service, "LibraryAgent", "mine", updatedAt="2026-01-01")
    add(service)
    assert service.rows(row) == [(False, True, False)]  # nothing to do


def test_an_unreadable_graph_is_not_found(service: Service) -> None:
    with pytest.raises(NotFoundError) as caught:
        add(service, version="nope")
    assert (caught.value.status, caught.value.wire_type) == (400, "NotFoundError")
    for columns in ({"submissionStatus": "PENDING"}, {"isDeleted": True}):
        service.rows("""UPDATE "StoreListingVersion"
                           SET "submissionStatus" = 'APPROVED', "isDeleted" = false""")
        change(service, "StoreListingVersion", "slv1", **columns)
        with pytest.raises(NotFoundError):
            add(service)
        assert add(service, "bob")["graph_id"] == "g3"  # its owner


def test_nobody_has_a_library(service: Service) -> None:
    with pytest.raises(RecordNotFoundError):
        add(service, "nobody")


def test_adding_at_once_adds_once(service: Service) -> None:
    call = "add_store_agent_to_library", {
        "store_listing_version_id": "slv1", "user_id": "alice",
    }  # fmt: skip
    replies = service.together([call] * 32)
    assert len({reply["id"] for reply in replies}) == 1
