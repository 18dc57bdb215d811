"""Library agents for tests, in whatever columns a release's tables have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from releases.rows import graph, insert, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Start = Callable[..., Service]

INPUT = "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b"
OUTPUT = "363ae599-353e-4804-937e-b2ee3cef3da4"
EXECUTOR = "e189baac-8c20-45a1-94a7-55177ea42565"
NOTHING = {"type": "object", "properties": {}, "required": []}
SAFE = {
    "human_in_the_loop_safe_mode": True,
    "sensitive_action_safe_mode": False,
    "builder_chat_session_id": None,
}


def entry(service: Service, key: str, of: str, version: int = 1, **columns: Any) -> None:
    """Insert an agent of alice's library."""
    insert(
        service, "LibraryAgent", id=key, agentGraphId=of, agentGraphVersion=version,
        **{"userId": "alice"} | columns,
    )  # fmt: skip


def started(service_in: Start, state: str, **sections: Any) -> Service:
    """Return the operations on a database with two users and two versions of alice's graph."""
    service = service_in(state, **sections)
    user(service, "alice", "bob")
    graph(service, "g", 1, name="First")
    graph(service, "g", 2, name="Second", description="About it")
    return service


def columns(service: Service, key: str, *names: str) -> tuple[Any, ...]:
    """Return what stands in columns of an agent."""
    listed_names = ", ".join(f'"{name}"' for name in names)
    (row,) = service.rows(f'SELECT {listed_names} FROM "LibraryAgent" WHERE id = %(it)s', it=key)
    return tuple(row)


def model(key: str = "g", version: int = 1, *below: tuple[str, int], **more: Any) -> dict[str, Any]:
    """Return a GraphModel with graphs below it."""
    return {
        "id": key, "version": version, "name": "", "description": "", "user_id": "alice",
        "created_at": "2026-01-01T00:00:00Z",
        "sub_graphs": [{"id": each, "version": number} for each, number in below],
    } | more  # fmt: skip


def make(service: Service, name: str, parent: str | None = None, **more: Any) -> str:
    """Make a folder of alice's, and return its id."""
    made = service.call("create_folder", user_id="alice", name=name, parent_id=parent, **more)
    key: str = made["id"]
    return key


def move(service: Service, folder: str, parent: str | None) -> Any:
    """Move a folder of alice's."""
    return service.call("move_folder", folder_id=folder, user_id="alice", target_parent_id=parent)


def shape(service: Service) -> Any:
    """Return the names of alice's folders as a tree."""

    def names(folders: list[dict[str, Any]]) -> Any:
        return {folder["name"]: names(folder["children"]) for folder in folders}

    return names(service.call("get_folder_tree", user_id="alice"))


def chain(service: Service, length: int, prefix: str = "f") -> list[str]:
    """Insert folders of which each lies in the one before."""
    keys = [f"{prefix}{number}" for number in range(length)]
    for number, key in enumerate(keys):
        insert(
            service, "LibraryFolder", id=key, userId="alice", name=key,
            parentId=keys[number - 1] if number else None,
        )  # fmt: skip
    return keys
