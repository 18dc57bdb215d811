"""Graphs that users have made, put into their libraries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import (
    ForeignKeyViolationError,
    LimitExceededError,
    RecordNotFoundError,
)
from autogpt_db.models import library_arguments
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.library.folder_documents import no_folder
from autogpt_db.operations.library.library_agent_documents import in_short
from autogpt_db.operations.users.default_team import FIND, STATEMENTS, Statements, find_or_make
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

LibraryGraph = Annotated[JsonText, Document(library_arguments.LibraryGraph)]
"""Of the GraphModel what is used, with its defaults."""


class _Creation(NamedTuple):
    """How graphs get into a library.

    Attributes:
        create: Puts them there. Returns whether the folder is there, whether the user's own
            organization has to be made first, which graph there is not, and the agents.
        tenancy: How that organization is found and made; None where agents belong to none.
    """

    create: LiteralString
    tenancy: Statements | None


_CREATED: LiteralString = """(
       SELECT created.*, found.place
         FROM created
         JOIN found
              ON found."id" = created."agentGraphId"
                 AND found."version" = created."agentGraphVersion"
       )"""


def _creation(capabilities: Capabilities) -> _Creation:
    names: LiteralString = ""
    values: LiteralString = ""
    changes: LiteralString = ""
    folder: LiteralString = """
    SELECT WHERE false"""
    home: LiteralString = """
    SELECT"""
    if capabilities.hidden:
        names = f"""{names}, "isHidden\""""
        values = f"""{values}, %(is_hidden)s"""
        changes = f"""{changes},
           "isHidden" = excluded."isHidden\""""
    if capabilities.folders:
        folder = """
    SELECT folder."id"
      FROM platform."LibraryFolder" AS folder
     WHERE folder."id" = %(folder_id)s AND folder."userId" = %(user_id)s AND NOT folder."isDeleted"
       FOR SHARE"""
        names = f"""{names}, "folderId\""""
        values = f"""{values},
           CASE WHEN wanted.first_place = 0 THEN %(folder_id)s END"""
        changes = f"""{changes},
           "folderId" = COALESCE(excluded."folderId", agent."folderId")"""
    if capabilities.orgs:
        # Without a named one it is the user's own organization.
        home = f"""
    SELECT homes.organization_id, homes.team_id
      FROM (
            SELECT 1 AS preference, NULLIF(%(organization_id)s, '') AS organization_id,
                   CASE WHEN %(organization_id)s <> '' THEN NULLIF(%(team_id)s, '') END AS team_id
             WHERE %(organization_id)s::text IS NOT NULL
             UNION ALL
            SELECT 2, own.organization_id, own.team_id
              FROM ({FIND}) AS own
             WHERE %(organization_id)s::text IS NULL
             UNION ALL
            SELECT 3, NULL, NULL
             WHERE %(without_home)s
             ORDER BY preference
             LIMIT 1
           ) AS homes"""
        names = f"""{names},
            "organizationId", "teamId\""""
        values = f"""{values},
           home.organization_id, home.team_id"""
        changes = f"""{changes},
           "organizationId" = COALESCE(excluded."organizationId", agent."organizationId"),
           "teamId" = CASE
               WHEN excluded."organizationId" IS NULL THEN agent."teamId" ELSE excluded."teamId"
           END"""
    agents = in_short(capabilities, _CREATED, "agent.place", ", agent.place", ", agent.place")
    # Each has a moment of its own, so that a list by their age has them in this order.
    return _Creation(
        f"""
WITH given AS MATERIALIZED (
    SELECT 0 AS place, main.graph ->> 'id' AS id, main.graph -> 'version' AS version
      FROM (SELECT %(graph)s::jsonb AS graph) AS main
     UNION ALL
    SELECT below.place::integer, below.graph ->> 'id', below.graph -> 'version'
      FROM jsonb_array_elements(%(graph)s::jsonb -> 'sub_graphs')
           WITH ORDINALITY AS below (graph, place)
     WHERE %(with_sub_graphs)s
), found AS MATERIALIZED (
    SELECT given.place, given.id AS given_id, given.version AS given_version,
           graph."id", graph."version"
      FROM given
      LEFT JOIN platform."AgentGraph" AS graph
           ON graph."id" = given.id AND graph."version" = given.version::numeric
), folder AS MATERIALIZED ({folder}
), home AS MATERIALIZED ({home}
), wanted AS (
    SELECT found."id", found."version", min(found.place) AS first_place
      FROM found
     GROUP BY found."id", found."version"
), created AS (
    INSERT INTO platform."LibraryAgent" AS agent
           ("id", "createdAt", "updatedAt", "userId", "agentGraphId", "agentGraphVersion",
            "isCreatedByUser", "useGraphIsActiveVersion", "settings"{names})
    SELECT gen_random_uuid()::text,
           autogpt_db.now_v1() + wanted.first_place * interval '1 millisecond',
           autogpt_db.now_v1(), %(user_id)s, wanted."id", wanted."version",
           %(graph)s::jsonb ->> 'user_id' = %(user_id)s, true, %(settings)s::jsonb{values}
      FROM wanted
     CROSS JOIN home
     WHERE NOT EXISTS (SELECT FROM found WHERE found."id" IS NULL)
       AND (%(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder))
     ORDER BY wanted."id", wanted."version"
        ON CONFLICT ("userId", "agentGraphId", "agentGraphVersion") DO UPDATE
       SET "isDeleted" = false,
           "isArchived" = false,
           "useGraphIsActiveVersion" = true,
           "settings" = excluded."settings",
           "updatedAt" = autogpt_db.now_v1(){changes}
    RETURNING agent.*
)
SELECT %(folder_id)s::text IS NULL OR EXISTS (SELECT FROM folder),
       NOT EXISTS (SELECT FROM home),
       (
           SELECT found.given_id || ' v' || (found.given_version #>> '{{}}')
             FROM found
            WHERE found."id" IS NULL
            ORDER BY found.place
            LIMIT 1
       ),
       (
           SELECT json_agg(agents.document ORDER BY agents.place)
             FROM ({agents}) AS agents
       )
""",
        STATEMENTS if capabilities.orgs else None,
    )


