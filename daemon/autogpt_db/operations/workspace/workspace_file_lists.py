"""Lists of a workspace's files, and how long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError
from autogpt_db.operations import (
    BigInteger,
    Database,
    JsonObject,
    Limit,
    Reply,
    operation,
)
from autogpt_db.operations.filters import Ordering, containing, limited, present
from autogpt_db.operations.workspace.workspace_file_documents import FILE, absolute
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

_LIVE: LiteralString = '\n AND NOT file."isDeleted"'
_COMMON_FILTERS: dict[str, LiteralString] = {
    "path_prefix": 'starts_with(file."path", %(path_prefix)s::text)',
    "path_not_starts_with": 'NOT starts_with(file."path", %(path_not_starts_with)s::text)',
    "name_contains": 'file."name" ILIKE %(name_contains)s',
    "metadata_equals": 'file."metadata" = %(metadata_equals)s::jsonb',
    "metadata_not_equals": 'file."metadata" <> %(metadata_not_equals)s::jsonb',
}
# Where files lie in no folders, none lies in this one, and all lie outside.
_FILTERS = ForSchema(
    lambda capabilities: {
        **_COMMON_FILTERS,
        "folder_id": 'file."folderId" = %(folder_id)s' if capabilities.file_folders else "false",
        "root_only": 'file."folderId" IS NULL' if capabilities.file_folders else "true",
    }
)
_NEWEST_FIRST = Ordering(
    forward='file."createdAt" DESC, file.ctid', backward='file."createdAt", file.ctid DESC'
)
_FILES: LiteralString = 'platform."UserWorkspaceFile" AS file'
_OF_WORKSPACE: LiteralString = 'file."workspaceId" = %(workspace_id)s'
_COUNT: LiteralString = f"""
SELECT count(*)
  FROM {_FILES}
 WHERE {_OF_WORKSPACE}"""


@operation(reads=True, heavy=True)
async def list_workspace_files(
    database: Database,
    workspace_id: str,
    path_prefix: str | None = None,
    path_not_starts_with: str | None = None,
    include_deleted: bool = False,
    limit: Limit | None = None,
    offset: BigInteger = 0,
    name_contains: str | None = None,
    metadata_equals: JsonObject | None = None,
    metadata_not_equals: JsonObject | None = None,
    folder_id: str | None = None,
    root_only: bool = False,
) -> Reply[list[models.WorkspaceFile]]:
    """List files of a workspace, newest first.

    Args:
        workspace_id: The workspace; an unknown one has none.
        path_prefix: Only those whose path begins so, every character taken literally; a leading
            slash is added.
        path_not_starts_with: Only those whose path doesn't begin so.
        include_deleted: Deleted ones as well.
        limit: At most so many; a negative number means as many from the end.
        offset: Leave out so many of the first; with a negative limit, of the last.
        name_contains: Only those with this in their name, in any letter case, every character
            taken literally.
        metadata_equals: Only those with these metadata and no others; an empty object is compared,
            too.
        metadata_not_equals: Only those with other metadata.
        folder_id: Only those in this folder; in a database without folders there are none.
        root_only: Only those in no folder, unless `folder_id` names one.

    Raises:
        InvalidValueError: The offset is negative.
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    if offset < 0:
        raise InvalidValueError(f"offset is {offset}; it must not be negative.")
    capabilities = database.capabilities
    arguments = {
        "path_prefix": path_prefix and absolute(path_prefix),
        "path_not_starts_with": path_not_starts_with and absolute(path_not_starts_with),
        "name_contains": name_contains and containing(name_contains),
        "metadata_equals": metadata_equals,
        "metadata_not_equals": metadata_not_equals,
        "folder_id": folder_id,
        "root_only": root_only and not folder_id,
    }
    filters, parameters = present(_FILTERS(capabilities), arguments)
    source, parameters["limit"] = limited(
        _FILES,
        _OF_WORKSPACE + ("" if include_deleted else _LIVE) + filters,
        _NEWEST_FIRST,
        limit,
        skips=bool(offset),
    )
    parameters |= {"workspace_id": workspace_id, "offset": offset}
    documents = f"SELECT {FILE(capabilities)} AS document {source}"
    return await fetch_list(
        database,
        listed(f"SELECT found.document FROM ({documents}) AS found"),
        parameters,
        narrow="give more filters, or a limit",
    )


@operation(reads=True, heavy=True)
async def count_workspace_files(
    database: Database,
    workspace_id: str,
    path_prefix: str | None = None,
    include_deleted: bool = False,
) -> int:
    """Count files of a workspace, by the filters of `list_workspace_files`.

    Args:
        workspace_id: The workspace; an unknown one has none.
        path_prefix: Only those whose path begins so.
        include_deleted: Deleted ones as well.
    """
    arguments = {"path_prefix": path_prefix and absolute(path_prefix)}
    filters, parameters = present(_COMMON_FILTERS, arguments)
    parameters["workspace_id"] = workspace_id
    found = await database.row(_COUNT + ("" if include_deleted else _LIVE) + filters, parameters)
    assert found is not None
    count: int = found[0]
    return count
