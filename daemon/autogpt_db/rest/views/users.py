"""Users, and what they have: without what opens anything."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import UserNotFoundError
from autogpt_db.operations import Database, Reply, Resource
from autogpt_db.operations.chats.chat_documents import SESSION
from autogpt_db.operations.credits.ledger import balance_of
from autogpt_db.rest.paging import USUAL, PageLimit, fetch_page
from autogpt_db.rest.resources import view

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


def _users(capabilities: Capabilities) -> LiteralString:
    tier: LiteralString = ""
    if capabilities.tier:
        tier = """
           'subscription_tier', account."subscriptionTier","""
    return f"""
SELECT json_build_object(
           'id', account."id",
           'created_at', autogpt_db.iso_v1(account."createdAt"),
           'updated_at', autogpt_db.iso_v1(account."updatedAt"),
           'timezone', account."timezone",{tier}
           'email', account."email",
           'name', CASE WHEN %(content)s THEN account."name" END
       ) AS document
  FROM platform."User" AS account
 WHERE true"""


_USERS = ForSchema(_users)
_USER = ForSchema(lambda capabilities: _users(capabilities) + ' AND account."id" = %(user_id)s')
_FILTERS: dict[str, LiteralString] = {"after_id": 'account."id" > %(after_id)s'}

_ENTRIES: LiteralString = """
SELECT json_build_object(
           'key', entry."transactionKey",
           'created_at', autogpt_db.iso_v1(entry."createdAt"),
           'type', entry."type",
           'amount', entry."amount",
           'running_balance', entry."runningBalance",
           'is_active', entry."isActive",
           'metadata', CASE WHEN %(content)s THEN entry."metadata" END
       ) AS document
  FROM platform."CreditTransaction" AS entry
 WHERE entry."userId" = %(user_id)s"""
_ENTRY_FILTERS: dict[str, LiteralString] = {
    "after_created_at": 'entry."createdAt" <= %(after_created_at)s',
    "after_key": """(
       (entry."createdAt", entry."transactionKey") < (%(after_created_at)s, %(after_key)s)
   )""",
}

_MEMBERSHIPS: LiteralString = """
SELECT COALESCE(json_agg(json_build_object(
           'organization_id', organization."id",
           'is_personal', organization."isPersonal",
           'is_owner', membership."isOwner",
           'is_admin', membership."isAdmin",
           'is_billing_manager', membership."isBillingManager",
           'status', membership."status",
           'joined_at', autogpt_db.iso_v1(membership."joinedAt"),
           'name', CASE WHEN %(content)s THEN organization."name" END
       ) ORDER BY organization."id"), '[]')
  FROM platform."OrgMember" AS membership
  JOIN platform."Organization" AS organization ON organization."id" = membership."orgId"
 WHERE membership."userId" = %(user_id)s
   AND organization."deletedAt" IS NULL
"""

_CHATS = ForSchema(
    lambda capabilities: (
        f"""
SELECT {SESSION(capabilities)} AS document
  FROM platform."ChatSession" AS session
 WHERE session."userId" = %(user_id)s"""
    )
)
_CHAT_FILTERS: dict[str, LiteralString] = {
    "after_updated_at": 'session."updatedAt" <= %(after_updated_at)s',
    "after_session_id": """(
       (session."updatedAt", session."id") < (%(after_updated_at)s, %(after_session_id)s)
   )""",
}


@view(Resource("/users", content="content", pages_by=("id",)), heavy=True)
async def list_users(
    database: Database,
    limit: PageLimit = USUAL,
    after_id: str | None = None,
    content: bool = False,
) -> Reply[list[models.UserOverview]]:
    """List users by their ids.

    Args:
        limit: Users of a page.
        after_id: Only those behind the one with this id.
        content: Whether to read what they are called.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _USERS(database.capabilities),
        _FILTERS,
        {"after_id": after_id},
        order='account."id"',
        limit=limit,
        values={"content": content},
    )


@view(Resource("/users/{user_id}", content="content"))
async def show_user(
    database: Database, user_id: str, content: bool = False
) -> Reply[models.UserOverview | None]:
    """Return a user.

    Args:
        user_id: The user.
        content: Whether to read what they are called.
    """
    parameters = {"user_id": user_id, "content": content}
    return await database.json(_USER(database.capabilities), parameters)


@view(Resource("/users/{user_id}/balance"))
async def show_balance(database: Database, user_id: str) -> models.BalanceOverview:
    """Return what a user has; nothing is filled up for it, as `get_credits` does.

    Args:
        user_id: The user.

    Raises:
        UserNotFoundError: There is no such user.
    """
    balance = await balance_of(database, user_id)
    if not balance.user_exists:
        raise UserNotFoundError(user_id)
    return {"user_id": user_id, "balance": balance.credits}


@view(
    Resource("/users/{user_id}/transactions", content="content", pages_by=("created_at", "key")),
    heavy=True,
)
async def list_credit_transactions(
    database: Database,
    user_id: str,
    limit: PageLimit = USUAL,
    after_created_at: datetime | None = None,
    after_key: str | None = None,
    content: bool = False,
) -> Reply[list[models.CreditTransaction]]:
    """List what was entered in a user's ledger, the newest first; nothing of an unknown user.

    Args:
        user_id: The user.
        limit: Entries of a page.
        after_created_at: Only older ones than that which was entered at this moment.
        after_key: It has this key.
        content: Whether to read what was noted with them.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _ENTRIES,
        _ENTRY_FILTERS,
        {"after_created_at": after_created_at, "after_key": after_key},
        order='entry."createdAt" DESC, entry."transactionKey" DESC',
        limit=limit,
        values={"user_id": user_id, "content": content},
    )


@view(Resource("/users/{user_id}/organizations", content="content"))
async def list_organizations_of_user(
    database: Database, user_id: str, content: bool = False
) -> Reply[list[models.OrganizationMembership]]:
    """List the organizations that a user belongs to; none of an unknown user.

    Args:
        user_id: The user.
        content: Whether to read what they are called.
    """
    return await database.json(_MEMBERSHIPS, {"user_id": user_id, "content": content})


@view(Resource("/users/{user_id}/chats", pages_by=("updated_at", "session_id")), heavy=True)
async def list_chats_of_user(
    database: Database,
    user_id: str,
    limit: PageLimit = USUAL,
    after_updated_at: datetime | None = None,
    after_session_id: str | None = None,
) -> Reply[list[models.ChatSessionInfo]]:
    """List a user's chat sessions, those first that were changed last; none of an unknown user.

    Args:
        user_id: The user.
        limit: Sessions of a page.
        after_updated_at: Only those changed before that which was changed at this moment.
        after_session_id: It has this id.

    Raises:
        ResultTooLargeError: The page is larger than the settings allow.
    """
    return await fetch_page(
        database,
        _CHATS(database.capabilities),
        _CHAT_FILTERS,
        {"after_updated_at": after_updated_at, "after_session_id": after_session_id},
        order='session."updatedAt" DESC, session."id" DESC',
        limit=limit,
        values={"user_id": user_id},
    )
