"""What users change of the agents in their libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError, UniqueViolationError
from autogpt_db.models import library_arguments
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.library.folder_documents import no_folder
from autogpt_db.operations.library.library_agent_documents import BLOCKS, agent_in_full, in_full
from autogpt_db.operations.library.library_agents import no_agent
from autogpt_db.operations.missing import not_found
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

GraphSettingsChanges = Annotated[JsonText, Document(library_arguments.GraphSettingsChanges)]
"""What comes of a GraphSettings: the rest stays as it is."""


def _update(capabilities: Capabilities) -> LiteralString:
    folder: LiteralString = """
    SELECT WHERE false"""
    changes: LiteralString = ""
    if capabilities.folders:
        folder = """
    SELECT
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(folder_id)s AND folder."userId" = %(user_id)s AND NOT folder."isDeleted"
       FOR SHARE"""
        changes = f"""{changes},
           "folderId" = COALESCE(%(folder_id)s, agent."folderId")"""
    if capabilities.hidden:
        changes = f"""{changes},
           "isHidden" = COALESCE(%(is_hidden)s, agent."isHidden")"""
    # The version is pointed to after the other agent of it is gone, which the count waits for.
    return f"""
WITH folder AS MATERIALIZED ({folder}
), target AS MATERIALIZED (
    SELECT agent."id", agent."agentGraphId", agent."isDeleted",
           %(graph_version)s::integer IS NULL
               OR EXISTS (
                      SELECT
                        FROM platform."AgentGraph" AS graph
                       WHERE graph."id" = agent."agentGraphId"
                         AND graph."version" = %(graph_version)s
                  ) AS has_version
      FROM platform."LibraryAgent" AS agent
     WHERE agent."id" = %(library_agent_id)s
       AND agent."userId" = %(user_id)s
       AND (%(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder))
       FOR UPDATE
), allowed AS (
    SELECT target.*
      FROM target
     WHERE target.has_version
       AND (%(settings)s::text IS NULL OR NOT target."isDeleted")
       AND (%(graph_version)s::integer IS NULL OR NOT target."isDeleted" OR %(restored)s)
), replaced AS (
    DELETE FROM platform."LibraryAgent" AS other
     USING allowed
     WHERE other."userId" = %(user_id)s
       AND other."agentGraphId" = allowed."agentGraphId"
       AND other."agentGraphVersion" = %(graph_version)s
       AND other."id" <> allowed."id"
    RETURNING other."id"
), changed AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "agentGraphVersion" = COALESCE(%(graph_version)s, agent."agentGraphVersion"),
           "useGraphIsActiveVersion"
               = COALESCE(%(auto_update_version)s, agent."useGraphIsActiveVersion"),
           "isFavorite" = COALESCE(%(is_favorite)s, agent."isFavorite"),
           "isArchived" = COALESCE(%(is_archived)s, agent."isArchived"),
           "isDeleted" = agent."isDeleted" AND NOT %(restored)s,
           "settings" = CASE
               WHEN %(settings)s::text IS NULL THEN agent."settings"
               ELSE autogpt_db.library_settings_v2(
                        COALESCE(
                            autogpt_db.library_settings_v2(agent."settings"),
                            autogpt_db.library_settings_v2('{{}}')
                        )
                        || %(settings)s::jsonb
                    )
           END,
           "updatedAt" = autogpt_db.now_v1(){changes}
      FROM allowed, (SELECT count(*) AS agents FROM replaced) AS replaced
     WHERE agent."id" = allowed."id" AND replaced.agents >= 0
    RETURNING agent.*
)
SELECT %(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder),
       (SELECT "agentGraphId" FROM target WHERE NOT has_version),
       shown.*
  FROM (SELECT) AS once
  LEFT JOIN ({in_full(capabilities, '(SELECT * FROM changed WHERE NOT "isDeleted")', listed=True)}
       ) AS shown (document, nodes, schemas) ON true
"""


UPDATE = ForSchema(_update)


@operation(
    reads=False,
    repeat=harmless("Changes the same again."),
    honoured={"folder_id": "folders", "is_hidden": "hidden"},
)
async def update_library_agent(
    database: Database,
    library_agent_id: str,
    user_id: str,
    auto_update_version: bool | None = None,
    graph_version: int | None = None,
    is_favorite: bool | None = None,
    is_archived: bool | None = None,
    is_hidden: bool | None = None,
    is_deleted: bool | None = None,
    settings: GraphSettingsChanges | None = None,
    folder_id: str | None = None,
) -> Reply[models.LibraryAgent]:
    """Change an agent of a user's library; what is null stays as it is.

    Args:
        library_agent_id: The agent.
        user_id: Whose library.
        auto_update_version: Whether it follows its graph's versions.
        graph_version: The version of its graph that it is to run; another agent of the library that
            runs this one is deleted.
        is_favorite: Whether it is a favourite.
        is_archived: Whether it is archived.
        is_hidden: Whether it is hidden.
        is_deleted: False takes it out of the bin; true is refused.
        settings: Those to change; the others stay.
        folder_id: The folder that it goes to. Out of all folders it goes by
            `bulk_move_agents_to_folder`.

    Returns:
        The agent, as `get_library_agent` returns it.

    Raises:
        InvalidValueError: There is nothing to change.
        NotFoundError: The user has no such folder, or no such agent that isn't deleted, or its
            graph has no such version.
        ArgumentsInvalidError: `is_deleted` is true.
    """
    if is_deleted:
        _refuse_deletion()
    changes = {
        "auto_update_version": auto_update_version,
        "graph_version": graph_version,
        "is_favorite": is_favorite,
        "is_archived": is_archived,
        "is_hidden": is_hidden,
        "settings": settings,
        "folder_id": folder_id,
    }
    restored = is_deleted is False
    if not restored and all(value is None for value in changes.values()):
        raise InvalidValueError("No values were passed to update")
    parameters = {
        **changes,
        **BLOCKS,
        "library_agent_id": library_agent_id,
        "user_id": user_id,
        "restored": restored,
    }
    try:
        row = await database.row(UPDATE(database.capabilities), parameters)
    except UniqueViolationError:
        # Another agent has just been pointed to this version; now it can be seen, and gives way.
        row = await database.row(UPDATE(database.capabilities), parameters)
    assert row is not None, "it is joined to one"
    has_folder, graph_without_version, *shown = row
    if not has_folder:
        raise no_folder(database.capabilities, folder_id)
    if graph_without_version is not None:
        raise not_found(
            database.capabilities,
            f"Failed to update library agent for {graph_without_version} v{graph_version}",
        )
    if shown[0] is None:
        raise no_agent(database, library_agent_id)
    return await agent_in_full(database, *shown)


def _refuse_deletion() -> None:
    problems = Problems()
    problems.add(
        "literal_error",
        ("body", "is_deleted"),
        "Input should be False: an agent is taken out of the bin here, and not put into it",
        True,
        expected="False",
    )
    problems.raise_any()
