"""Links of a user's: shown, named and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.errors import NotAuthorizedError
from autogpt_db.operations import Database, Platform, Reply, operation
from autogpt_db.operations.linking.targets import SERVER, USER, Target
from autogpt_db.operations.missing import not_found
from autogpt_db.signatures.bounds import fetch_list, listed
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

_SERVERS = listed("""
SELECT json_build_object(
           'id', link."id",
           'platform', link."platform",
           'platform_server_id', link."platformServerId",
           'owner_platform_user_id', link."ownerPlatformUserId",
           'server_name', link."serverName",
           'linked_at', autogpt_db.iso_v1(link."linkedAt")
       ) AS document
  FROM platform."PlatformLink" AS link
 WHERE link."userId" = %(user_id)s
 ORDER BY link."linkedAt" DESC, link.ctid
""")

_ACCOUNTS = listed("""
SELECT json_build_object(
           'id', link."id",
           'platform', link."platform",
           'platform_user_id', link."platformUserId",
           'platform_username', link."platformUsername",
           'linked_at', autogpt_db.iso_v1(link."linkedAt")
       ) AS document
  FROM platform."PlatformUserLink" AS link
 WHERE link."userId" = %(user_id)s
 ORDER BY link."linkedAt" DESC, link.ctid
""")

# A bot says the name of each of its servers whenever it connects: mostly nothing is written.
_RENAME: LiteralString = f"""
UPDATE {SERVER.table} AS link
   SET "serverName" = %(server_name)s
 WHERE {SERVER.owned}
   AND link."serverName" IS DISTINCT FROM %(server_name)s
"""


def _deleting(target: Target) -> LiteralString:
    return f"""
WITH deleted AS (
    DELETE FROM {target.table} AS link
     WHERE link."id" = %(link_id)s AND link."userId" = %(user_id)s
)
SELECT link."userId" = %(user_id)s
  FROM {target.table} AS link
 WHERE link."id" = %(link_id)s
"""


_DELETE_SERVER = _deleting(SERVER)
_DELETE_ACCOUNT = _deleting(USER)


@operation(reads=True)
async def list_server_links(
    database: Database, user_id: str
) -> Reply[list[models.PlatformLinkInfo]]:
    """List the servers of chat platforms that a user has linked, the latest first.

    Args:
        user_id: The user; an unknown one has none.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database, _SERVERS, {"user_id": user_id}, narrow="delete some, or raise the bound"
    )


@operation(reads=True)
async def list_user_links(
    database: Database, user_id: str
) -> Reply[list[models.PlatformUserLinkInfo]]:
    """List the accounts on chat platforms that a user has linked, the latest first.

    Args:
        user_id: The user; an unknown one has none.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(
        database, _ACCOUNTS, {"user_id": user_id}, narrow="delete some, or raise the bound"
    )


@operation(reads=False, repeat=harmless("Finds the name there."))
async def refresh_server_link_name(
    database: Database, platform: str, platform_server_id: str, server_name: str
) -> None:
    """Say what a linked server is called now; a server that isn't linked is passed over.

    Args:
        platform: The platform, in capitals; an unknown one is passed over.
        platform_server_id: The server.
        server_name: Its name; an empty one changes nothing.
    """
    if server_name and platform in Platform.__members__:
        await database.execute(
            _RENAME,
            {"platform": platform, "target": platform_server_id, "server_name": server_name},
        )


@operation(reads=False, repeat=harmless("Finds no such link any more, which is a NotFoundError."))
async def delete_server_link(
    database: Database, link_id: str, user_id: str
) -> Reply[models.DeleteLinkResponse]:
    """Unlink a server of a chat platform; its chats stay.

    Args:
        link_id: The link.
        user_id: Whose link.

    Raises:
        NotFoundError: There is no such link.
        NotAuthorizedError: It is somebody else's.
    """
    return await _delete(database, _DELETE_SERVER, link_id, user_id)


@operation(reads=False, repeat=harmless("Finds no such link any more, which is a NotFoundError."))
async def delete_user_link(
    database: Database, link_id: str, user_id: str
) -> Reply[models.DeleteLinkResponse]:
    """Unlink an account on a chat platform; its chats stay.

    Args:
        link_id: The link.
        user_id: Whose link.

    Raises:
        NotFoundError: There is no such link.
        NotAuthorizedError: It is somebody else's.
    """
    return await _delete(database, _DELETE_ACCOUNT, link_id, user_id)


async def _delete(
    database: Database, delete: LiteralString, link_id: str, user_id: str
) -> models.DeleteLinkResponse:
    row = await database.row(delete, {"link_id": link_id, "user_id": user_id})
    if row is None:
        raise not_found(database.capabilities, "Link not found.")
    if row != (True,):
        raise NotAuthorizedError("Not your link.")
    return {"success": True}
