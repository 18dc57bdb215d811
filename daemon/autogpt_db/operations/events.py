"""Events on AutoGPT's bus: sent in the background where there is a Redis, forgotten where not.

No call waits for Redis, and none fails because of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

from autogpt_db.gateways.bus import Bus
from autogpt_db.gateways.failures import failed
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import background

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autogpt_db.settings import RedisSettings, Settings

_GLOB = re.compile(r"([*?\[\]\\^-])")


def notify(settings: Settings, user_id: str, content: dict[str, Any]) -> None:
    """Publish a notification to a user's open pages.

    Args:
        settings: Where Redis is.
        user_id: Whose pages.
        content: What they are told.
    """
    channel = f"{settings.redis.notification_channel}/{user_id}"
    message = json.dumps({"payload": {"user_id": user_id, "payload": content}})

    _start(settings.redis, "notification", lambda bus: bus.publish(channel, message))


def forget_lack_of_credits(settings: Settings, user_id: str) -> None:
    """Forget that a user was told of a lack of credits, so that the next one is told again.

    Args:
        settings: Where Redis is.
        user_id: The user.
    """
    literally = _GLOB.sub(r"\\\1", user_id)
    pattern = f"insufficient_funds_discord_notified:{literally}:*"

    _start(settings.redis, "lack_of_credits", lambda bus: bus.forget(pattern))


def forget_understanding(settings: Settings, user_id: str) -> None:
    """Forget what AutoGPT keeps of what it knows about a user's business, for up to two days.

    Args:
        settings: Where Redis is.
        user_id: The user.
    """
    key = f"understanding:{user_id}"

    _start(settings.redis, "understanding", lambda bus: bus.delete(key))


def _start(options: RedisSettings, what: str, send: Callable[[Bus], Awaitable[None]]) -> None:
    if options.host is None:
        return

    def refused() -> None:
        failed("redis")
        log.event_not_published(what=what, reason="too many are waiting for Redis")

    background.start(f"event-{what}", partial(_send, options, what, send), refused)


async def _send(options: RedisSettings, what: str, send: Callable[[Bus], Awaitable[None]]) -> None:
    # Imported where it is used, and beside the loop: it takes a second and many megabytes.
    library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
    try:
        await send(Bus(options))
    except (library.RedisError, OSError) as error:
        failed("redis")
        log.event_not_published(what=what, reason=f"{type(error).__name__}: {error}")
