"""AutoGPT's bots on chat platforms: what happens to them, where they are, and with which token."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from autogpt_db.models.linking import GivenPlatform
from autogpt_db.models.marks import Default, Secret


class BotEventInput(TypedDict):
    """Something that has happened to a bot; never what was said."""

    platform: GivenPlatform
    event_type: str
    server_id: NotRequired[Annotated[str | None, Default(None)]]
    channel_type: NotRequired[Annotated[str | None, Default(None)]]
    command_name: NotRequired[Annotated[str | None, Default(None)]]
    error_kind: NotRequired[Annotated[str | None, Default(None)]]
    char_count: NotRequired[Annotated[int | None, Default(None)]]
    duration_ms: NotRequired[Annotated[int | None, Default(None)]]


class BotGuildInput(TypedDict):
    """A server that a bot is in."""

    platform: GivenPlatform
    server_id: str
    name: NotRequired[Annotated[str | None, Default(None)]]


class BotInstallation(TypedDict):
    """How a bot is installed in somebody's workspace, its token in clear text."""

    team_id: str
    bot_token: Annotated[str, Secret()]
    bot_user_id: str | None
    app_id: str | None
    name: str | None