CREATION = ForSchema(_creation)


@operation(
    reads=False,
    repeat=harmless("Does the same again."),
    honoured={
        "folder_id": "folders",
        "is_hidden": "hidden",
        "organization_id": "orgs",
        "team_id": "orgs",
    },
)
async def create_library_agent(
    database: Database,
    graph: LibraryGraph,
    user_id: str,
    hitl_safe_mode: bool = True,
    sensitive_action_safe_mode: bool = False,
    create_library_agents_for_sub_graphs: bool = True,
    folder_id: str | None = None,
    is_hidden: bool = False,
    organization_id: str | None = None,
    team_id: str | None = None,
) -> Reply[list[models.LibraryAgent]]:
    """Put a graph into a user's library, and the graphs below it, all or none.

    An agent that is there is taken out of the bin and the archive, and gets these settings. From
    AutoGPT v0.6.67's schema on agents belong to an organization: without a named one to the user's
    own, which is made for those who have none. Nobody makes an image of the agent, and the search
    by meaning finds it when its text has been embedded (the job that looks for missing ones).

    Args:
        graph: The graph, a GraphModel; nobody looks whether the user may read it.
        user_id: Whose library.
        hitl_safe_mode: Whether its questions to people are asked.
        sensitive_action_safe_mode: Whether its sensitive actions are asked about.
        create_library_agents_for_sub_graphs: Whether those in `sub_graphs` get an agent each.
        folder_id: The folder that the graph's own agent goes to.
        is_hidden: Whether the agents are hidden.
        organization_id: Whose they are; empty for nobody's.
        team_id: The organization's team, if `organization_id` is given.

    Returns:
        The agents, the graph's own first, without executions and what their graphs take.

    Raises:
        NotFoundError: The user has no such folder.
        RecordNotFoundError: There is no such user, team, or version of a graph.
        LimitExceededError: There are more graphs below it than the settings allow.
    """
    if create_library_agents_for_sub_graphs:
        document = graph.encode()
        number = await database.computed(len(document), sub_graphs, document)
        most = database.settings.limits.items
        if number > most:
            raise LimitExceededError(
                "graph.sub_graphs", f"has {number} items", "limits.items", most
            )
    creation = CREATION(database.capabilities)
    parameters = {
        "graph": graph,
        "user_id": user_id,
        "settings": _settings(hitl_safe_mode, sensitive_action_safe_mode),
        "with_sub_graphs": create_library_agents_for_sub_graphs,
        "folder_id": folder_id,
        "is_hidden": is_hidden,
        "organization_id": organization_id,
        "team_id": team_id,
        "without_home": False,
    }
    try:
        has_folder, has_no_home, missing, agents = await _row(database, creation, parameters)
        if has_folder and has_no_home and missing is None and creation.tenancy is not None:
            await find_or_make(database, creation.tenancy, user_id)
            has_folder, _, missing, agents = await _row(
                database, creation, {**parameters, "without_home": True}
            )
    except ForeignKeyViolationError as error:
        raise RecordNotFoundError(f"user {user_id}, or team {team_id}") from error
    if not has_folder:
        raise no_folder(database.capabilities, folder_id)
    if missing is not None:
        raise RecordNotFoundError(f"graph {missing}")
    assert agents is not None, "they have been created"
    created: bytes = agents
    return created


async def _row(
    database: Database, creation: _Creation, parameters: dict[str, Any]
) -> tuple[bool, bool, str | None, bytes | None]:
    row = await database.row(creation.create, parameters)
    assert row is not None, "a SELECT without FROM has one row"
    has_folder, has_no_home, missing, agents = row
    return has_folder, has_no_home, missing, agents


class _Below(msgspec.Struct):
    sub_graphs: list[msgspec.Raw] = []


def sub_graphs(graph: bytes) -> int:
    """Return how many graphs there are below one.

    Args:
        graph: A `LibraryGraph` as JSON.
    """
    return len(msgspec.json.decode(graph, type=_Below).sub_graphs)


def _settings(hitl_safe_mode: bool, sensitive_action_safe_mode: bool) -> str:
    return json.dumps(
        {
            "human_in_the_loop_safe_mode": hitl_safe_mode,
            "sensitive_action_safe_mode": sensitive_action_safe_mode,
            "builder_chat_session_id": None,
        }
    )
