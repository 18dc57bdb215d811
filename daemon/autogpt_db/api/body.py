"""A request's body as it arrives: whole, or part by part, and never more than may be."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from autogpt_db.errors import BodyTooLargeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from autogpt_db.api.flow import Flow
    from autogpt_db.errors import CallError

AHEAD = 65_536
"""Bytes that are kept for whoever reads the body; then the client has to wait."""


class Body:
    """A body.

    Args:
        flow: The connection that it comes from.
        go_on: Called before it is read, where the client waits for a word before it sends it.

    Attributes:
        complete: Whether all of it has come.
        refusal: Why the request is not served, if it isn't.
    """

    __slots__ = ("_arrived", "_dropped", "_flow", "_go_on", "_waiter", "complete", "refusal")

    def __init__(self, flow: Flow, go_on: Callable[[], None] | None = None) -> None:
        self._flow = flow
        self._go_on = go_on
        self._arrived = bytearray()
        self._dropped = False
        self._waiter: asyncio.Future[None] | None = None
        self.complete = False
        self.refusal: CallError | None = None

    @classmethod
    def whole(cls, flow: Flow, data: bytes) -> Body:
        """Return a body that is all there."""
        body = cls(flow)
        body.add(data)
        body.end()
        return body

    @property
    def waiting(self) -> int:
        """Return how many bytes of it nobody has read yet."""
        return len(self._arrived)

    def add(self, piece: bytes) -> None:
        """Take a piece that has come."""
        if not self._dropped:
            self._arrived += piece
            if len(self._arrived) > AHEAD:
                self._flow.pause_reading()
            self._wake()

    def end(self) -> None:
        """Take note that all of it has come."""
        self.complete = True
        self._wake()

    def refuse(self, error: CallError) -> None:
        """Tell whoever reads it that the request is not served."""
        self.refusal = error
        self._wake()

    def drop(self) -> None:
        """Keep nothing of it: nobody will want to know."""
        self._dropped, self._arrived = True, bytearray()
        self._go_on = None

    def take(self) -> bytes:
        """Return what has come and nobody has read."""
        arrived, self._arrived = bytes(self._arrived), bytearray()
        return arrived

    async def parts(self, limit: int) -> AsyncIterator[bytes]:
        """Yield it as it arrives, the first part even where there is nothing in it.

        Raises:
            CallError: It has more than `limit` bytes, or was refused.
        """
        size = 0
        if self._go_on is not None:
            self._go_on()
            self._go_on = None
        while True:
            self._flow.resume_reading()
            while not (self._arrived or self.complete or self.refusal):
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            if self.refusal is not None:
                raise self.refusal
            part, complete = self.take(), self.complete
            size += len(part)
            if size > limit:
                raise BodyTooLargeError(limit)
            yield part
            if complete:
                return

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


async def whole(data: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is all there."""
    yield data
