"""Events on AutoGPT's bus: sent in the background where there is a Redis, forgotten where not.

No call waits for Redis, and none fails because of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import re
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from redis.asyncio import Redis

    from autogpt_db.settings import RedisSettings, Settings

log = structlog.get_logger("autogpt_db.operations")

TIMEOUT = 2.0
"""Seconds for one attempt to connect, to send, or to read a reply."""
ATTEMPTS = 3
MOST_WAITING = 100
"""Events that may be on their way at once in each process; one more is dropped, with a warning."""

_GLOB = re.compile(r"([*?\[\]\\^-])")
_under_way: set[asyncio.Task[None]] = set()
_held: ContextVar[list[Callable[[], None]] | None] = ContextVar("held_events", default=None)


def notify(settings: Settings, user_id: str, content: dict[str, Any]) -> None:
    """Publish a notification to a user's open pages.

    Args:
        settings: Where Redis is.
        user_id: Whose pages.
        content: What they are told.
    """
    channel = f"{settings.redis.notification_channel}/{user_id}"
    message = json.dumps({"payload": {"user_id": user_id, "payload": content}})

    async def send(redis: Redis) -> None:
        await redis.publish(channel, message)

    _start(settings.redis, "notification", send)


def forget_lack_of_credits(settings: Settings, user_id: str) -> None:
    """Forget that a user was told of a lack of credits, so that the next one is told again.

    Args:
        settings: Where Redis is.
        user_id: The user.
    """
    literally = _GLOB.sub(r"\\\1", user_id)
    pattern = f"insufficient_funds_discord_notified:{literally}:*"

    async def send(redis: Redis) -> None:
        keys = [key async for key in redis.scan_iter(match=pattern, count=1000)]
        if keys:
            await redis.delete(*keys)

    _start(settings.redis, "lack_of_credits", send)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Keep back what is published inside.

    Yields:
        What publishes it, to be called once the transaction that it tells of is committed.
    """
    waiting: list[Callable[[], None]] = []

    def release() -> None:
        for start in waiting:
            start()
        waiting.clear()

    token = _held.set(waiting)
    try:
        yield release
    finally:
        _held.reset(token)


async def drain() -> None:
    """Wait until nothing is on its way any more."""
    while _under_way:
        await asyncio.gather(*_under_way)


def _start(options: RedisSettings, what: str, send: Callable[[Redis], Awaitable[None]]) -> None:
    if options.host is None:
        return
    waiting = _held.get()
    if waiting is not None:
        waiting.append(lambda: _publish(options, what, send))
    else:
        _publish(options, what, send)


def _publish(options: RedisSettings, what: str, send: Callable[[Redis], Awaitable[None]]) -> None:
    if len(_under_way) >= MOST_WAITING:
        log.warning("event_not_published", what=what, reason="too many are waiting for Redis")
        return
    task = asyncio.create_task(_send(options, what, send), name=f"event-{what}")
    _under_way.add(task)
    task.add_done_callback(_under_way.discard)


async def _send(
    options: RedisSettings, what: str, send: Callable[[Redis], Awaitable[None]]
) -> None:
    # Imported where it is used, and beside the loop: it takes a second and many megabytes.
    library = await asyncio.to_thread(importlib.import_module, "redis.asyncio")
    from redis.asyncio.retry import Retry
    from redis.backoff import ExponentialBackoff

    try:
        # A connection for each: there are few events, and none is left open for nothing.
        async with library.Redis(
            host=options.host,
            port=options.port,
            password=options.password.reveal() if options.password else None,
            protocol=2,
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), ATTEMPTS - 1),
        ) as redis:
            await send(redis)
    except (library.RedisError, OSError) as error:
        log.warning("event_not_published", what=what, reason=f"{type(error).__name__}: {error}")
