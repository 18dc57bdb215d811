"""What the overview shows now: sections that are looked up while somebody watches, and no longer.

However many watch, each section is looked up once. A watcher gets what has changed since it was
last served; who is slow gets the newest, and nothing queues up for it.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import AutogptDbError
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Look = Callable[[], Awaitable[Any]]


class Board:
    """The sections.

    Args:
        looks: For each section what looks it up, and the seconds between two looks.
    """

    def __init__(self, looks: dict[str, tuple[Look, float]]) -> None:
        self._looks = looks
        self._shown: dict[str, tuple[int, str]] = {}
        self._changed = asyncio.Event()
        self._hurry: dict[str, asyncio.Event] = {name: asyncio.Event() for name in looks}
        self._version = 0
        self._watchers = 0
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def watchers(self) -> int:
        """Return how many watch."""
        return self._watchers

    def hurry(self, name: str) -> None:
        """Look a section up now: it has just been changed."""
        self._hurry[name].set()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Look the sections up for as long as anybody is inside."""
        self._watchers += 1
        if self._watchers == 1:
            self._shown.clear()
            self._tasks = [
                asyncio.create_task(self._keep(name, look, pause), name=f"board {name}")
                for name, (look, pause) in self._looks.items()
            ]
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                tasks, self._tasks = self._tasks, []
                for task in tasks:
                    task.cancel()

    async def changes(self) -> AsyncIterator[tuple[str, str]]:
        """Yield each section's name and JSON, now and whenever it has changed."""
        seen = dict.fromkeys(self._looks, 0)
        while True:
            changed = self._changed
            for name, (version, document) in list(self._shown.items()):
                if version > seen[name]:
                    seen[name] = version
                    yield name, document
            await changed.wait()

    async def _keep(self, name: str, look: Look, pause: float) -> None:
        failed = False
        while True:
            try:
                found = await look()
                failed = False
            except (AutogptDbError, TimeoutError) as error:
                found = {"unknown": str(error) or "It took too long."}
            except Exception as error:  # noqa: BLE001 - the other sections are still to be seen
                if not failed:
                    log.admin_error(path=f"overview {name}", exc_info=error)
                failed = True
                found = {"unknown": "The log says what happened (admin_error)."}
            self._show(name, json.dumps(found, separators=(",", ":"), default=str))
            try:
                await asyncio.wait_for(self._hurry[name].wait(), pause)
            except TimeoutError:
                continue
            self._hurry[name].clear()

    def _show(self, name: str, document: str) -> None:
        _, before = self._shown.get(name, (0, ""))
        if document != before:
            self._version += 1
            self._shown[name] = (self._version, document)
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()
