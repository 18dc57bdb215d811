"""Single agents of a user's library, and those that start others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.graphs.blocks import AGENT_EXECUTOR_BLOCK
from autogpt_db.operations.library.library_agent_documents import (
    BLOCKS,
    agent_in_full,
    in_full,
    in_short,
)
from autogpt_db.operations.library.schedules import with_schedules
from autogpt_db.operations.missing import not_found
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.errors import NotFoundError

_BY_ID: LiteralString = """(
       SELECT *
         FROM platform."LibraryAgent"
        WHERE "id" = %(id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
       )"""
_BY_GRAPH: LiteralString = """(
       SELECT *
         FROM platform."LibraryAgent"
        WHERE "userId" = %(user_id)s
          AND "agentGraphId" = %(graph_id)s
          AND (%(graph_version)s::integer IS NULL OR "agentGraphVersion" = %(graph_version)s)
          AND NOT "isDeleted"
          AND (%(include_archived)s OR NOT "isArchived")
        ORDER BY "agentGraphVersion" DESC
        LIMIT 1
       )"""

BY_ID = ForSchema(lambda capabilities: in_full(capabilities, _BY_ID, listed=True))
BY_GRAPH = ForSchema(lambda capabilities: in_full(capabilities, _BY_GRAPH))

_GRAPH_ID: LiteralString = """
SELECT "agentGraphId"
  FROM platform."LibraryAgent"
 WHERE "id" = %(library_agent_id)s AND "userId" = %(user_id)s AND NOT "isDeleted"
"""

_TRIGGERS: LiteralString = f"""(
       SELECT *
         FROM platform."LibraryAgent" AS trigger
        WHERE trigger."userId" = %(user_id)s
          AND trigger."isHidden"
          AND NOT trigger."isDeleted"
          AND NOT trigger."isArchived"
          AND EXISTS (
              SELECT
                FROM platform."AgentNode" AS node
               WHERE node."agentGraphId" = trigger."agentGraphId"
                 AND node."agentGraphVersion" = trigger."agentGraphVersion"
                 AND node."agentBlockId" = '{AGENT_EXECUTOR_BLOCK}'
                 AND autogpt_db.as_object_v1(node."constantInput") -> 'graph_id'
                     = to_jsonb(%(parent_graph_id)s::text)
          )
       )"""


def _triggers(capabilities: Capabilities) -> LiteralString:
    return listed(in_short(capabilities, _TRIGGERS, 'agent."createdAt", agent."id"'))


TRIGGERS = ForSchema(_triggers)


@operation(reads=True)
async def get_library_agent(
    database: Database, id: str, user_id: str
) -> Reply[models.LibraryAgent]:
    """Return an agent of a user's library, an archived one, too.

    Whether it is scheduled is the scheduler's to know: `is_scheduled` is false unless that is set
    (`library.scheduler_url`) and answers at once.

    Args:
        id: The agent.
        user_id: Whose library.

    Returns:
        The agent, with its ten latest executions and what its graph takes and gives.

    Raises:
        NotFoundError: There is no such agent in the library, or it is in the bin.
    """
    agent = await _agent(database, BY_ID, {"id": id, "user_id": user_id})
    if agent is None:
        raise no_agent(database, id)
    return await with_schedules(database, agent, user_id)


@operation(reads=True)
async def get_library_agent_by_graph_id(
    database: Database,
    user_id: str,
    graph_id: str,
    graph_version: int | None = None,
    include_archived: bool = False,
) -> Reply[models.LibraryAgent | None]:
    """Return the agent of a user's library that runs a graph, or null.

    Args:
        user_id: Whose library.
        graph_id: The graph.
        graph_version: Its version; null for the highest that the library has.
        include_archived: Whether an archived agent counts, too.

    Returns:
        The agent, with its ten latest executions and what its graph takes and gives, but not where
        it stands in the marketplace.
    """
    agent = await _agent(
        database,
        BY_GRAPH,
        {
            "user_id": user_id,
            "graph_id": graph_id,
            "graph_version": graph_version,
            "include_archived": include_archived,
        },
    )
    return None if agent is None else await with_schedules(database, agent, user_id, graph_id)


@operation(reads=True, heavy=True)
async def list_trigger_agents(
    database: Database,
    user_id: str,
    library_agent_id: str,
    parent_graph_id: str | None = None,
) -> Reply[list[models.LibraryAgent]]:
    """List the hidden agents of a user's library that start another one, the oldest first.

    Args:
        user_id: Whose library.
        library_agent_id: The agent that they start; nobody looks whether it is there if
            `parent_graph_id` is given.
        parent_graph_id: That agent's graph.

    Returns:
        The agents, without their executions and what their graphs take.

    Raises:
        NotFoundError: There is no agent `library_agent_id` in the library.
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    if parent_graph_id is None:
        row = await database.row(
            _GRAPH_ID, {"library_agent_id": library_agent_id, "user_id": user_id}
        )
        if row is None:
            raise no_agent(database, library_agent_id)
        parent_graph_id = row[0]
    agents = await fetch_list(
        database,
        TRIGGERS(database.capabilities),
        {"user_id": user_id, "parent_graph_id": parent_graph_id},
        narrow="raise the bound",
    )
    return await with_schedules(database, agents, user_id)


def no_agent(database: Database, library_agent_id: str) -> NotFoundError:
    """Return the error of a library that has no such agent."""
    return not_found(database.capabilities, f"Library agent #{library_agent_id} not found")


async def _agent(
    database: Database, statement: ForSchema[LiteralString], parameters: dict[str, Any]
) -> bytes | None:
    row = await database.row(statement(database.capabilities), parameters | BLOCKS)
    return None if row is None else await agent_in_full(database, *row)
