"""The folders of a user's library, made, renamed and moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.errors import (
    ForeignKeyViolationError,
    InvalidValueError,
    RecordNotFoundError,
    UniqueViolationError,
)
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.library.folder_documents import DEEPEST, folder_document, no_folder
from autogpt_db.operations.library.folder_locking import locked
from autogpt_db.signatures.repeats import harmful, harmless

if TYPE_CHECKING:
    from typing import LiteralString

NAME_TAKEN = "A folder with this name already exists in this location"
INTO_ITSELF = "Cannot move folder into its own descendant"
TOO_DEEP = f"Folders can lie in each other {DEEPEST} deep, and this would be deeper"


def _freed(parent_id: LiteralString, name: LiteralString, source: LiteralString) -> LiteralString:
    """Return the statement that takes a name off a deleted folder, which would keep it for ever.

    Args:
        parent_id: Where the folder lies, as SQL.
        name: The name, as SQL.
        source: Where both come from, in at most one row; there is none if nothing is to be done.
    """
    return f"""
    UPDATE platform."LibraryFolder" AS deleted
       SET "name" = deleted."name" || ' (deleted ' || deleted."id" || ')'
      FROM {source}
     WHERE deleted."userId" = %(user_id)s
       AND deleted."parentId" = {parent_id}
       AND deleted."name" = {name}
       AND deleted."isDeleted"
    RETURNING deleted."id\""""


# The folders from one up to the root; in a circle it ends beyond the deepest.
_ABOVE: LiteralString = f"""
    SELECT folder."id", folder."parentId", 1 AS depth
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(parent_id)s
       AND folder."userId" = %(user_id)s
       AND NOT folder."isDeleted"
     UNION ALL
    SELECT parent."id", parent."parentId", above.depth + 1
      FROM above
      JOIN platform."LibraryFolder" AS parent ON parent."id" = above."parentId"
     WHERE NOT parent."isDeleted" AND above.depth <= {DEEPEST}"""

_CREATE: LiteralString = f"""
WITH RECURSIVE above AS ({_ABOVE}
), wanted AS MATERIALIZED (
    SELECT %(parent_id)s::text AS parent_id
     WHERE %(parent_id)s::text IS NULL
        OR (SELECT max(above.depth) FROM above) < {DEEPEST}
), freed AS ({_freed("wanted.parent_id", "%(name)s", "wanted")}
), created AS (
    INSERT INTO platform."LibraryFolder"
           ("id", "createdAt", "updatedAt", "userId", "name", "icon", "color", "parentId")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), %(user_id)s,
           %(name)s, %(icon)s, %(color)s, wanted.parent_id
      FROM wanted, (SELECT count(*) AS folders FROM freed) AS freed
     WHERE freed.folders >= 0
    RETURNING *
)
SELECT %(parent_id)s::text IS NULL OR EXISTS (SELECT FROM above),
       (SELECT {folder_document("0", "0")} FROM created AS folder)
"""

_OWN: LiteralString = """
    SELECT folder.*
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(folder_id)s
       AND folder."userId" = %(user_id)s
       AND NOT folder."isDeleted\""""

_UPDATE: LiteralString = f"""
WITH target AS MATERIALIZED ({_OWN}
       FOR UPDATE
), freed AS ({_freed('target."parentId"', "%(name)s", "target")}
), changed AS (
    UPDATE platform."LibraryFolder" AS folder
       SET "name" = COALESCE(%(name)s, folder."name"),
           "icon" = COALESCE(%(icon)s, folder."icon"),
           "color" = COALESCE(%(color)s, folder."color"),
           "updatedAt" = autogpt_db.now_v1()
      FROM target, (SELECT count(*) AS folders FROM freed) AS freed
     WHERE folder."id" = target."id" AND freed.folders >= 0 AND %(changes)s
    RETURNING folder.*
)
SELECT {folder_document()}
  FROM (
       SELECT * FROM changed
        UNION ALL
       SELECT * FROM target WHERE NOT %(changes)s
       ) AS folder
"""

