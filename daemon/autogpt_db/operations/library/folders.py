"""The folders of a user's library, read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db import models
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.library.folder_documents import DEEPEST, folder_document
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

_encode = msgspec.json.Encoder().encode

# Counted once for all, and not folder by folder.
_COUNTED: LiteralString = f"""
    SELECT {folder_document("COALESCE(inside.total, 0)", "COALESCE(below.total, 0)")} AS document
      FROM platform."LibraryFolder" AS folder
      LEFT JOIN (
           SELECT agent."folderId" AS id, count(*) AS total
             FROM platform."LibraryAgent" AS agent
            WHERE agent."userId" = %(user_id)s
              AND agent."folderId" IS NOT NULL
              AND NOT agent."isDeleted"
            GROUP BY agent."folderId"
           ) AS inside
           ON inside.id = folder."id"
      LEFT JOIN (
           SELECT child."parentId" AS id, count(*) AS total
             FROM platform."LibraryFolder" AS child
            WHERE child."userId" = %(user_id)s
              AND child."parentId" IS NOT NULL
              AND NOT child."isDeleted"
            GROUP BY child."parentId"
           ) AS below
           ON below.id = folder."id"
     WHERE folder."userId" = %(user_id)s AND NOT folder."isDeleted\""""
_UNCOUNTED: LiteralString = f"""
    SELECT {folder_document("0", "0")} AS document
      FROM platform."LibraryFolder" AS folder
     WHERE folder."userId" = %(user_id)s AND NOT folder."isDeleted\""""
_BELOW: LiteralString = """
       AND folder."parentId" IS NOT DISTINCT FROM %(parent_id)s::text"""
_ORDER: LiteralString = """
     ORDER BY folder."createdAt", folder."id"
"""

LEVEL = listed(f"{_COUNTED}{_BELOW}{_ORDER}")
LEVEL_UNCOUNTED = listed(f"{_UNCOUNTED}{_BELOW}{_ORDER}")
ALL = listed(f"{_COUNTED}{_ORDER}")


@operation(reads=True)
async def list_folders(
    database: Database,
    user_id: str,
    parent_id: str | None = None,
    include_relations: bool = True,
) -> Reply[list[models.LibraryFolder]]:
    """List the folders of a user's library that lie directly in one, the oldest first.

    Args:
        user_id: Whose library.
        parent_id: The folder that they lie in; null for those that lie in none.
        include_relations: Whether to count what lies in each; else both counts are 0.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database,
        LEVEL if include_relations else LEVEL_UNCOUNTED,
        {"user_id": user_id, "parent_id": parent_id},
        narrow="ask for the folders of one folder",
    )


@operation(reads=True, heavy=True)
async def get_folder_tree(
    database: Database, user_id: str
) -> Reply[list[models.LibraryFolderTree]]:
    """Return all folders of a user's library as trees, the oldest first on every level.

    A folder stands at the root if the one that it lies in is deleted, and so does one that lies
    deeper than folders can be put here.

    Args:
        user_id: Whose library.

    Raises:
        ResultTooLargeError: There are more folders than the settings allow.
    """
    found = await fetch_list(
        database, ALL, {"user_id": user_id}, narrow="list them folder by folder"
    )
    trees: bytes = await database.computed(len(found), trees_of, found)
    return trees


def trees_of(folders: bytes) -> bytes:
    """Return folders as trees, in their order on every level.

    Those that lie in a circle are in none.

    Args:
        folders: JSON's array of them.
    """
    found: list[dict[str, Any]] = json.loads(folders)
    places = {folder["id"]: place for place, folder in enumerate(found)}
    inside: dict[str | None, list[dict[str, Any]]] = {}
    for folder in found:
        folder["children"] = []
        parent = folder["parent_id"]
        inside.setdefault(parent if parent in places else None, []).append(folder)
    roots = list(inside.get(None, ()))
    waiting = [(folder, 1) for folder in roots]
    while waiting:
        folder, depth = waiting.pop()
        children = inside.get(folder["id"], [])
        if depth < DEEPEST:
            folder["children"] = children
        else:
            roots += children
        waiting += [(child, depth + 1 if depth < DEEPEST else 1) for child in children]
    return _encode(sorted(roots, key=lambda folder: places[folder["id"]]))
