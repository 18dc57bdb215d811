"""What lies in folders of a library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from releases.building import LATEST
from releases.library_rows import entry, make, started
from releases.rows import graph, insert

if TYPE_CHECKING:
    from releases.library_rows import Start

STATES = ("v0.6.50", "v0.6.68", LATEST)


@pytest.mark.parametrize("state", STATES)
def test_agents_are_moved_in_the_order_asked_for(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    folder = make(service, "Work")
    for number, (key, columns) in enumerate(
        [("a", {}), ("b", {"isArchived": True}), ("c", {"isDeleted": True}), ("d", {})]
    ):
        graph(service, f"g{number}")
        entry(service, key, f"g{number}", **columns)
    graph(service, "his")
    entry(service, "bob's", "his", userId="bob")
    asked = ["d", "none", "c", "b", "bob's", "d", "a"]
    moved = service.call(
        "bulk_move_agents_to_folder", agent_ids=asked, folder_id=folder, user_id="alice"
    )
    assert service.statements == 1
    assert [(each["id"], each["folder_name"]) for each in moved] == [
        ("d", "Work"), ("b", "Work"), ("a", "Work"),
    ]  # fmt: skip
    assert service.value('SELECT count(*) FROM "LibraryAgent" WHERE "folderId" IS NOT NULL') == 3
    back = service.call(
        "bulk_move_agents_to_folder", agent_ids=["b"], folder_id=None, user_id="alice"
    )
    assert [(each["id"], each["folder_id"]) for each in back] == [("b", None)]
    nobody: dict[str, Any] = {"agent_ids": [], "folder_id": None, "user_id": "alice"}
    assert service.call("bulk_move_agents_to_folder", **nobody) == []


@pytest.mark.parametrize("state", STATES)
def test_folders_tell_in_short_which_agents_lie_in_them(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    insert(service, "LibraryFolder", id="bobs", userId="bob", name="His")
    folder = make(service, "Work")
    entry(service, "a", "g", 1, folderId=folder, updatedAt="2026-01-01")
    entry(service, "b", "g", 2, folderId=folder, updatedAt="2026-01-02")
    graph(service, "x")
    entry(service, "root", "x")
    graph(service, "y")
    entry(service, "archived", "y", isArchived=True)
    if state == LATEST:
        service.rows("""UPDATE "LibraryAgent" SET name = 'Mine' WHERE id = 'b'""")
    found = service.call(
        "get_folder_agents_map", user_id="alice", folder_ids=["bobs", folder, "none", folder]
    )
    assert service.statements == 1
    assert list(found) == ["bobs", folder, "none"]
    assert found == {
        "bobs": [],
        folder: [
            {
                "id": "b", "name": "Mine" if state == LATEST else "Second",
                "description": "About it",
            },
            {"id": "a", "name": "First", "description": ""},
        ],
        "none": [],
    }  # fmt: skip
    assert service.call("get_folder_agents_map", user_id="alice", folder_ids=[]) == {}
    assert service.call("get_root_agent_summaries", user_id="alice") == [
        {"id": "root", "name": "", "description": ""}
    ]