_MOVE: LiteralString = f"""
WITH RECURSIVE target AS MATERIALIZED ({_OWN}
), above AS ({_ABOVE}
), below AS (
    SELECT target."id", 1 AS depth
      FROM target
     UNION ALL
    SELECT child."id", below.depth + 1
      FROM below
      JOIN platform."LibraryFolder" AS child
           ON child."userId" = %(user_id)s AND child."parentId" = below."id"
     WHERE NOT child."isDeleted" AND below.depth <= {DEEPEST}
), looked AS MATERIALIZED (
    SELECT EXISTS (SELECT FROM target) AS has_folder,
           %(parent_id)s::text IS NULL OR EXISTS (SELECT FROM above) AS has_parent,
           EXISTS (SELECT FROM above WHERE above."id" = %(folder_id)s) AS into_itself,
           COALESCE((SELECT max(above.depth) FROM above), 0)
               + (SELECT max(below.depth) FROM below) > {DEEPEST} AS too_deep
), allowed AS MATERIALIZED (
    SELECT target."id", target."name"
      FROM target, looked
     WHERE looked.has_parent AND NOT looked.into_itself AND NOT looked.too_deep
), freed AS ({_freed("%(parent_id)s", 'allowed."name"', "allowed")}
), moved AS (
    UPDATE platform."LibraryFolder" AS folder
       SET "parentId" = %(parent_id)s,
           "updatedAt" = autogpt_db.now_v1()
      FROM allowed, (SELECT count(*) AS folders FROM freed) AS freed
     WHERE folder."id" = allowed."id" AND freed.folders >= 0
    RETURNING folder.*
)
SELECT looked.has_folder, looked.has_parent, looked.into_itself, looked.too_deep,
       (SELECT {folder_document()} FROM moved AS folder)
  FROM looked
"""


@operation(reads=False, repeat=harmful("Makes a second folder of that name, but only in the root."))
async def create_folder(
    database: Database,
    user_id: str,
    name: str,
    parent_id: str | None = None,
    icon: str | None = None,
    color: str | None = None,
) -> Reply[models.LibraryFolder]:
    """Make a folder in a user's library.

    Args:
        user_id: Whose library.
        name: The folder's name; several of one name may lie in the root, but not in a folder.
        parent_id: The folder that it lies in; null for none.
        icon: What it is shown with.
        color: The colour that it is shown in.

    Raises:
        NotFoundError: The user has no folder `parent_id`.
        InvalidValueError: The name is taken, or the folder would lie too deep.
        RecordNotFoundError: There is no such user.
    """
    parameters = {
        "user_id": user_id, "name": name, "parent_id": parent_id, "icon": icon, "color": color,
    }  # fmt: skip
    try:
        row = (
            await database.row(_CREATE, parameters)
            if parent_id is None
            else await locked(database, _CREATE, parameters)
        )
    except ForeignKeyViolationError as error:
        raise RecordNotFoundError(f"user {user_id}") from error
    except UniqueViolationError as error:
        raise InvalidValueError(NAME_TAKEN) from error
    assert row is not None, "a SELECT without FROM has one row"
    has_parent, created = row
    if not has_parent:
        raise no_folder(database.capabilities, parent_id)
    if created is None:
        raise InvalidValueError(TOO_DEEP)
    folder: bytes = created
    return folder


@operation(reads=False, repeat=harmless("Changes the same again."))
async def update_folder(
    database: Database,
    folder_id: str,
    user_id: str,
    name: str | None = None,
    icon: str | None = None,
    color: str | None = None,
) -> Reply[models.LibraryFolder]:
    """Change how a folder of a user's library is called and shown; what is null stays as it is.

    Args:
        folder_id: The folder.
        user_id: Whose library.
        name: Its name.
        icon: What it is shown with.
        color: The colour that it is shown in.

    Raises:
        NotFoundError: The user has no such folder.
        InvalidValueError: The name is taken.
    """
    parameters = {
        "folder_id": folder_id,
        "user_id": user_id,
        "name": name,
        "icon": icon,
        "color": color,
        "changes": any(value is not None for value in (name, icon, color)),
    }
    try:
        row = await database.row(_UPDATE, parameters)
    except UniqueViolationError as error:
        raise InvalidValueError(NAME_TAKEN) from error
    if row is None:
        raise no_folder(database.capabilities, folder_id)
    folder: bytes = row[0]
    return folder


@operation(reads=False, repeat=harmless("Moves it to where it is."))
async def move_folder(
    database: Database, folder_id: str, user_id: str, target_parent_id: str | None
) -> Reply[models.LibraryFolder]:
    """Move a folder of a user's library, with all that lies in it, into another or out of all.

    Args:
        folder_id: The folder.
        user_id: Whose library.
        target_parent_id: The folder that it is to lie in; null for none.

    Raises:
        NotFoundError: The user has no such folder, or none to move it into.
        InvalidValueError: It would lie in itself, or too deep, or its name is taken there.
    """
    parameters = {"folder_id": folder_id, "user_id": user_id, "parent_id": target_parent_id}
    try:
        row = await locked(database, _MOVE, parameters)
    except UniqueViolationError as error:
        raise InvalidValueError(NAME_TAKEN) from error
    assert row is not None, "a SELECT of aggregates has one row"
    has_folder, has_parent, into_itself, too_deep, moved = row
    if not has_folder:
        raise no_folder(database.capabilities, folder_id)
    if not has_parent:
        raise no_folder(database.capabilities, target_parent_id)
    if into_itself:
        raise InvalidValueError(INTO_ITSELF)
    if too_deep:
        raise InvalidValueError(TOO_DEEP)
    folder: bytes = moved
    return folder
