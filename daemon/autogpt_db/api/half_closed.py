"""Clients that have closed their side: those that still listen get their reply, others are noticed.

By TCP a client that has only said all it wants to say and one that is gone look alike, until bytes
are sent: the one takes them, for the other its system answers with a reset. Every reply begins
alike, so its beginning is sent at once.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

FIRST_LOOK, NEXT_LOOK = 0.05, 0.5
"""Seconds after which it is looked whether a reset came, first and then again and again."""


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
