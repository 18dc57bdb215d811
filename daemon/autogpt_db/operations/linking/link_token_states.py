"""What has become of a token for linking, and what it would link.

A token is found by its index, which compares it with few others: what time that takes tells of 256
random bits nothing that would help to guess them. Whether it is the one is then said by a
comparison that takes as long for every guess.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import LinkTokenExpiredError
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.operations.missing import not_found

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.errors import NotFoundError

EXPIRED: LiteralString = """token."expiresAt" < now() AT TIME ZONE 'UTC'"""

# A token that a newer one has replaced is used as well: it is linked as soon as that one is.
_STATUS: LiteralString = f"""
SELECT token."token",
       json_build_object(
           'status', CASE
               WHEN token."usedAt" IS NULL THEN
                   CASE WHEN {EXPIRED} THEN 'expired' ELSE 'pending' END
               WHEN CASE token."linkType"
                   WHEN 'SERVER' THEN EXISTS (
                       SELECT
                         FROM platform."PlatformLink" AS link
                        WHERE link."platform" = token."platform"
                          AND link."platformServerId" = token."platformServerId"
                   )
                   ELSE EXISTS (
                       SELECT
                         FROM platform."PlatformUserLink" AS link
                        WHERE link."platform" = token."platform"
                          AND link."platformUserId" = token."platformUserId"
                   )
               END THEN 'linked'
               ELSE 'expired'
           END
       )
  FROM platform."PlatformLinkToken" AS token
 WHERE token."token" = %(token)s
"""


def _info(capabilities: Capabilities) -> LiteralString:
    # From v0.7.2 on the page is told what to call a server.
    noun: LiteralString = ""
    if capabilities.pods:
        noun = """,
           'server_noun', 'server'"""
    return f"""
SELECT token."token", token."usedAt" IS NOT NULL, {EXPIRED},
       json_build_object(
           'platform', token."platform",
           'link_type', token."linkType",
           'server_name', token."serverName"{noun}
       )
  FROM platform."PlatformLinkToken" AS token
 WHERE token."token" = %(token)s
"""


_INFO = ForSchema(_info)


@operation(reads=True)
async def get_link_token_status(
    database: Database, token: str
) -> Reply[models.LinkTokenStatusResponse]:
    """Tell what has become of a token for linking.

    Args:
        token: The token.

    Returns:
        `pending` while it can be used. `linked` when it has been used, or replaced by a newer one,
        and what it is for is linked now, by whichever token; else `expired`.

    Raises:
        NotFoundError: There is no such token.
    """
    row = await database.row(_STATUS, {"token": token})
    if row is None or not same(row[0], token):
        raise unknown_token(database)
    document: bytes = row[1]
    return document


@operation(reads=True)
async def get_link_token_info(
    database: Database, token: str
) -> Reply[models.LinkTokenInfoResponse]:
    """Tell what a token for linking would link.

    Args:
        token: The token.

    Raises:
        NotFoundError: There is no such token, or it has been used.
        LinkTokenExpiredError: It is too old.
    """
    row = await database.row(_INFO(database.capabilities), {"token": token})
    if row is None or not same(row[0], token) or row[1]:
        raise unknown_token(database)
    _, _, expired, document = row
    if expired:
        raise LinkTokenExpiredError("Token expired.")
    found: bytes = document
    return found


def same(stored: str, given: str) -> bool:
    """Tell whether two texts are the same, in a time that doesn't tell where they differ."""
    return hmac.compare_digest(stored.encode(), given.encode())


def unknown_token(database: Database) -> NotFoundError:
    """Return what says that there is no such token."""
    return not_found(database.capabilities, "Token not found.")
