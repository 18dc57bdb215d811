"""What a connection's server says, waited for without asking the event loop anew each time.

psycopg has the loop watch a connection's socket for each answer, and stop when it has come: two
system calls, a timer and several objects for every statement. Here the loop watches from the day on
that the connection is in the pool, which also tells of what is said while nobody has asked.
"""

from __future__ import annotations

import asyncio
import os
import select


class Arrivals:
    """Watches one connection's socket until `close`.

    It reads nothing. What comes unasked is left to whoever looks next, and watched no longer until
    then: the loop would tell of it again and again.
    """

    def __init__(self, descriptor: int) -> None:
        """Begin to watch.

        Args:
            descriptor: The connection's socket.

        Raises:
            OSError: It is closed, or no descriptor is left.
        """
        self._loop = asyncio.get_running_loop()
        # A descriptor of our own: libpq closes its as soon as the stream ends, and another
        # connection may have got that number before the loop hears of it.
        self._descriptor = os.dup(descriptor)
        self._waiter: asyncio.Future[None] | None = None
        self._watching = False
        self._was_unasked = False
        # The loop tells of what came before its turn, which may have been a long one.
        self._poller = select.poll()
        self._poller.register(self._descriptor, select.POLLIN)
        self._watch()

    @property
    def unasked(self) -> bool:
        """Tell whether something has come that nobody waited for: maybe the end of the stream."""
        return self._was_unasked or bool(self._poller.poll(0))

    async def next(self) -> None:
        """Wait until there is something to read."""
        waiter = self._waiter = self._loop.create_future()
        if not self._watching:
            self._watch()
        try:
            await waiter
        finally:
            self._waiter = None

    def resume(self) -> None:
        """Go on watching, when what has come unasked was read."""
        self._was_unasked = False
        if not self._watching:
            self._watch()

    def close(self) -> None:
        """Watch no longer; who waits is told that there is something, which is the end."""
        if self._descriptor < 0:
            return
        self._stop()
        os.close(self._descriptor)
        self._descriptor = -1
        self._arrived()

    def _watch(self) -> None:
        if self._descriptor >= 0:
            self._watching = True
            self._loop.add_reader(self._descriptor, self._arrived)
        else:
            self._arrived()

    def _stop(self) -> None:
        if self._watching:
            self._watching = False
            self._loop.remove_reader(self._descriptor)

    def _arrived(self) -> None:
        waiter = self._waiter
        if waiter is None:
            self._was_unasked = True
            self._stop()
        elif not waiter.done():
            waiter.set_result(None)
