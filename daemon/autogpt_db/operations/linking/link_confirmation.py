"""A token for linking, used: whoever has it and is logged in gets the server or account linked."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import (
    LinkAlreadyExistsError,
    LinkFlowMismatchError,
    LinkTokenExpiredError,
    NotAuthorizedError,
    UniqueViolationError,
)
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.linking.link_token_states import EXPIRED, same, unknown_token
from autogpt_db.operations.linking.targets import SERVER, USER, Target
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

_ONCE = harmless(
    "Finds the token used, which is a LinkTokenExpiredError; `get_link_token_status` says whether "
    "there is a link."
)


class _Found(NamedTuple):
    """A token as it is before it is used.

    Attributes:
        token: It.
        link_type: What it links.
        is_used: Whether it has been used, or a newer one counts in its place.
        is_expired: Whether it is too old.
        target: What it links, as the platform calls it.
        made_for: Who has asked for it on the platform.
        owner: Whose that is already.
    """

    token: str
    link_type: str
    is_used: bool
    is_expired: bool
    target: str | None
    made_for: str
    owner: str | None


class _Confirmation(NamedTuple):
    """How a kind of target is linked.

    Attributes:
        target: The kind.
        find: Returns a token as a `_Found`.
        link: Uses the token and links, both or neither. Whoever comes second waits for the row,
            and then finds it used.
    """

    target: Target
    find: LiteralString
    link: ForSchema[LiteralString]


def _confirmation(
    target: Target, columns: LiteralString, values: LiteralString, told: LiteralString
) -> _Confirmation:
    """Return a kind's statements.

    Args:
        target: The kind.
        columns: Its links' own columns.
        values: Their values, of the token as `used`.
        told: Members of the reply, of the link as `link`.
    """

    def link(capabilities: Capabilities) -> LiteralString:
        # From v0.7.2 on the page can be told where to go on.
        returning: LiteralString = ""
        if capabilities.pods:
            returning = """,
           'return_url', NULL"""
        return f"""
WITH used AS (
    UPDATE platform."PlatformLinkToken" AS token
       SET "usedAt" = autogpt_db.now_v1()
     WHERE token."token" = %(token)s
       AND token."usedAt" IS NULL
       AND NOT {EXPIRED}
    RETURNING token.*
), link AS (
    INSERT INTO {target.table} ("id", "userId", "platform", "linkedAt", {columns})
    SELECT gen_random_uuid()::text, %(user_id)s, used."platform", autogpt_db.now_v1(), {values}
      FROM used
    RETURNING *
)
SELECT json_build_object(
           'success', true,
           'link_type', '{target.link_type}',
           'platform', link."platform",
           {told}{returning}
       )
  FROM link
"""

    return _Confirmation(
        target,
        f"""
SELECT token."token", token."linkType"::text, token."usedAt" IS NOT NULL, {EXPIRED},
       token."{target.column}", token."platformUserId",
       (
           SELECT link."userId"
             FROM {target.table} AS link
            WHERE link."platform" = token."platform"
              AND link."{target.column}" = token."{target.column}"
       )
  FROM platform."PlatformLinkToken" AS token
 WHERE token."token" = %(token)s
""",
        ForSchema(link),
    )


_OF_SERVER = _confirmation(
    SERVER,
    '"platformServerId", "ownerPlatformUserId", "serverName"',
    'used."platformServerId", used."platformUserId", used."serverName"',
    """'platform_server_id', link."platformServerId",
           'server_name', link."serverName\"""",
)
_OF_USER = _confirmation(
    USER,
    '"platformUserId", "platformUsername"',
    'used."platformUserId", used."platformUsername"',
    """'platform_user_id', link."platformUserId\"""",
)


@operation(reads=False, repeat=_ONCE)
async def confirm_server_link(
    database: Database, token: str, user_id: str, verified_platform_user_id: str | None = None
) -> Reply[models.ConfirmLinkResponse]:
    """Link the server that a token was made for with a user; the token is used up by that.

    Args:
        token: The token.
        user_id: Who owns the server from now on, and pays for what is said there.
        verified_platform_user_id: Who that is on the platform, where it is known: the token must
            have been made for them.

    Raises:
        NotFoundError: There is no such token.
        LinkFlowMismatchError: It is for an account, or for no server.
        LinkTokenExpiredError: It has been used, or is too old.
        NotAuthorizedError: It was made for somebody else.
        LinkAlreadyExistsError: The server is somebody's. The token stays as it was.
        ForeignKeyViolationError: There is no such user. The token stays as it was.
    """
    return await _confirm(database, _OF_SERVER, token, user_id, verified_platform_user_id)


@operation(reads=False, repeat=_ONCE)
async def confirm_user_link(
    database: Database, token: str, user_id: str, verified_platform_user_id: str | None = None
) -> Reply[models.ConfirmUserLinkResponse]:
    """Link the account that a token was made for with a user; the token is used up by that.

    Args:
        token: The token.
        user_id: Whose the account is from now on. Somebody may have several.
        verified_platform_user_id: Who that is on the platform, where it is known: the token must
            have been made for them.

    Raises:
        NotFoundError: There is no such token.
        LinkFlowMismatchError: It is for a server.
        LinkTokenExpiredError: It has been used, or is too old.
        NotAuthorizedError: It was made for somebody else.
        LinkAlreadyExistsError: The account is somebody's. The token stays as it was.
        ForeignKeyViolationError: There is no such user. The token stays as it was.
    """
    return await _confirm(database, _OF_USER, token, user_id, verified_platform_user_id)


async def _confirm(
    database: Database,
    confirmation: _Confirmation,
    token: str,
    user_id: str,
    verified_platform_user_id: str | None,
) -> bytes:
    row = await database.row(confirmation.find, {"token": token})
    if row is None or not same(row[0], token):
        raise unknown_token(database)
    noun = confirmation.target.noun
    _check(_Found(*row), confirmation.target, user_id, verified_platform_user_id)
    try:
        document = await database.json(
            confirmation.link(database.capabilities), {"token": token, "user_id": user_id}
        )
    except UniqueViolationError as error:
        raise LinkAlreadyExistsError(
            f"This {noun} has just been linked to an AutoGPT account."
        ) from error
    if document is None:
        raise LinkTokenExpiredError("This link has already been used, or has expired.")
    return document


def _check(
    found: _Found, target: Target, user_id: str, verified_platform_user_id: str | None
) -> None:
    """Refuse a token that links nothing for this user; the order is AutoGPT's."""
    if found.link_type != target.link_type:
        raise LinkFlowMismatchError("This link is for a different linking flow.")
    if found.is_used:
        raise LinkTokenExpiredError("This link has already been used.")
    if found.is_expired:
        raise LinkTokenExpiredError("This link has expired.")
    if found.target is None:
        raise LinkFlowMismatchError("Server token missing server ID.")
    if verified_platform_user_id is not None and not same(
        found.made_for, verified_platform_user_id
    ):
        raise NotAuthorizedError("This link was created for a different platform user.")
    if found.owner is not None:
        whose = "your" if found.owner == user_id else "another AutoGPT"
        raise LinkAlreadyExistsError(f"This {target.noun} is already linked to {whose} account.")
