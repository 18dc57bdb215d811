"""Whose a server or an account of a chat platform is: asked for each message to a bot.

It decides who pays, and a link may have been removed a moment ago: nothing is remembered.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import FEW_CALLS, Database, Merged, Reply, operation
from autogpt_db.operations.linking.targets import SERVER, USER, Target, check_platform

if TYPE_CHECKING:
    from typing import LiteralString


def _owner(target: Target) -> Merged:
    owner: LiteralString = f"""
SELECT to_json(link."userId") AS document
  FROM {target.table} AS link
 WHERE {target.owned}
"""
    return Merged(
        single=owner,
        batch=f"""
SELECT call.place, to_json(link."userId")
  FROM json_to_recordset(%(calls)s::json) AS call (place integer, platform text, target text)
  JOIN {target.table} AS link
    ON link."platform" = call.platform::platform."PlatformType"
   AND link."{target.column}" = call.target
 WHERE {FEW_CALLS}
""",
        texts=("platform", "target"),
        reads=True,
    )


_OF_SERVER = _owner(SERVER)
_OF_USER = _owner(USER)


@operation(reads=True)
async def find_server_link_owner(
    database: Database, platform: str, platform_server_id: str
) -> str | None:
    """Return whose a server of a chat platform is, or null.

    Args:
        platform: The platform, in capitals.
        platform_server_id: The server.

    Returns:
        A user's id.

    Raises:
        FieldNotFoundError: There is no such platform.
    """
    return await _find(database, _OF_SERVER, platform, platform_server_id)


@operation(reads=True)
async def find_user_link_owner(
    database: Database, platform: str, platform_user_id: str
) -> str | None:
    """Return whose an account on a chat platform is, or null.

    Args:
        platform: The platform, in capitals.
        platform_user_id: The account.

    Returns:
        A user's id.

    Raises:
        FieldNotFoundError: There is no such platform.
    """
    return await _find(database, _OF_USER, platform, platform_user_id)


@operation(reads=True)
async def resolve_server_link(
    database: Database, platform: str, platform_server_id: str
) -> Reply[models.ResolveResponse]:
    """Tell whether a server of a chat platform is anybody's.

    Args:
        platform: The platform, in capitals.
        platform_server_id: The server.

    Raises:
        FieldNotFoundError: There is no such platform.
    """
    owner = await _find(database, _OF_SERVER, platform, platform_server_id)
    return {"linked": owner is not None}


@operation(reads=True)
async def resolve_user_link(
    database: Database, platform: str, platform_user_id: str
) -> Reply[models.ResolveResponse]:
    """Tell whether an account on a chat platform is anybody's.

    Args:
        platform: The platform, in capitals.
        platform_user_id: The account.

    Raises:
        FieldNotFoundError: There is no such platform.
    """
    owner = await _find(database, _OF_USER, platform, platform_user_id)
    return {"linked": owner is not None}


async def _find(database: Database, owner: Merged, platform: str, target: str) -> str | None:
    check_platform(platform)
    found = await database.merged(owner, {"platform": platform, "target": target})
    return None if found is None else str(json.loads(found))
