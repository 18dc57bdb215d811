"""What a library's folder looks like, and how one that isn't there is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.operations.missing import not_found

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.errors import NotFoundError

DEEPEST = 100
"""How deep folders can be put into each other here.

Whoever reads the tree decodes two levels of JSON for each of its own, and recurses.
"""

AGENTS: LiteralString = """(
               SELECT count(*)
                 FROM platform."LibraryAgent" AS agent
                WHERE agent."userId" = folder."userId"
                  AND agent."folderId" = folder."id"
                  AND NOT agent."isDeleted"
           )"""
FOLDERS: LiteralString = """(
               SELECT count(*)
                 FROM platform."LibraryFolder" AS child
                WHERE child."userId" = folder."userId"
                  AND child."parentId" = folder."id"
                  AND NOT child."isDeleted"
           )"""


def folder_document(
    agents: LiteralString = AGENTS, folders: LiteralString = FOLDERS
) -> LiteralString:
    """Return the document of a row of "LibraryFolder" AS folder.

    Args:
        agents: How many agents lie directly in it.
        folders: How many folders do.
    """
    return f"""
       json_build_object(
           'id', folder."id",
           'user_id', folder."userId",
           'name', folder."name",
           'icon', folder."icon",
           'color', folder."color",
           'parent_id', folder."parentId",
           'created_at', autogpt_db.iso_v1(folder."createdAt"),
           'updated_at', autogpt_db.iso_v1(folder."updatedAt"),
           'agent_count', {agents},
           'subfolder_count', {folders}
       )"""


def no_folder(capabilities: Capabilities, folder_id: str | None) -> NotFoundError:
    """Return the error of a user who has no such folder.

    Args:
        capabilities: What the database has.
        folder_id: The folder.
    """
    return not_found(capabilities, f"Folder #{folder_id} not found")
