"""Chat sessions: looked at and changed, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import (
    BOUNDED_CALLS,
    FEW_CALLS,
    Database,
    JsonObject,
    Merged,
    Reply,
    Resource,
    operation,
)
from autogpt_db.operations.chats.chat_documents import SESSION
from autogpt_db.operations.chats.numbering import locked
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_GET = ForSchema(
    lambda capabilities: (
        f"""
SELECT {SESSION(capabilities)}
  FROM platform."ChatSession" AS session
 WHERE session."id" = %(session_id)s
"""
    )
)


_COLUMNS: dict[LiteralString, LiteralString] = {
    "session_id": "text",
    "title": "text",
    "organization_id": "text",
    "team_id": "text",
    "credentials": "jsonb",
    "successful_agent_runs": "jsonb",
    "successful_agent_schedules": "jsonb",
    "total_prompt_tokens": "integer",
    "total_completion_tokens": "integer",
    "update_tenancy": "boolean",
}


def _update(capabilities: Capabilities) -> Merged:
    tenancy: LiteralString = ""
    if capabilities.orgs:
        tenancy = """,
           "organizationId" = CASE
               WHEN call.update_tenancy THEN call.organization_id
               ELSE session."organizationId"
           END,
           "teamId" = CASE WHEN call.update_tenancy THEN call.team_id ELSE session."teamId" END"""
    changes: LiteralString = f"""
           "updatedAt" = autogpt_db.now_v1(),
           "title" = COALESCE(call.title, session."title"),
           "credentials" = COALESCE(call.credentials, session."credentials"),
           "successfulAgentRuns" =
               COALESCE(call.successful_agent_runs, session."successfulAgentRuns"),
           "successfulAgentSchedules" =
               COALESCE(call.successful_agent_schedules, session."successfulAgentSchedules"),
           "totalPromptTokens" = COALESCE(call.total_prompt_tokens, session."totalPromptTokens"),
           "totalCompletionTokens" =
               COALESCE(call.total_completion_tokens, session."totalCompletionTokens"){tenancy}"""
    given: LiteralString = ",\n               ".join(
        f"%({name})s::{kind} AS {name}" for name, kind in _COLUMNS.items()
    )
    columns: LiteralString = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
    return Merged(
        single=f"""
UPDATE platform."ChatSession" AS session
   SET {changes}
  FROM (
        SELECT {given}
       ) AS call
 WHERE session."id" = call.session_id
RETURNING {SESSION(capabilities)}
""",
        batch=f"""
WITH call AS MATERIALIZED (
    SELECT call.*
      FROM {BOUNDED_CALLS} AS call (place integer, {columns})
     CROSS JOIN {locked("call.session_id")}
     WHERE {FEW_CALLS}
), changed (place, document) AS (
    UPDATE platform."ChatSession" AS session
       SET {changes}
      FROM call
     WHERE session."id" = call.session_id
    RETURNING call.place, {SESSION(capabilities)}
)
SELECT changed.place, changed.document
  FROM changed
""",
        texts=tuple(name for name, kind in _COLUMNS.items() if kind == "text"),
        documents=tuple(name for name, kind in _COLUMNS.items() if kind != "text"),
        key=("session_id",),
        answer=("changed.place", "changed.document"),
    )


_UPDATE = ForSchema(_update)

_SET_TITLE: LiteralString = """
UPDATE platform."ChatSession" AS session
   SET "title" = %(title)s, "updatedAt" = autogpt_db.now_v1()
 WHERE session."id" = %(session_id)s
   AND session."userId" = %(user_id)s
   AND (session."title" IS NULL OR NOT %(only_if_empty)s)
"""

# Not a change that moves it in the list of sessions.
_PIN: LiteralString = """
UPDATE platform."ChatSession" AS session
   SET "isPinned" = %(is_pinned)s
 WHERE session."id" = %(session_id)s
   AND session."userId" = %(user_id)s
"""


_SHOWN = Resource(
    "/chats/{session_id}", summary="Return a chat session without its messages, whoever's it is."
)


@operation(reads=True, rest=_SHOWN)
async def get_chat_session_metadata(
    database: Database, session_id: str
) -> Reply[models.ChatSessionInfo | None]:
    """Return a session without its messages, whoever's it is; null where there is none.

    Args:
        session_id: The session.
    """
    return await database.json(_GET(database.capabilities), {"session_id": session_id})


@operation(
    reads=False,
    at_once=True,
    repeat=harmless("Sets the same once more."),
    honoured={"update_tenancy": "orgs"},
)
async def update_chat_session(
    database: Database,
    session_id: str,
    credentials: JsonObject | None = None,
    successful_agent_runs: JsonObject | None = None,
    successful_agent_schedules: JsonObject | None = None,
    total_prompt_tokens: int | None = None,
    total_completion_tokens: int | None = None,
    title: str | None = None,
    organization_id: str | None = None,
    team_id: str | None = None,
    update_tenancy: bool = False,
) -> Reply[models.ChatSessionInfo | None]:
    """Replace what is given of a session, each value as a whole; it counts as changed now.

    Args:
        session_id: The session.
        credentials: Those that it uses, by provider.
        successful_agent_runs: How often it has run which agent.
        successful_agent_schedules: How often it has scheduled which agent.
        total_prompt_tokens: Tokens that it has sent, in all.
        total_completion_tokens: Tokens that it has got, in all.
        title: Its title; an empty one is one, too.
        organization_id: Where it belongs, if `update_tenancy` says so.
        team_id: The team there, likewise.
        update_tenancy: Whether to set organization and team, to null as well.

    Returns:
        The session as it is now; null where there is none.

    Raises:
        ForeignKeyViolationError: There is no such team.
    """
    return await database.merged(
        _UPDATE(database.capabilities),
        {
            "session_id": session_id,
            "credentials": credentials,
            "successful_agent_runs": successful_agent_runs,
            "successful_agent_schedules": successful_agent_schedules,
            "total_prompt_tokens": _number(total_prompt_tokens),
            "total_completion_tokens": _number(total_completion_tokens),
            "title": title,
            "organization_id": organization_id,
            "team_id": team_id,
            "update_tenancy": "true" if update_tenancy else "false",
        },
    )


def _number(given: int | None) -> str | None:
    return None if given is None else str(given)


@operation(
    reads=False,
    repeat=harmless("Sets the same title; with `only_if_empty` finds it set, and returns false."),
)
async def update_chat_session_title(
    database: Database, session_id: str, user_id: str, title: str, only_if_empty: bool = False
) -> bool:
    """Set a session's title; it counts as changed now.

    Args:
        session_id: The session.
        user_id: Whose it must be.
        title: The title.
        only_if_empty: Whether to leave a title that there is; an empty one is one, too.

    Returns:
        Whether it was set.
    """
    parameters = {
        "session_id": session_id,
        "user_id": user_id,
        "title": title,
        "only_if_empty": only_if_empty,
    }
    return await database.execute(_SET_TITLE, parameters) > 0


@operation(reads=False, repeat=harmless("Sets the same once more."))
async def update_chat_session_pinned(
    database: Database, session_id: str, user_id: str, is_pinned: bool
) -> bool:
    """Pin a session, or don't any more; that is no change that moves it in lists.

    Args:
        session_id: The session.
        user_id: Whose it must be.
        is_pinned: Whether it stands before the others in lists.

    Returns:
        Whether there is such a session.
    """
    parameters = {"session_id": session_id, "user_id": user_id, "is_pinned": is_pinned}
    return await database.execute(_PIN, parameters) > 0
