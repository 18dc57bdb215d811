"""How a file of a workspace is shown, and what its path looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _file(capabilities: Capabilities) -> LiteralString:
    folder: LiteralString = 'file."folderId"' if capabilities.file_folders else "NULL"
    return f"""
       json_build_object(
           'id', file."id",
           'workspace_id', file."workspaceId",
           'created_at', autogpt_db.iso_v1(file."createdAt"),
           'updated_at', autogpt_db.iso_v1(file."updatedAt"),
           'name', file."name",
           'path', file."path",
           'storage_path', file."storagePath",
           'mime_type', file."mimeType",
           'size_bytes', file."sizeBytes",
           'checksum', file."checksum",
           'is_deleted', file."isDeleted",
           'deleted_at', autogpt_db.iso_v1(file."deletedAt"),
           'folder_id', {folder},
           'metadata', CASE jsonb_typeof(file."metadata")
               WHEN 'object' THEN file."metadata"
               ELSE '{{}}'
           END
       )"""


FILE = ForSchema(_file)
"""A row of "UserWorkspaceFile" AS file, as the wire has it."""


def absolute(path: str) -> str:
    """Return a path, or the beginning of one, as it is stored: it starts with a slash."""
    return path if path.startswith("/") else f"/{path}"
