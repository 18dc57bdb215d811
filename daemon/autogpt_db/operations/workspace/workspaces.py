"""Workspaces: one for each user, and how much lies in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import FEW_CALLS, Database, Merged, Reply, operation
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

_WORKSPACE: LiteralString = """
       json_build_object(
           'id', workspace."id",
           'user_id', workspace."userId",
           'created_at', autogpt_db.iso_v1(workspace."createdAt"),
           'updated_at', autogpt_db.iso_v1(workspace."updatedAt")
       )"""

# Every run asks for it when it starts, and all but a user's first find it: a read, which takes no
# lock, writes nothing and is answered while the database takes no writes.
_FIND = Merged(
    single=f"""
SELECT {_WORKSPACE}
  FROM platform."UserWorkspace" AS workspace
 WHERE workspace."userId" = %(user_id)s
""",
    batch=f"""
SELECT call.place, found.document
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, user_id text)
 CROSS JOIN LATERAL (
       SELECT {_WORKSPACE} AS document
         FROM platform."UserWorkspace" AS workspace
        WHERE workspace."userId" = call.user_id
       ) AS found
 WHERE {FEW_CALLS}
""",
    texts=("user_id",),
    reads=True,
)

# The row of somebody who was quicker stays as it is: it is written as it stands, to be returned.
MAKE = f"""
INSERT INTO platform."UserWorkspace" AS workspace ("id", "createdAt", "updatedAt", "userId")
VALUES (gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s)
    ON CONFLICT ("userId") DO UPDATE
   SET "updatedAt" = workspace."updatedAt"
RETURNING {_WORKSPACE}
"""

# Not merged: what it costs goes by how many files a workspace has, and nobody waits for a
# stranger's.
TOTAL_SIZE = """
SELECT COALESCE(sum("sizeBytes"), 0)
  FROM platform."UserWorkspaceFile"
 WHERE "workspaceId" = %(workspace_id)s AND NOT "isDeleted"
"""


@operation(reads=False, repeat=harmless("Returns what the first call has made."))
async def get_or_create_workspace(database: Database, user_id: str) -> Reply[models.Workspace]:
    """Return a user's workspace, made for a user who has none.

    Args:
        user_id: The user.

    Raises:
        ForeignKeyViolationError: There is no such user.
    """
    found = await database.merged(_FIND, {"user_id": user_id})
    return found or await database.json(MAKE, {"user_id": user_id})


@operation(reads=True)
async def get_workspace_total_size(database: Database, workspace_id: str) -> int:
    """Return how many bytes the files of a workspace have together.

    Args:
        workspace_id: The workspace; an unknown one has 0.

    Returns:
        Their bytes, deleted ones left out.
    """
    row = await database.row(TOTAL_SIZE, {"workspace_id": workspace_id})
    assert row is not None
    return int(row[0])
