"""Users' workspaces and the files in them."""

from __future__ import annotations

from typing import Any, TypedDict

from autogpt_db.models.marks import Moment


class Workspace(TypedDict):
    """What a user's files belong to: each user has one."""

    id: str
    user_id: str
    created_at: Moment
    updated_at: Moment


class WorkspaceFile(TypedDict):
    """A file's record; `storage_path` says where AutoGPT keeps its bytes."""

    id: str
    workspace_id: str
    created_at: Moment
    updated_at: Moment
    name: str
    path: str
    storage_path: str
    mime_type: str
    size_bytes: int
    checksum: str | None
    is_deleted: bool
    deleted_at: Moment | None
    folder_id: str | None
    metadata: dict[str, Any]
