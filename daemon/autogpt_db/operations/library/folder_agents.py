"""Which agents lie in which folders of a user's library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.library.folder_documents import no_folder
from autogpt_db.operations.library.library_agent_documents import in_short
from autogpt_db.signatures.bounds import fetch_document, fetch_list, listed
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_MOVED: LiteralString = """(
       SELECT moved.*, array_position(%(agent_ids)s::text[], moved."id") AS place
         FROM moved
       )"""


def _move(capabilities: Capabilities) -> LiteralString:
    # The agents' rows are locked in one order, so that two moves of the same ones don't block
    # each other.
    return f"""
WITH folder AS MATERIALIZED (
    SELECT
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(folder_id)s AND folder."userId" = %(user_id)s AND NOT folder."isDeleted"
       FOR SHARE
), chosen AS MATERIALIZED (
    SELECT agent."id"
      FROM platform."LibraryAgent" AS agent
     WHERE agent."id" = ANY (%(agent_ids)s::text[])
       AND agent."userId" = %(user_id)s
       AND NOT agent."isDeleted"
       AND (%(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder))
     ORDER BY agent."id"
       FOR UPDATE
), moved AS (
    UPDATE platform."LibraryAgent" AS agent
       SET "folderId" = %(folder_id)s,
           "updatedAt" = autogpt_db.now_v1()
      FROM chosen
     WHERE agent."id" = chosen."id"
    RETURNING agent.*
)
SELECT %(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder),
       (
           SELECT COALESCE(json_agg(agents.document ORDER BY agents.place), '[]')
             FROM ({in_short(capabilities, _MOVED, "agent.place", ", agent.place", ", agent.place")}
                  ) AS agents
       )
"""


MOVE = ForSchema(_move)


def _summary(capabilities: Capabilities) -> LiteralString:
    own: LiteralString = ""
    described: LiteralString = ""
    if capabilities.last_run:
        own = 'agent."name", '
        described = 'agent."description", '
    return f"""json_build_object(
               'id', agent."id",
               'name', COALESCE({own}graph."name", ''),
               'description', COALESCE({described}graph."description", '')
           )"""


_GRAPH: LiteralString = """
      JOIN platform."AgentGraph" AS graph
           ON graph."id" = agent."agentGraphId" AND graph."version" = agent."agentGraphVersion\""""

IN_FOLDERS = ForSchema(
    lambda capabilities: (
        f"""
WITH asked AS (
    SELECT folder.id, min(folder.place) AS place
      FROM unnest(%(folder_ids)s::text[]) WITH ORDINALITY AS folder (id, place)
     GROUP BY folder.id
), lying AS (
    SELECT agent."folderId" AS folder_id,
           json_agg(
               {_summary(capabilities)}
               ORDER BY agent."updatedAt" DESC, agent."id"
           ) AS agents
      FROM platform."LibraryAgent" AS agent{_GRAPH}
     WHERE agent."userId" = %(user_id)s
       AND agent."folderId" = ANY (%(folder_ids)s::text[])
       AND NOT agent."isDeleted"
       AND NOT agent."isArchived"
     GROUP BY agent."folderId"
)
SELECT COALESCE(
           json_object_agg(asked.id, COALESCE(lying.agents, '[]') ORDER BY asked.place), '{{}}'
       )
  FROM asked
  LEFT JOIN lying ON lying.folder_id = asked.id
"""
    )
)

IN_ROOT = ForSchema(
    lambda capabilities: listed(
        f"""
    SELECT {_summary(capabilities)} AS document
      FROM platform."LibraryAgent" AS agent{_GRAPH}
     WHERE agent."userId" = %(user_id)s
       AND agent."folderId" IS NULL
       AND NOT agent."isDeleted"
       AND NOT agent."isArchived"
     ORDER BY agent."updatedAt" DESC, agent."id"
"""
    )
)


@operation(reads=False, repeat=harmless("Moves them to where they are."))
async def bulk_move_agents_to_folder(
    database: Database, agent_ids: list[str], folder_id: str | None, user_id: str
) -> Reply[list[models.LibraryAgent]]:
    """Move agents of a user's library to a folder, or out of all folders.

    Args:
        agent_ids: The agents; those that aren't in the library, or in its bin, are passed over.
        folder_id: The folder; null for none.
        user_id: Whose library.

    Returns:
        Those that were moved, in the order of `agent_ids`, each once, without executions and what
        their graphs take.

    Raises:
        NotFoundError: The user has no such folder.
    """
    row = await database.row(
        MOVE(database.capabilities),
        {"agent_ids": agent_ids, "folder_id": folder_id, "user_id": user_id},
    )
    assert row is not None, "a SELECT without FROM has one row"
    has_folder, agents = row
    if not has_folder:
        raise no_folder(database.capabilities, folder_id)
    moved: bytes = agents
    return moved


@operation(reads=True)
async def get_folder_agents_map(
    database: Database, user_id: str, folder_ids: list[str]
) -> Reply[dict[str, list[models.LibraryAgentSummary]]]:
    """Return which agents lie in folders, what was changed last first.

    Args:
        user_id: Whose library.
        folder_ids: The folders, as many as `limits.items` allows.

    Returns:
        The agents of each of the folders, hidden ones, too, but neither deleted nor archived ones;
        none for a folder that isn't the user's.

    Raises:
        ResultTooLargeError: It is larger than the settings allow.
    """
    return await fetch_document(
        database,
        IN_FOLDERS(database.capabilities),
        {"user_id": user_id, "folder_ids": folder_ids},
        narrow="ask for fewer folders",
    )


@operation(reads=True)
async def get_root_agent_summaries(
    database: Database, user_id: str
) -> Reply[list[models.LibraryAgentSummary]]:
    """List the agents of a user's library that lie in no folder, what was changed last first.

    Args:
        user_id: Whose library.

    Returns:
        They, hidden ones, too, but neither deleted nor archived ones.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database,
        IN_ROOT(database.capabilities),
        {"user_id": user_id},
        narrow="put agents into folders",
    )
