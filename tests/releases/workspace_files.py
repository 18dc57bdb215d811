"""What tests of workspaces share: people with workspaces, and files in them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

PEOPLE = """
INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now()),
                                                   ('ben', 'ben@example.com', now())
"""
numbers = itertools.count()


def started(serve: Serve, state: str = LATEST, **sections: Any) -> Service:
    """Return the operations on a new database in which there are ann and ben."""
    service = serve(state, **sections)
    service.rows(PEOPLE)
    return service


def workspace_of(service: Service, user: str = "ann") -> str:
    """Return a user's workspace."""
    found: str = service.call("get_or_create_workspace", user_id=user)["id"]
    return found


def file(workspace: str, path: str, **others: Any) -> dict[str, Any]:
    """Return the arguments that record a new file."""
    identifier = others.get("file_id", f"f{next(numbers)}")
    return {
        "workspace_id": workspace,
        "file_id": identifier,
        "name": path.rpartition("/")[2],
        "path": path,
        "storage_path": f"local://{identifier}",
        "mime_type": "text/plain",
        "size_bytes": 1,
        **others,
    }


def put(service: Service, workspace: str, path: str, **others: Any) -> Any:
    """Record a file, and return it."""
    return service.call("create_workspace_file", **file(workspace, path, **others))


def paths(service: Service, workspace: str, **filters: Any) -> set[str]:
    """Return where the files lie that a list holds."""
    return {
        each["path"]
        for each in service.call("list_workspace_files", workspace_id=workspace, **filters)
    }
