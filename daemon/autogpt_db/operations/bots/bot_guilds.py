"""The servers that bots are in, or were: a row for each, which stays when they have left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

from autogpt_db.models import bots
from autogpt_db.operations import Database, JsonText, Platform, operation
from autogpt_db.operations.received import members_of, refuse_nul
from autogpt_db.signatures.bounds import check_items
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

BotGuildInput = Annotated[JsonText, Document(bots.BotGuildInput)]
BotGuildInputs = Annotated[JsonText, Document(list[bots.BotGuildInput])]

_COLUMNS: LiteralString = '("id", "platform", "serverId", "name", "joinedAt", "lastSeenAt")'

# When it joined for the first time stays.
_SEEN_AGAIN: LiteralString = """
    ON CONFLICT ("platform", "serverId") DO UPDATE
   SET "name" = EXCLUDED."name",
       "leftAt" = NULL,
       "lastSeenAt" = EXCLUDED."lastSeenAt"
"""

_JOIN: LiteralString = f"""
INSERT INTO platform."BotGuild" {_COLUMNS}
VALUES (gen_random_uuid()::text, %(platform)s::text::platform."PlatformType", %(server_id)s,
        %(name)s, autogpt_db.now_v1(), autogpt_db.now_v1()){_SEEN_AGAIN}"""

_LEAVE: LiteralString = """
UPDATE platform."BotGuild"
   SET "leftAt" = autogpt_db.now_v1()
 WHERE "platform" = %(platform)s::text::platform."PlatformType"
   AND "serverId" = %(server_id)s
   AND "leftAt" IS NULL
"""

# Two that write many rows each could wait for one another in a circle.
_LOCK: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended('servers of bots', 0))
"""

# Of a server that comes twice the last counts. What is written and what is left are never the same
# rows: those of a given server are not left on whatever platform.
_SYNC: LiteralString = f"""
WITH given AS MATERIALIZED (
    SELECT *
      FROM json_to_recordset(%(guilds)s::json) AS guild (
               place integer, platform text, server_id text, name text
           )
), seen AS (
    INSERT INTO platform."BotGuild" {_COLUMNS}
    SELECT DISTINCT ON (given.platform, given.server_id)
           gen_random_uuid()::text, given.platform::platform."PlatformType", given.server_id,
           given.name, autogpt_db.now_v1(), autogpt_db.now_v1()
      FROM given
     ORDER BY given.platform, given.server_id, given.place DESC{_SEEN_AGAIN})
UPDATE platform."BotGuild" AS guild
   SET "leftAt" = autogpt_db.now_v1()
 WHERE guild."platform" = %(platform)s::text::platform."PlatformType"
   AND guild."leftAt" IS NULL
   AND guild."serverId" NOT IN (SELECT given.server_id FROM given)
"""


@operation(reads=False, repeat=harmless("Says once more that the bot is there."))
async def record_guild_joined(database: Database, guild: BotGuildInput) -> None:
    """Record that a bot is in a server, for the first time or again.

    Args:
        guild: The server; without a name its name is forgotten.
    """
    await database.execute(_JOIN, members_of("guild", guild))


@operation(reads=False, repeat=harmless("Finds that it has left."))
async def mark_guild_left(database: Database, platform: Platform, server_id: str) -> None:
    """Record that a bot has left a server; an unknown one is passed over.

    Args:
        platform: The platform.
        server_id: The server.
    """
    await database.execute(_LEAVE, {"platform": platform.value, "server_id": server_id})


@operation(reads=False, repeat=harmless("Says the same again."))
async def sync_guild_presence(
    database: Database, platform: Platform, guilds: BotGuildInputs
) -> None:
    """Record in which servers of a platform a bot is, and that it has left all others there.

    It happens as a whole or not at all. An empty list means that the bot has left all.

    Args:
        platform: The platform whose other servers it has left.
        guilds: Where it is. Each is recorded on its own platform, as by `record_guild_joined`.

    Raises:
        LimitExceededError: They are more than the settings allow.
    """
    given = json.loads(guilds.received)
    check_items({"guilds": given}, database.settings.limits)
    for place, guild in enumerate(given):
        refuse_nul(f"guilds.{place}", guild)
    placed = [{"place": place, **guild} for place, guild in enumerate(given)]
    parameters = {"platform": platform.value, "guilds": json.dumps(placed)}
    async with database.transaction() as transaction:
        await transaction.execute(_LOCK, parameters)
        await transaction.execute(_SYNC, parameters)
