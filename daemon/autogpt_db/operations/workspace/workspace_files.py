"""Single files of a workspace: recorded, found and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import UniqueViolationError
from autogpt_db.operations import BigInteger, Database, JsonObject, Reply, operation
from autogpt_db.operations.workspace.workspace_file_documents import FILE, absolute
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class _Creating(NamedTuple):
    """How a file is recorded.

    Attributes:
        create: Records it, unless its id or its path is taken.
        taken: Returns who has the id, and whether that is this very file.
    """

    create: LiteralString
    taken: LiteralString


def _creating(capabilities: Capabilities) -> _Creating:
    document = FILE(capabilities)
    return _Creating(
        create=f"""
INSERT INTO platform."UserWorkspaceFile" AS file
       ("id", "createdAt", "updatedAt", "workspaceId", "name", "path", "storagePath", "mimeType",
        "sizeBytes", "checksum", "isDeleted", "metadata")
VALUES (%(file_id)s, autogpt_db.now_v1(), autogpt_db.now_v1(), %(workspace_id)s, %(name)s,
        %(path)s, %(storage_path)s, %(mime_type)s, %(size_bytes)s, %(checksum)s, false,
        %(metadata)s::jsonb)
    ON CONFLICT DO NOTHING
RETURNING {document}
""",
        taken=f"""
SELECT CASE
           WHEN file."workspaceId" = %(workspace_id)s
               AND file."path" = %(path)s
               AND file."storagePath" = %(storage_path)s
               AND NOT file."isDeleted"
           THEN {document}
       END
  FROM platform."UserWorkspaceFile" AS file
 WHERE file."id" = %(file_id)s
""",
    )


CREATING = ForSchema(_creating)

GET = ForSchema(
    lambda capabilities: (
        f"""
SELECT {FILE(capabilities)}
  FROM platform."UserWorkspaceFile" AS file
 WHERE file."id" = %(file_id)s
   AND file."workspaceId" = %(workspace_id)s
   AND NOT file."isDeleted"
"""
    )
)

GET_BY_PATH = ForSchema(
    lambda capabilities: (
        f"""
SELECT {FILE(capabilities)}
  FROM platform."UserWorkspaceFile" AS file
 WHERE file."workspaceId" = %(workspace_id)s
   AND file."path" = %(path)s
   AND NOT file."isDeleted"
"""
    )
)

# A deleted file makes room for another of its path. Two can be deleted from one path in a second:
# the later one's new path gets something more.
DELETE = ForSchema(
    lambda capabilities: (
        f"""
UPDATE platform."UserWorkspaceFile" AS file
   SET "isDeleted" = true,
       "deletedAt" = autogpt_db.now_v1(),
       "updatedAt" = autogpt_db.now_v1(),
       "path" = (
           SELECT wanted.path || CASE
                      WHEN EXISTS (
                          SELECT
                            FROM platform."UserWorkspaceFile" AS other
                           WHERE other."workspaceId" = file."workspaceId"
                             AND other."path" = wanted.path
                      )
                      THEN '_' || gen_random_uuid()
                      ELSE ''
                  END
             FROM (
                  SELECT file."path" || '__deleted__' || floor(extract(epoch FROM now())) AS path
                  ) AS wanted
       )
 WHERE file."id" = %(file_id)s
   AND file."workspaceId" = %(workspace_id)s
   AND NOT file."isDeleted"
RETURNING {FILE(capabilities)}
"""
    )
)


@operation(reads=False, repeat=harmless("Returns the file that the first call has recorded."))
async def create_workspace_file(
    database: Database,
    workspace_id: str,
    file_id: str,
    name: str,
    path: str,
    storage_path: str,
    mime_type: str,
    size_bytes: BigInteger,
    checksum: str | None = None,
    metadata: JsonObject | None = None,
) -> Reply[models.WorkspaceFile]:
    """Record a file in a workspace; nothing that is there is overwritten.

    Args:
        workspace_id: The workspace.
        file_id: The file's id.
        name: Its name.
        path: Where it lies in the workspace; a leading slash is added.
        storage_path: Where its bytes are.
        mime_type: What they are.
        size_bytes: How many they are.
        checksum: Their checksum.
        metadata: Whatever else is to be known of it.

    Returns:
        The file. One that is there under this id, with the same path and bytes at the same place,
        is returned as it is: a call that was repeated because its answer was lost.

    Raises:
        UniqueViolationError: The id or the path is another file's.
        ForeignKeyViolationError: There is no such workspace.
    """
    statements = CREATING(database.capabilities)
    parameters = {
        "workspace_id": workspace_id,
        "file_id": file_id,
        "name": name,
        "path": absolute(path),
        "storage_path": storage_path,
        "mime_type": mime_type,
        "size_bytes": size_bytes,
        "checksum": checksum,
        "metadata": "{}" if metadata is None else metadata,
    }
    created = await database.json(statements.create, parameters)
    if created is not None:
        return created
    taken = await database.row(statements.taken, parameters)
    if taken is None:
        raise UniqueViolationError("`workspaceId`,`path`")
    document: bytes | None = taken[0]
    if document is None:
        raise UniqueViolationError("`id`")
    return document


@operation(reads=True)
async def get_workspace_file(
    database: Database, file_id: str, workspace_id: str
) -> Reply[models.WorkspaceFile | None]:
    """Return a file of a workspace; null where there is none, or where it has been deleted.

    Args:
        file_id: The file.
        workspace_id: The workspace that it must belong to.
    """
    return await database.json(
        GET(database.capabilities), {"file_id": file_id, "workspace_id": workspace_id}
    )


@operation(reads=True)
async def get_workspace_file_by_path(
    database: Database, workspace_id: str, path: str
) -> Reply[models.WorkspaceFile | None]:
    """Return the file at a path of a workspace; null where there is none, or where it was deleted.

    Args:
        workspace_id: The workspace.
        path: The path; a leading slash is added.
    """
    return await database.json(
        GET_BY_PATH(database.capabilities), {"workspace_id": workspace_id, "path": absolute(path)}
    )


@operation(reads=False, repeat=harmless("Finds no such file any more, and returns null."))
async def soft_delete_workspace_file(
    database: Database, file_id: str, workspace_id: str
) -> Reply[models.WorkspaceFile | None]:
    """Mark a file of a workspace as deleted, and free its path for another.

    Args:
        file_id: The file.
        workspace_id: The workspace that it must belong to.

    Returns:
        The file as it is now, its path with `__deleted__` and the unix time behind it; null where
        there is none, or where it was deleted before.
    """
    statement = DELETE(database.capabilities)
    parameters = {"file_id": file_id, "workspace_id": workspace_id}
    try:
        return await database.json(statement, parameters)
    except UniqueViolationError:
        # Somebody has taken the new path since the statement began; the next one sees that.
        return await database.json(statement, parameters)
