"""What users change of the agents in their libraries."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.errors import ArgumentsInvalidError, InvalidValueError, NotFoundError
from lock_waits import await_lock
from releases.building import LATEST
from releases.library_rows import INPUT, SAFE, columns, entry, started
from releases.rows import graph, insert, node

if TYPE_CHECKING:
    from releases.library_rows import Start


@pytest.mark.parametrize("state", ["v0.6.68", LATEST])
def test_what_is_given_is_changed_and_nothing_else(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    entry(service, "a", "g", 1, settings={"sensitive_action_safe_mode": True})
    insert(service, "LibraryFolder", id="f", userId="alice", name="Work")
    mine = {"library_agent_id": "a", "user_id": "alice"}
    changed = service.call("update_library_agent", **mine, is_favorite=True, folder_id="f")
    assert service.statements == 1
    assert (changed["is_favorite"], changed["folder_name"]) == (True, "Work")
    assert changed == service.call("get_library_agent", id="a", user_id="alice")
    assert changed["updated_at"] > "2026-01-01T00:00:00"
    more = {"auto_update_version": True, "is_archived": True, "is_hidden": True}
    changed = service.call("update_library_agent", **mine, **more)
    assert (changed["is_favorite"], changed["folder_id"], changed["is_hidden"]) == (True, "f", True)
    assert columns(service, "a", "useGraphIsActiveVersion", "isArchived") == (True, True)
    stored: dict[str, Any] = SAFE | {"sensitive_action_safe_mode": True}
    changes: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({"builder_chat_session_id": "c"}, {"builder_chat_session_id": "c"}),
        ({"human_in_the_loop_safe_mode": False}, {"human_in_the_loop_safe_mode": False}),
        ({"sensitive_action_safe_mode": None}, {"sensitive_action_safe_mode": False}),
        ({"builder_chat_session_id": None}, {"builder_chat_session_id": None}),
    ]
    for given, expected in changes:
        stored |= expected
        changed = service.call("update_library_agent", **mine, settings=given)
        assert changed["settings"] == stored, given


def test_another_version_takes_the_place_of_the_agent_that_has_it(service_in: Start) -> None:
    service = started(service_in, LATEST)
    entry(service, "a", "g", 1)
    entry(service, "b", "g", 2, isDeleted=True)
    node(service, "in", INPUT, "g", 2, name="topic", value=None)
    mine = {"library_agent_id": "a", "user_id": "alice"}
    changed = service.call("update_library_agent", **mine, graph_version=2, is_favorite=True)
    assert (changed["id"], changed["graph_version"], changed["is_favorite"]) == ("a", 2, True)
    assert list(changed["input_schema"]["properties"]) == ["topic"], "in full"
    assert service.rows('SELECT id, "agentGraphVersion" FROM "LibraryAgent"') == [("a", 2)]
    assert service.call("update_library_agent", **mine, graph_version=2)["id"] == "a"
    with pytest.raises(NotFoundError, match=r"^Failed to update library agent for g v7$"):
        service.call("update_library_agent", **mine, graph_version=7, is_favorite=False)
    assert columns(service, "a", "isFavorite") == (True,), "all of it or nothing"


def test_who_points_to_a_version_last_has_it(service_in: Start) -> None:
    service = started(service_in, LATEST)
    graph(service, "g", 3, name="Third")
    entry(service, "a", "g", 1)
    entry(service, "b", "g", 3)
    answers: list[Any] = []

    def change() -> None:
        asked = {"library_agent_id": "a", "user_id": "alice", "graph_version": 2}
        answers.append(service.call("update_library_agent", **asked)["id"])

    with psycopg.connect(service.url) as other:
        other.execute(
            """UPDATE platform."LibraryAgent" SET "agentGraphVersion" = 2 WHERE id = 'b'"""
        )
        changing = threading.Thread(target=change)
        changing.start()
        await_lock(service.url, what="the change to wait")
        other.commit()
        changing.join()
    assert answers == ["a"]
    assert service.rows('SELECT id, "agentGraphVersion" FROM "LibraryAgent"') == [("a", 2)]


def test_the_deleted_is_restored_and_otherwise_not_found(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    entry(service, "a", "g", 1, isDeleted=True)
    mine = {"library_agent_id": "a", "user_id": "alice"}
    refused: list[dict[str, Any]] = [
        {"graph_version": 2}, {"settings": {}}, {"settings": {}, "is_deleted": False},
    ]  # fmt: skip
    for given in refused:
        with pytest.raises(NotFoundError, match=r"^Library agent #a not found$"):
            service.call("update_library_agent", **mine, **given)
    assert columns(service, "a", "isDeleted", "agentGraphVersion") == (True, 1)
    with pytest.raises(NotFoundError):
        service.call("update_library_agent", **mine, is_favorite=True)
    assert columns(service, "a", "isFavorite") == (True,), "changed all the same, as AutoGPT does"
    restored = service.call("update_library_agent", **mine, is_deleted=False, graph_version=2)
    assert (restored["id"], restored["graph_version"]) == ("a", 2)


def test_a_change_that_makes_no_sense_is_refused(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    entry(service, "a", "g", 1)
    insert(service, "LibraryFolder", id="f", userId="bob", name="Work")
    insert(service, "LibraryFolder", id="gone", userId="alice", name="Old", isDeleted=True)
    mine = {"library_agent_id": "a", "user_id": "alice"}
    with pytest.raises(InvalidValueError, match=r"^No values were passed to update$"):
        service.call("update_library_agent", **mine)
    with pytest.raises(ArgumentsInvalidError) as failure:
        service.call("update_library_agent", **mine, is_deleted=True)
    assert failure.value.detail[0]["loc"] == ["body", "is_deleted"]
    for folder in ("f", "gone", "", "none"):
        with pytest.raises(NotFoundError, match=rf"^Folder #{folder} not found$"):
            service.call("update_library_agent", **mine, folder_id=folder, is_favorite=True)
    with pytest.raises(NotFoundError, match=r"^Library agent #a not found$"):
        service.call("update_library_agent", library_agent_id="a", user_id="bob", is_favorite=True)
    assert columns(service, "a", "isFavorite", "folderId") == (False, None)


def test_changes_of_one_setting_each_are_not_lost(service_in: Start) -> None:
    service = started(service_in, "v0.6.68", pool_size=8)
    entry(service, "a", "g", 1)
    given: list[dict[str, Any]] = [
        {"human_in_the_loop_safe_mode": False},
        {"sensitive_action_safe_mode": True},
        {"builder_chat_session_id": "c"},
    ]
    mine = {"library_agent_id": "a", "user_id": "alice"}
    answers = service.together(
        [("update_library_agent", {**mine, "settings": each}) for each in given * 4]
    )
    assert [each for each in answers if isinstance(each, Exception)] == []
    assert service.call("get_library_agent", id="a", user_id="alice")["settings"] == {
        name: value for each in given for name, value in each.items()
    }
