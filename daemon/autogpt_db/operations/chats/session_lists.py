"""Lists of users' chat sessions, and how long they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import InvalidValueError, RawQueryError
from autogpt_db.operations import BigInteger, Database, Limit, Reply, operation
from autogpt_db.operations.chats.chat_documents import SESSION
from autogpt_db.operations.chats.scope import LISTED_IN_ORGANIZATION
from autogpt_db.operations.filters import Ordering, containing, limited, present
from autogpt_db.signatures.bounds import fetch_list, listed

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_SESSIONS: LiteralString = 'platform."ChatSession" AS session'

_NEWEST_FIRST = Ordering(
    forward='session."updatedAt" DESC, session."id"',
    backward='session."updatedAt", session."id" DESC',
)
_PINNED_FIRST = ForSchema(
    lambda capabilities: (
        Ordering(
            forward=f'session."isPinned" DESC, {_NEWEST_FIRST.forward}',
            backward=f'session."isPinned", {_NEWEST_FIRST.backward}',
        )
        if capabilities.pinned_chats
        else _NEWEST_FIRST
    )
)


def _of_user(capabilities: Capabilities) -> LiteralString:
    # From v0.7.0 on what the service dreams at night is in no list.
    dreams: LiteralString = ""
    if capabilities.stamps:
        dreams = """
   AND session."metadata" ->> 'kind' IS DISTINCT FROM 'dream'"""
    return f"""session."userId" = %(user_id)s{dreams}
   AND {LISTED_IN_ORGANIZATION(capabilities)}"""


_OF_USER = ForSchema(_of_user)

_TITLE: dict[str, LiteralString] = {"title_contains": 'session."title" ILIKE %(title_contains)s'}
_FILTERS = ForSchema(
    lambda capabilities: (
        {
            **_TITLE,
            "expert_id": 'session."expertId" = %(expert_id)s',
            "autopilot_only": 'session."expertId" IS NULL',
        }
        if capabilities.experts
        else {**_TITLE, "autopilot_only": "true"}
    )
)

_COUNT = ForSchema(
    lambda capabilities: (
        f"""
SELECT count(*)
  FROM {_SESSIONS}
 WHERE {_OF_USER(capabilities)}"""
    )
)


@operation(reads=True, heavy=True, honoured={"expert_id": "experts"})
async def get_user_chat_sessions(
    database: Database,
    user_id: str,
    limit: Limit = 50,
    offset: BigInteger = 0,
    organization_id: str | None = None,
    title_contains: str | None = None,
    expert_id: str | None = None,
    autopilot_only: bool = False,
    pinned_first: bool = True,
) -> Reply[list[models.ChatSessionInfo]]:
    """List a user's sessions: pinned ones first, then those that were changed last.

    In databases of AutoGPT v0.7.0 and later those are left out that the service dreams at night.

    Args:
        user_id: Whose sessions.
        limit: At most so many; in databases before v0.7.0 a negative number means as many from the
            end.
        offset: Leave out so many of the first.
        organization_id: Only those that belong there, or nowhere; and an expert's, from v0.7.2 on.
        title_contains: Only those with this in their title, in any letter case, every character
            taken literally.
        expert_id: Only those with this expert.
        autopilot_only: Only those without an expert.
        pinned_first: Whether pinned ones stand before the others.

    Raises:
        InvalidValueError: The offset is negative; or the expert's id is empty, or given together
            with `autopilot_only`.
        RawQueryError: The limit is negative, in a database of v0.7.0 or later.
        ResultTooLargeError: The list is larger than the settings allow.
    """
    capabilities = database.capabilities
    _check_expert(expert_id, autopilot_only)
    if offset < 0:
        raise InvalidValueError(f"offset is {offset}; it must not be negative.")
    if limit < 0 and capabilities.stamps:
        raise RawQueryError("ERROR: LIMIT must not be negative")
    filters, parameters = _filters(capabilities, title_contains, expert_id, autopilot_only)
    source, parameters["limit"] = limited(
        _SESSIONS,
        _OF_USER(capabilities) + filters,
        _PINNED_FIRST(capabilities) if pinned_first else _NEWEST_FIRST,
        limit,
        skips=bool(offset),
    )
    parameters |= {"user_id": user_id, "organization_id": organization_id, "offset": offset}
    documents = f"SELECT {SESSION(capabilities)} AS document {source}"
    return await fetch_list(
        database,
        listed(f"SELECT found.document FROM ({documents}) AS found"),
        parameters,
        narrow="give more filters, or a lower limit",
    )


@operation(reads=True, honoured={"expert_id": "experts"})
async def get_user_session_count(
    database: Database,
    user_id: str,
    organization_id: str | None = None,
    expert_id: str | None = None,
    autopilot_only: bool = False,
) -> int:
    """Count a user's sessions, by the filters of `get_user_chat_sessions` but the title.

    Args:
        user_id: Whose sessions.
        organization_id: Only those that belong there, or nowhere; and an expert's, from v0.7.2 on.
        expert_id: Only those with this expert.
        autopilot_only: Only those without an expert.

    Raises:
        InvalidValueError: The expert's id is empty, or given together with `autopilot_only`.
    """
    capabilities = database.capabilities
    _check_expert(expert_id, autopilot_only)
    filters, parameters = _filters(capabilities, None, expert_id, autopilot_only)
    parameters |= {"user_id": user_id, "organization_id": organization_id}
    row = await database.row(_COUNT(capabilities) + filters, parameters)
    assert row is not None, "an aggregate"
    count: int = row[0]
    return count


def _check_expert(expert_id: str | None, autopilot_only: bool) -> None:
    if expert_id == "":
        raise InvalidValueError("expert_id must not be empty")
    if expert_id is not None and autopilot_only:
        raise InvalidValueError("expert_id and autopilot_only are mutually exclusive")


def _filters(
    capabilities: Capabilities,
    title_contains: str | None,
    expert_id: str | None,
    autopilot_only: bool,
) -> tuple[LiteralString, dict[str, Any]]:
    return present(
        _FILTERS(capabilities),
        {
            "title_contains": title_contains and containing(title_contains),
            "expert_id": expert_id,
            "autopilot_only": autopilot_only,
        },
    )
