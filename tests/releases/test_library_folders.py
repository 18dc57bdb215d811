"""Folders of a library: made, shown, renamed, moved, deleted, and what lies in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    InvalidValueError,
    NotFoundError,
    RecordNotFoundError,
    ResultTooLargeError,
)
from autogpt_db.operations.library.folder_documents import DEEPEST
from autogpt_db.settings import LimitsSettings
from releases.building import LATEST
from releases.library_rows import chain, entry, make, move, shape, started
from releases.rows import graph, insert

if TYPE_CHECKING:
    from releases.library_rows import Start

STATES = ("v0.6.50", "v0.6.68", LATEST)
TAKEN = r"^A folder with this name already exists in this location$"


@pytest.mark.parametrize("state", STATES)
def test_folders_are_made_and_shown_with_what_lies_in_them(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    made = service.call("create_folder", user_id="alice", name="Work", icon="i", color="#fff")
    assert service.statements == 1
    work = made["id"]
    assert made == {
        "id": work, "user_id": "alice", "name": "Work", "icon": "i", "color": "#fff",
        "parent_id": None, "created_at": made["created_at"], "updated_at": made["created_at"],
        "agent_count": 0, "subfolder_count": 0,
    }  # fmt: skip
    inner = make(service, "Inner", work)
    assert service.statements == 2
    gone = make(service, "Gone", work)
    service.call("delete_folder", folder_id=gone, user_id="alice")
    entry(service, "a", "g", 1, folderId=work, isArchived=True)
    entry(service, "b", "g", 2, folderId=work, isDeleted=True)
    (shown,) = service.call("list_folders", user_id="alice")
    assert service.statements == 1
    assert shown == made | {"agent_count": 1, "subfolder_count": 1}
    (below,) = service.call("list_folders", user_id="alice", parent_id=work)
    assert (below["id"], below["parent_id"]) == (inner, work)
    (plain,) = service.call("list_folders", user_id="alice", include_relations=False)
    assert plain == made
    for odd in ({"parent_id": ""}, {"parent_id": "none"}, {"user_id": "bob"}):
        assert service.call("list_folders", **{"user_id": "alice"} | odd) == []
    (tree,) = service.call("get_folder_tree", user_id="alice")
    assert tree == shown | {"children": [below | {"children": []}]}


@pytest.mark.parametrize("state", STATES)
def test_what_is_not_the_users_is_not_found(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    insert(service, "LibraryFolder", id="bobs", userId="bob", name="His")
    insert(service, "LibraryFolder", id="gone", userId="alice", name="Old", isDeleted=True)
    mine = make(service, "Mine")
    entry(service, "a", "g", 1)
    alice = {"user_id": "alice"}
    for folder in ("bobs", "gone", "none", ""):
        for method, arguments in (
            ("create_folder", {"name": "x", "parent_id": folder}),
            ("update_folder", {"folder_id": folder, "name": "x"}),
            ("update_folder", {"folder_id": folder}),
            ("move_folder", {"folder_id": folder, "target_parent_id": None}),
            ("move_folder", {"folder_id": mine, "target_parent_id": folder}),
            ("delete_folder", {"folder_id": folder}),
            ("bulk_move_agents_to_folder", {"folder_id": folder, "agent_ids": ["a"]}),
        ):
            with pytest.raises(NotFoundError, match=rf"^Folder #{folder} not found$") as failure:
                service.call(method, **alice, **arguments)
            assert failure.value.status == (404 if state == LATEST else 400)
    with pytest.raises(RecordNotFoundError):
        service.call("create_folder", user_id="nobody", name="x")
    assert service.rows('SELECT "folderId" FROM "LibraryAgent"') == [(None,)]
    assert service.value('SELECT count(*) FROM "LibraryFolder"') == 3


def test_a_name_is_taken_in_a_folder_but_not_in_the_root(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    work, other = make(service, "Work"), make(service, "Work")
    inner = make(service, "Inner", work)
    second = make(service, "Second", work)
    with pytest.raises(InvalidValueError, match=TAKEN):
        make(service, "Inner", work)
    with pytest.raises(InvalidValueError, match=TAKEN):
        service.call("update_folder", folder_id=second, user_id="alice", name="Inner")
    elsewhere = make(service, "Inner", other)
    with pytest.raises(InvalidValueError, match=TAKEN):
        move(service, elsewhere, work)
    service.call("delete_folder", folder_id=inner, user_id="alice")
    assert move(service, elsewhere, work)["name"] == "Inner", "a deleted one doesn't keep it"
    service.call("delete_folder", folder_id=elsewhere, user_id="alice")
    service.call("update_folder", folder_id=second, user_id="alice", name="Inner")
    service.call("delete_folder", folder_id=second, user_id="alice")
    make(service, "Inner", work)
    tree = service.call("get_folder_tree", user_id="alice")
    below = {folder["id"]: [each["name"] for each in folder["children"]] for folder in tree}
    assert below == {work: ["Inner"], other: []}
    assert service.value('SELECT count(*) FROM "LibraryFolder" WHERE "isDeleted"') == 3


def test_what_is_given_is_changed(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    insert(service, "LibraryFolder", id="f", userId="alice", name="Work", icon="i", color="c")
    unchanged = service.call("update_folder", folder_id="f", user_id="alice")
    assert unchanged["updated_at"] == "2026-01-01T00:00:00Z"
    changed = service.call("update_folder", folder_id="f", user_id="alice", icon="")
    assert (changed["name"], changed["icon"], changed["color"]) == ("Work", "", "c")
    assert changed["updated_at"] > "2026-01-02"
    changed = service.call("update_folder", folder_id="f", user_id="alice", name="", color="d")
    assert (changed["name"], changed["icon"], changed["color"]) == ("", "", "d")


def test_a_folder_goes_nowhere_below_itself(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    a = make(service, "a")
    b = make(service, "b", a)
    c = make(service, "c", b)
    for target in (a, b, c):
        with pytest.raises(InvalidValueError, match=r"^Cannot move folder into its own descendant"):
            move(service, a, target)
    assert shape(service) == {"a": {"b": {"c": {}}}}
    assert move(service, c, a)["parent_id"] == a
    assert move(service, b, c)["parent_id"] == c
    assert shape(service) == {"a": {"c": {"b": {}}}}
    assert move(service, c, None)["parent_id"] is None
    assert shape(service) == {"a": {}, "c": {"b": {}}}


def test_opposite_moves_at_once_make_no_circle(service_in: Start) -> None:
    service = started(service_in, "v0.6.68", pool_size=8)
    keys = [make(service, name) for name in "abcd"]
    calls = [
        ("move_folder", {"folder_id": one, "user_id": "alice", "target_parent_id": other})
        for one in keys for other in keys if one != other
    ]  # fmt: skip
    for _ in range(3):
        answers = service.together(calls)
        refused = [each for each in answers if isinstance(each, Exception)]
        assert {type(each) for each in refused} <= {InvalidValueError}
        assert sum(1 for _ in flattened(shape(service))) == 4, "none has gone out of sight"


def flattened(tree: dict[str, Any]) -> Any:
    for name, below in tree.items():
        yield name
        yield from flattened(below)


def test_depth_is_bounded(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    keys = chain(service, DEEPEST - 1)
    deepest = make(service, "deepest", keys[-1])
    with pytest.raises(InvalidValueError, match=r"deep"):
        make(service, "deeper", deepest)
    branch = make(service, "branch")
    leaf = make(service, "leaf", branch)
    with pytest.raises(InvalidValueError, match=r"deep"):
        move(service, branch, keys[-1])
    assert move(service, leaf, keys[-1])["parent_id"] == keys[-1]
    # What others have put deeper stands at the root, and so does what lies in a deleted one.
    insert(service, "LibraryFolder", id="deeper", userId="alice", name="deeper", parentId=deepest)
    insert(service, "LibraryFolder", id="x", userId="alice", name="x", parentId="deeper")
    assert shape(service).keys() == {"f0", "branch", "deeper"}
    assert shape(service)["deeper"] == {"x": {}}
    service.rows("""UPDATE "LibraryFolder" SET "isDeleted" = true WHERE id = 'f0'""")
    assert shape(service).keys() == {"f1", "branch", "x"}
    assert len(list(flattened(shape(service)))) == DEEPEST + 3


def test_folders_in_a_circle_are_in_no_tree(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    chain(service, 3)
    service.rows("""UPDATE "LibraryFolder" SET "parentId" = 'f2' WHERE id = 'f0'""")
    make(service, "free")
    assert shape(service) == {"free": {}}
    with pytest.raises(InvalidValueError):
        make(service, "inside", "f1")
    service.call("delete_folder", folder_id="f1", user_id="alice")
    assert service.value('SELECT count(*) FROM "LibraryFolder" WHERE "isDeleted"') == 3


@pytest.mark.parametrize("soft", [True, False])
@pytest.mark.parametrize("state", ["v0.6.50", LATEST])
def test_a_folder_goes_with_those_below_it_and_without_agents(
    service_in: Start, state: str, soft: bool
) -> None:
    service = started(service_in, state)
    top = make(service, "top")
    inner = make(service, "inner", top)
    gone = make(service, "gone", inner)
    stays = make(service, "stays")
    service.call("delete_folder", folder_id=gone, user_id="alice")
    for number, (key, folder, columns) in enumerate(
        [
            ("in top", top, {}), ("in inner", inner, {"isDeleted": True}),
            ("in stays", stays, {}), ("in gone", gone, {}),
        ]
    ):  # fmt: skip
        graph(service, f"g{number}")
        entry(service, key, f"g{number}", folderId=folder, updatedAt="2026-01-01", **columns)
    service.call("delete_folder", folder_id=top, user_id="alice", soft_delete=soft)
    assert service.statements == 3
    moved = {
        row[0] for row in service.rows('SELECT id FROM "LibraryAgent" WHERE "folderId" IS NULL')
    }
    assert moved == {"in top", "in inner"} | (set() if soft else {"in gone"})
    assert shape(service) == {"stays": {}}
    assert service.value('SELECT count(*) FROM "LibraryFolder"') == (4 if soft else 1)
    newer = service.value(
        """SELECT count(*) FROM "LibraryAgent" WHERE "updatedAt" > '2026-01-02'"""
    )
    assert newer == len(moved)
    with pytest.raises(NotFoundError):
        service.call("delete_folder", folder_id=top, user_id="alice", soft_delete=soft)


def test_nothing_is_left_in_a_folder_that_is_deleted_meanwhile(service_in: Start) -> None:
    service = started(service_in, LATEST, pool_size=8)
    entry(service, "a", "g", 1)
    for _ in range(5):
        folder = make(service, "busy")
        answers = service.together(
            [
                ("create_folder", {"user_id": "alice", "name": "inner", "parent_id": folder}),
                (
                    "bulk_move_agents_to_folder",
                    {"agent_ids": ["a"], "folder_id": folder, "user_id": "alice"},
                ),
                ("delete_folder", {"folder_id": folder, "user_id": "alice"}),
                (
                    "update_library_agent",
                    {"library_agent_id": "a", "user_id": "alice", "folder_id": folder},
                ),
            ]
        )
        assert {type(each) for each in answers if isinstance(each, Exception)} <= {
            type(answers[1]), type(answers[0]), type(answers[3])
        }  # fmt: skip
        assert answers[2] is None
        lost = service.rows(
            """SELECT agent.id FROM "LibraryAgent" AS agent
                 JOIN "LibraryFolder" AS folder ON folder.id = agent."folderId"
                WHERE folder."isDeleted"
                UNION ALL
               SELECT child.id FROM "LibraryFolder" AS child
                 JOIN "LibraryFolder" AS parent ON parent.id = child."parentId"
                WHERE parent."isDeleted" AND NOT child."isDeleted" """
        )
        assert lost == []


def test_long_lists_are_refused_with_what_narrows_them(service_in: Start) -> None:
    service = started(service_in, "v0.6.68", limits=LimitsSettings(rows=2, result_bytes=400))
    for name in "abc":
        make(service, name)
    for method in ("list_folders", "get_folder_tree"):
        with pytest.raises(ResultTooLargeError):
            service.call(method, user_id="alice")
    with pytest.raises(ResultTooLargeError, match=r"fewer folders"):
        service.call("get_folder_agents_map", user_id="alice", folder_ids=["x" * 50] + [
            f"{number:050}" for number in range(10)
        ])  # fmt: skip
