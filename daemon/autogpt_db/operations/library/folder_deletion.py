"""The folders of a user's library, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations import Database, operation
from autogpt_db.operations.library.folder_documents import no_folder
from autogpt_db.operations.library.folder_locking import LOCK
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

# Each folder is looked at once, in a circle as well. What was deleted below goes with a row.
_FIND_BRANCH: LiteralString = """
WITH RECURSIVE branch AS (
    SELECT folder."id"
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(folder_id)s
       AND folder."userId" = %(user_id)s
       AND NOT folder."isDeleted"
     UNION
    SELECT child."id"
      FROM branch
      JOIN platform."LibraryFolder" AS child
           ON child."userId" = %(user_id)s AND child."parentId" = branch."id"
     WHERE NOT (child."isDeleted" AND %(soft_delete)s)
)
SELECT folder."id"
  FROM platform."LibraryFolder" AS folder
 WHERE folder."id" IN (SELECT branch."id" FROM branch)
 ORDER BY folder."id"
   FOR UPDATE
"""

_DELETE_BRANCH: LiteralString = """
WITH emptied AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "folderId" = NULL,
           "updatedAt" = autogpt_db.now_v1()
     WHERE agent."userId" = %(user_id)s
       AND agent."folderId" = ANY (%(folder_ids)s::text[])
    RETURNING agent."id"
), marked AS (
    UPDATE platform."LibraryFolder" AS folder
       SET "isDeleted" = true,
           "updatedAt" = autogpt_db.now_v1()
     WHERE folder."id" = ANY (%(folder_ids)s::text[]) AND %(soft_delete)s
)
DELETE FROM platform."LibraryFolder" AS folder
 USING (SELECT count(*) AS agents FROM emptied) AS emptied
 WHERE folder."id" = ANY (%(folder_ids)s::text[])
   AND emptied.agents >= 0
   AND NOT %(soft_delete)s
"""


@operation(reads=False, repeat=harmless("Finds no such folder any more, and raises NotFoundError."))
async def delete_folder(
    database: Database, folder_id: str, user_id: str, soft_delete: bool = True
) -> None:
    """Delete a folder of a user's library and those below it; agents in them go to the root.

    Args:
        folder_id: The folder.
        user_id: Whose library.
        soft_delete: Whether the folders are only marked as deleted.

    Raises:
        NotFoundError: The user has no such folder.
    """
    parameters = {"folder_id": folder_id, "user_id": user_id, "soft_delete": soft_delete}
    async with database.transaction() as transaction:
        await transaction.execute(LOCK, parameters)
        rows = await transaction.rows(_FIND_BRANCH, parameters)
        if rows:
            folder_ids = [row[0] for row in rows]
            await transaction.execute(_DELETE_BRANCH, {**parameters, "folder_ids": folder_ids})
    if not rows:
        raise no_folder(database.capabilities, folder_id)
