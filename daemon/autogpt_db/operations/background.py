"""Work that a call starts and nobody waits for: bounded in number, and finished before the end."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from autogpt_db.logs.events import methods as log

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator
    from typing import Any

MOST_UNDER_WAY = 100
"""Pieces of work that may be under way at once in each process; one more is refused."""
LAST_WORDS = 1.0
"""Seconds that cancelled work gets to end."""

_under_way: set[asyncio.Task[None]] = set()
_held: ContextVar[list[Callable[[], None]] | None] = ContextVar("held_work", default=None)


def start(
    name: str, work: Callable[[], Coroutine[Any, Any, None]], refused: Callable[[], None]
) -> None:
    """Begin a piece of work beside the call; inside `held`, when that is released.

    Args:
        name: What it is, for people who look at tasks.
        work: Does it, and deals with its own failures.
        refused: Called instead when too much is under way.
    """

    def begin() -> None:
        if len(_under_way) >= MOST_UNDER_WAY:
            refused()
            return
        task = asyncio.create_task(work(), name=name)
        _under_way.add(task)
        task.add_done_callback(_ended)

    waiting = _held.get()
    if waiting is None:
        begin()
    else:
        waiting.append(begin)


@contextmanager
def held() -> Iterator[Callable[[], None]]:
    """Keep back what is started inside.

    Yields:
        What starts it, to be called once the transaction that it follows from is committed.
    """
    waiting: list[Callable[[], None]] = []

    def release() -> None:
        for begin in waiting:
            begin()
        waiting.clear()

    token = _held.set(waiting)
    try:
        yield release
    finally:
        _held.reset(token)


async def drain(seconds: float | None = None, hastened: asyncio.Event | None = None) -> None:
    """Wait until nothing is under way any more.

    Args:
        seconds: Most seconds to wait; what is left then is cancelled, and a warning names it.
        hastened: Ends the waiting at once when it is set.
    """
    ended = asyncio.ensure_future(_all_ended())
    hurried = asyncio.ensure_future((hastened or asyncio.Event()).wait())
    await asyncio.wait({ended, hurried}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    hurried.cancel()
    if left := list(_under_way):
        log.background_given_up(work=sorted(task.get_name() for task in left))
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=LAST_WORDS)


async def _all_ended() -> None:
    while _under_way:
        await asyncio.wait(_under_way)


def _ended(task: asyncio.Task[None]) -> None:
    _under_way.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.background_failed(work=task.get_name(), exc_info=error)


async def attempt(work: Callable[[], Awaitable[bool]], *, pauses: tuple[float, ...]) -> bool:
    """Repeat a piece of work until it says that it is done, pausing in between; False: never.

    Args:
        work: One attempt; tells whether a repeat is no longer needed.
        pauses: Seconds before each repeat.
    """
    for pause in (*pauses, None):
        if await work():
            return True
        if pause is not None:
            await asyncio.sleep(pause)
    return False
