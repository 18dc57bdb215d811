"""Sample calls of the methods for users' workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    FILE,
    FILE_PATH,
    NEW_FILE,
    USER_WITHOUT_WORKSPACE,
    WORKSPACE,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

OF_WORKSPACE = {"file_id": FILE, "workspace_id": WORKSPACE}

CALLS: Mapping[str, list[Arguments]] = {
    "count_workspace_files": [{"workspace_id": WORKSPACE, "path_prefix": "/documents/"}],
    "create_workspace_file": [
        {
            "workspace_id": WORKSPACE,
            "file_id": NEW_FILE,
            "name": "new.txt",
            "path": "/documents/new.txt",
            "storage_path": "local://new-file",
            "mime_type": "text/plain",
            "size_bytes": 10,
            "metadata": {"origin": "user-upload"},
        }
    ],
    "get_or_create_workspace": [{"user_id": USER_WITHOUT_WORKSPACE}],
    "get_workspace_file": [OF_WORKSPACE],
    "get_workspace_file_by_path": [{"workspace_id": WORKSPACE, "path": FILE_PATH}],
    "get_workspace_total_size": [{"workspace_id": WORKSPACE}],
    "list_workspace_files": [
        {"workspace_id": WORKSPACE, "path_prefix": "/documents/", "limit": 20},
        {"workspace_id": WORKSPACE, "include_deleted": True, "name_contains": "report"},
        {
            "workspace_id": WORKSPACE,
            "path_not_starts_with": "/sessions/",
            "metadata_equals": {"origin": "user-upload"},
            "metadata_not_equals": {},
            "folder_id": "wd1",
        },
        {"workspace_id": WORKSPACE, "root_only": True, "offset": 1, "limit": -5},
    ],
    "soft_delete_workspace_file": [OF_WORKSPACE],
}
