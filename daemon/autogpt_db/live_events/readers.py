"""Who follows live events, and what waits for each of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autogpt_db.live_events.reading import Selection

if TYPE_CHECKING:
    from autogpt_db.live_events.reading import Position

WAITING = 512 * 1024
"""Bytes that wait for a reader, beyond which nothing more is put there: it is dropped."""


class Reader:
    """Somebody who follows.

    Attributes:
        selection: What it has chosen.
        floor: Up to where it has read: nothing before goes to it.
        lost: Whether more came than may wait for it: it gets nothing any more.
    """

    def __init__(self, selection: Selection, floor: Position) -> None:
        """Take what it has chosen, and up to where it has read."""
        self.selection = selection
        self.floor = (floor.transaction, floor.number)
        self.lost = False
        self._parts: list[bytes] = []
        self._size = 0
        self._came = asyncio.Event()

    @property
    def key(self) -> Selection:
        """Return the narrowest part of its choice: what it is found by."""
        wanted = self.selection
        if wanted.graph_execution_id is not None:
            return Selection(graph_execution_id=wanted.graph_execution_id)
        if wanted.graph_id is not None:
            return Selection(graph_id=wanted.graph_id)
        return wanted

    def give(self, part: bytes) -> None:
        """Put something before it, unless too much waits there already; `wake` tells it."""
        if self.lost or self._size > WAITING:
            self.lost = True
            self._parts.clear()
        else:
            self._parts.append(part)
            self._size += len(part)

    def wake(self) -> None:
        """Let it take what waits."""
        self._came.set()

    def take(self) -> bytes:
        """Return all that waits."""
        taken = b"".join(self._parts)
        self._parts.clear()
        self._size = 0
        self._came.clear()
        return taken

    async def come(self) -> None:
        """Wait until it is told to take something."""
        await self._came.wait()
