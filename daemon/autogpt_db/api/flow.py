"""The flow of a connection's bytes, both ways, and how it ends: bounded, and with nothing lost."""

from __future__ import annotations

import asyncio
import select
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

from autogpt_db.api.replies import BEGINNING, JOINED

if TYPE_CHECKING:
    from collections.abc import Callable

    from autogpt_db.api.unread import UnreadReplies

FIRST_LOOK, NEXT_LOOK = 0.05, 0.5
"""Seconds after which it is looked whether a reset came, first and then again and again."""


class Flow(asyncio.Protocol, ABC):
    """A connection's transport.

    Args:
        unread: Counts what its client does not read.

    Attributes:
        transport: The transport.
        deadline: Event loop time at which `expire` must be called.
        writing_paused: Whether the client has much to read before anything more is sent.
        half_closed: Set once the client has closed its side.
    """

    transport: asyncio.Transport
    deadline: float

    def __init__(self, unread: UnreadReplies) -> None:
        self._unread = unread
        self._reading_paused = False
        self._writable: asyncio.Future[None] | None = None
        self._begun = b""
        self.writing_paused = False
        self.half_closed: HalfClosed | None = None

    @abstractmethod
    def expire(self, now: float) -> None:
        """Act on the deadline, which has passed: `now` is the event loop's time."""

    @abstractmethod
    def close_if_idle(self) -> None:
        """Close the connection unless a request is running or on its way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's
        """Let go of what was counted."""
        self._reading_paused = False
        self.resume_writing()
        if self.half_closed is not None:
            self.half_closed.close()

    def listen_no_more(self, *, begin: bool) -> None:
        """Go on although the client has closed its side, and find out whether it still listens.

        Args:
            begin: Whether a reply is awaited of which nothing was sent.
        """
        self.half_closed = HalfClosed(self.transport, asyncio.get_running_loop(), self.cut)
        if begin:
            self._begun = BEGINNING
            self.transport.write(BEGINNING)

    def pause_writing(self) -> None:
        """Let replies wait, and count what the client doesn't read at once."""
        self.writing_paused = True
        self._unread.hold(self)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        self.writing_paused = False
        self._unread.let_go(self)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    async def drained(self) -> None:
        """Wait until the client has read most of what was sent."""
        while self.writing_paused:
            self._writable = asyncio.get_running_loop().create_future()
            await self._writable

    def pause_reading(self) -> None:
        """Let the client wait."""
        if not self._reading_paused:
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        if self._reading_paused:
            self._reading_paused = False
            self.transport.resume_reading()

    def send(self, head: bytes, body: bytes) -> None:
        """Send a reply's head, or a part of its body, or both: in one packet, if that is small."""
        if self._begun:
            head, self._begun = head.removeprefix(self._begun), b""
        if len(body) < JOINED:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)

    def say_no_more(self) -> bool:
        """Close our side; False where everything was closed, because it has no sides.

        A socket that is closed while the client still sends, or with bytes that nobody has read,
        makes the kernel reset the connection, and the client may lose the reply: what comes is to
        be read and dropped first.
        """
        if self.half_closed is not None or not self.transport.can_write_eof():
            self.transport.close()
            return False
        self.transport.write_eof()
        self.resume_reading()
        return True

    def cut(self) -> None:
        """End the connection at once, maybe in the middle of a reply."""
        self.transport.abort()

    @property
    def unread(self) -> int:
        """Return how many bytes of its replies the client has not read."""
        return self.transport.get_write_buffer_size()

    @property
    def has_input(self) -> bool:
        """Tell whether bytes have arrived that the event loop has not read yet."""
        poller = select.poll()
        poller.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(poller.poll(0))


class HalfClosed:
    """A connection whose client has closed its side, while a reply is awaited.

    Args:
        transport: The connection.
        loop: The event loop.
        leave: Called when the client turns out to be gone.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        leave: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._leave = leave
        self._poller = select.poll()
        self._poller.register(transport.get_extra_info("socket").fileno(), 0)
        self._timer = loop.call_later(FIRST_LOOK, self._look)

    def close(self) -> None:
        """Look no more."""
        self._timer.cancel()

    def _look(self) -> None:
        if self._transport.is_closing():
            return
        if self._poller.poll(0):  # an error or the end of both directions: nothing else is awaited
            self._leave()
        else:
            self._timer = self._loop.call_later(NEXT_LOOK, self._look)
