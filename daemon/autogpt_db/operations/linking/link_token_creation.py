"""Tokens by which a server or an account of a chat platform is linked: made for the bot."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Annotated, NamedTuple

from autogpt_db import models
from autogpt_db.errors import LinkAlreadyExistsError
from autogpt_db.models import linking
from autogpt_db.operations import Database, JsonText, Reply, operation
from autogpt_db.operations.linking.targets import SERVER, USER, Target
from autogpt_db.operations.received import members_of
from autogpt_db.signatures.repeats import harmful
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, LiteralString

TOKEN_BYTES = 32
"""Random ones in a token: 43 characters."""

CreateLinkTokenRequest = Annotated[JsonText, Document(linking.CreateLinkTokenRequest)]
CreateUserLinkTokenRequest = Annotated[JsonText, Document(linking.CreateUserLinkTokenRequest)]


class _Creation(NamedTuple):
    """The statements.

    Attributes:
        lock: Waits for whoever makes a token for the same: of two only one stays valid.
        create: Makes the token and spends those before it, unless there is a link.
    """

    lock: LiteralString
    create: LiteralString


def _creation(target: Target) -> _Creation:
    # What is stored is cut to milliseconds, as the column has them; what is told is not.
    return _Creation(
        f"""
SELECT pg_advisory_xact_lock(
           hashtextextended(
               'link tokens of {target.link_type} ' || %(target)s || ' on ' || %(platform)s, 0
           )
       )
""",
        f"""
WITH owner AS MATERIALIZED (
    SELECT
      FROM {target.table} AS link
     WHERE {target.owned}
), replaced AS (
    UPDATE platform."PlatformLinkToken" AS older
       SET "usedAt" = autogpt_db.now_v1()
     WHERE older."platform" = %(platform)s::text::platform."PlatformType"
       AND older."linkType" = '{target.link_type}'
       AND older."{target.column}" = %(target)s
       AND older."usedAt" IS NULL
       AND NOT EXISTS (SELECT FROM owner)
)
INSERT INTO platform."PlatformLinkToken"
       ("id", "token", "platform", "linkType", "platformServerId", "serverName", "channelId",
        "platformUserId", "platformUsername", "expiresAt", "createdAt")
SELECT gen_random_uuid()::text, %(token)s, %(platform)s::text::platform."PlatformType",
       '{target.link_type}', %(platform_server_id)s, %(server_name)s, %(channel_id)s,
       %(platform_user_id)s, %(platform_username)s,
       autogpt_db.now_v1() + interval '30 minutes', autogpt_db.now_v1()
 WHERE NOT EXISTS (SELECT FROM owner)
RETURNING json_build_object(
              'token', "token",
              'expires_at',
              autogpt_db.iso_v1(now() AT TIME ZONE 'UTC' + interval '30 minutes'),
              'link_url', %(base_url)s::text || '/' || "token" || '?platform=' || "platform"
          )
""",
    )


_OF_SERVER = _creation(SERVER)
_OF_USER = _creation(USER)


@operation(reads=False, repeat=harmful("Makes another token, and the first one counts no more."))
async def create_server_link_token(
    database: Database, request: CreateLinkTokenRequest
) -> Reply[models.LinkTokenResponse]:
    """Make a token by which a server of a chat platform is linked.

    It can be used once, within 30 minutes. Those made before for this server count no more.

    Args:
        request: The server, and who asks.

    Returns:
        The token, and the address of the page where it is used (`linking.base_url`).

    Raises:
        LinkAlreadyExistsError: The server is somebody's.
    """
    given = members_of("request", request)
    return await _create(
        database, _OF_SERVER, {**given, "target": given["platform_server_id"]}, "server"
    )


@operation(reads=False, repeat=harmful("Makes another token, and the first one counts no more."))
async def create_user_link_token(
    database: Database, request: CreateUserLinkTokenRequest
) -> Reply[models.LinkTokenResponse]:
    """Make a token by which somebody's own account on a chat platform is linked.

    It can be used once, within 30 minutes. Those made before for this account count no more.

    Args:
        request: The account.

    Returns:
        The token, and the address of the page where it is used (`linking.base_url`).

    Raises:
        LinkAlreadyExistsError: The account is somebody's.
    """
    given = members_of("request", request)
    unknown = {"platform_server_id": None, "server_name": None, "channel_id": None}
    return await _create(
        database, _OF_USER, {**given, **unknown, "target": given["platform_user_id"]}, "account"
    )


async def _create(
    database: Database, creation: _Creation, given: Mapping[str, Any], noun: str
) -> bytes:
    parameters = {
        **given,
        "token": secrets.token_urlsafe(TOKEN_BYTES),
        "base_url": database.settings.linking.base_url.rstrip("/"),
    }
    async with database.transaction() as transaction:
        await transaction.execute(creation.lock, parameters)
        document = await transaction.json(creation.create, parameters)
    if document is None:
        raise LinkAlreadyExistsError(f"This {noun} is already linked to an AutoGPT account.")
    return document
