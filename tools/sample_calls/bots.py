"""Sample calls of the methods for bots on chat platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import BOT_SERVER, INSTALLED_TEAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

OF_TEAM = {"platform": "SLACK", "team_id": INSTALLED_TEAM}

CALLS: Mapping[str, list[Arguments]] = {
    "get_bot_install": [OF_TEAM],
    "is_install_revoked": [OF_TEAM],
    "mark_guild_left": [{"platform": "DISCORD", "server_id": BOT_SERVER}],
    "record_bot_event": [
        {
            "event": {
                "platform": "DISCORD",
                "event_type": "message_received",
                "server_id": "a-server",
                "channel_type": "thread",
                "char_count": 120,
                "duration_ms": 30,
            }
        }
    ],
    "record_guild_joined": [
        {"guild": {"platform": "DISCORD", "server_id": BOT_SERVER, "name": "Its name"}}
    ],
    "revoke_bot_install": [OF_TEAM],
    "sync_guild_presence": [
        {
            "platform": "DISCORD",
            "guilds": [
                {"platform": "DISCORD", "server_id": "a-new-server", "name": "A server"},
                {"platform": "DISCORD", "server_id": "another-new-server"},
            ],
        }
    ],
    "upsert_bot_install": [
        {**OF_TEAM, "bot_token": "xoxb-token", "bot_user_id": "U1", "name": "A workspace"}
    ],
}
