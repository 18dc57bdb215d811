"""How bots are installed in other people's workspaces: with a token for each, encrypted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.database.encryption import UndecryptableError, decrypt, encrypt
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, Platform, Reply, operation
from autogpt_db.operations.users.credential_texts import keys_of
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.settings import IntegrationsSettings

_OF_TEAM: LiteralString = """"platform" = %(platform)s::text::platform."PlatformType"
   AND "platformServerId" = %(team_id)s"""

_GET: LiteralString = f"""
SELECT "id", "credentials", "botUserId", "appId", "name"
  FROM platform."BotInstall"
 WHERE {_OF_TEAM}
   AND "revokedAt" IS NULL
"""

_IS_REVOKED: LiteralString = f"""
SELECT EXISTS (
           SELECT
             FROM platform."BotInstall"
            WHERE {_OF_TEAM}
              AND "revokedAt" IS NOT NULL
       )
"""

# When it was installed for the first time stays.
_UPSERT: LiteralString = """
INSERT INTO platform."BotInstall"
       ("id", "platform", "platformServerId", "credentials", "botUserId", "appId", "name",
        "installedAt", "updatedAt")
VALUES (gen_random_uuid()::text, %(platform)s::text::platform."PlatformType", %(team_id)s,
        %(credentials)s, %(bot_user_id)s, %(app_id)s, %(name)s, autogpt_db.now_v1(),
        autogpt_db.now_v1())
    ON CONFLICT ("platform", "platformServerId") DO UPDATE
   SET "credentials" = EXCLUDED."credentials",
       "botUserId" = EXCLUDED."botUserId",
       "appId" = EXCLUDED."appId",
       "name" = EXCLUDED."name",
       "updatedAt" = EXCLUDED."updatedAt",
       "revokedAt" = NULL
"""

_REVOKE: LiteralString = f"""
UPDATE platform."BotInstall"
   SET "revokedAt" = autogpt_db.now_v1(),
       "updatedAt" = autogpt_db.now_v1()
 WHERE {_OF_TEAM}
   AND "revokedAt" IS NULL
"""


@operation(reads=True)
async def get_bot_install(
    database: Database, platform: Platform, team_id: str
) -> Reply[models.BotInstallation | None]:
    """Return how a bot is installed in a workspace, its token in clear text.

    Args:
        platform: The platform.
        team_id: The workspace there.

    Returns:
        Null where it isn't installed, or no more; where it has no token; and where its token cannot
        be decrypted, which the log tells as an error.

    Raises:
        InvalidValueError: There is no key to decrypt it with.
    """
    row = await database.row(_GET, {"platform": platform.value, "team_id": team_id})
    if row is None:
        return None
    install_id, credentials, bot_user_id, app_id, name = row
    try:
        token = _token_of(keys_of(database), credentials)
    except UndecryptableError:
        log.bot_token_undecryptable(install=install_id)
        return None
    if token is None:
        return None
    return {
        "team_id": team_id,
        "bot_token": token,
        "bot_user_id": bot_user_id,
        "app_id": app_id,
        "name": name,
    }


@operation(reads=True)
async def is_install_revoked(database: Database, platform: Platform, team_id: str) -> bool:
    """Tell whether a bot was installed in a workspace and is no more.

    Args:
        platform: The platform.
        team_id: The workspace there.
    """
    row = await database.row(_IS_REVOKED, {"platform": platform.value, "team_id": team_id})
    assert row is not None
    revoked: bool = row[0]
    return revoked


@operation(reads=False, repeat=harmless("Stores the same again."))
async def upsert_bot_install(
    database: Database,
    platform: Platform,
    team_id: str,
    bot_token: str,
    bot_user_id: str | None = None,
    app_id: str | None = None,
    name: str | None = None,
) -> None:
    """Record that a bot is installed in a workspace, for the first time or again.

    Args:
        platform: The platform.
        team_id: The workspace there.
        bot_token: What the bot speaks for itself with; stored encrypted.
        bot_user_id: What the bot is there; what isn't given is forgotten.
        app_id: The application that it is of.
        name: The workspace's name.

    Raises:
        InvalidValueError: There is no key to encrypt it with.
    """
    credentials = encrypt(keys_of(database), json.dumps({"bot_token": bot_token}))
    await database.execute(
        _UPSERT,
        {
            "platform": platform.value,
            "team_id": team_id,
            "credentials": credentials,
            "bot_user_id": bot_user_id,
            "app_id": app_id,
            "name": name,
        },
    )


@operation(reads=False, repeat=harmless("Finds it revoked."))
async def revoke_bot_install(database: Database, platform: Platform, team_id: str) -> None:
    """Record that a bot is installed in a workspace no more; an unknown one is passed over.

    Args:
        platform: The platform.
        team_id: The workspace there.
    """
    await database.execute(_REVOKE, {"platform": platform.value, "team_id": team_id})


def _token_of(keys: IntegrationsSettings, credentials: str) -> str | None:
    """Return what a stored text says; None where it says no token.

    Raises:
        UndecryptableError: The keys don't fit, or it is damaged.
    """
    if not credentials:
        return None
    try:
        content = json.loads(decrypt(keys, credentials))
    except (ValueError, RecursionError):
        return None
    token = content.get("bot_token") if isinstance(content, dict) else None
    return token if isinstance(token, str) and token else None
