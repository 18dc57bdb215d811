"""The server of one process: it accepts, keeps deadlines, and stops without failing anybody."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.api.connection import Connection
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from autogpt_db.api.accepting import Acceptor
    from autogpt_db.api.rpc import Rpc
    from autogpt_db.api.running import State

    Accepting = Callable[[Sequence[socket.socket], Callable[[], asyncio.Protocol]], Acceptor]

LAME_DUCK = 0.5
"""Seconds in which connections that look idle are kept, for requests that are on their way."""
LAST_WORDS = 2.0
"""Seconds for requests that were given up to reply and to end."""
LEAST_LEFT = 1.0
"""Seconds that work which requests have started gets, however long the drain was."""
LOOK = 0.1
"""Seconds between two looks at the deadlines, and at the clock."""
TICK = 0.02
"""Seconds between two looks at what is left while draining."""


class Server:
    """Serve connections until told to stop, then drain.

    Args:
        state: Shared by all connections.
        rpc: Serves their requests.
        accepting: Makes what accepts, of the listening sockets and of what makes a protocol.

    Attributes:
        when_started: Called once connections are accepted.
        stopping: Set once the stop was asked for.
        hastened: Set once it was asked for again.
    """

    def __init__(self, state: State, rpc: Rpc, accepting: Accepting) -> None:
        self._state = state
        self._rpc = rpc
        self._accepting = accepting
        self.when_started: Callable[[], None] = _nothing
        self.stopping = asyncio.Event()
        self.hastened = asyncio.Event()
        self._stopped_at = 0.0

    def handle_signals(self) -> None:
        """Stop on SIGTERM and SIGINT: the first drains, the second hastens."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    def stop(self) -> None:
        """Ask for the stop; asked again, hasten it."""
        if self.stopping.is_set():
            self.hastened.set()
        self._state.draining = True
        self.stopping.set()

    async def serve(self, listeners: Sequence[socket.socket]) -> None:
        """Serve until the stop is asked for, and everybody has been answered.

        Args:
            listeners: The listening sockets; other processes may hold them too.
        """
        acceptor = self._accepting(listeners, lambda: Connection(self._state, self._rpc))
        acceptor.start()
        self.when_started()
        told = 0.0
        while not self.stopping.is_set():
            now = time.time()
            if int(now) != int(told):
                told = now
                self._state.reply_heads.tell_time(now)
            self._expire()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), LOOK)
        self._stopped_at = asyncio.get_running_loop().time()
        acceptor.close()
        for listener in listeners:
            listener.close()
        await self._drain()

    async def _drain(self) -> None:
        """Answer what is on its way, and close."""
        loop = asyncio.get_running_loop()
        began = self._stopped_at
        await asyncio.sleep(0)  # what was accepted in this turn of the loop becomes a connection
        connections, running = self._state.connections, self._state.running
        log.draining(connections=len(connections), requests=len(running))
        patience = began + self._state.limits.drain_timeout
        while self._busy and not self.hastened.is_set() and loop.time() < patience:
            self._expire()
            if loop.time() > began + LAME_DUCK:
                for connection in list(connections):
                    connection.close_if_idle()
            with suppress(TimeoutError):
                await asyncio.wait_for(self.hastened.wait(), TICK)
        if self._busy:
            await self._end_now()
        log.drained(seconds=round(loop.time() - began, 3))

    @property
    def seconds_left(self) -> float:
        """Return what is left of the drain, after it, for work that requests have started."""
        gone = asyncio.get_running_loop().time() - self._stopped_at
        return max(LEAST_LEFT, self._state.limits.drain_timeout - gone)

    async def _end_now(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + LAST_WORDS
        connections, running = self._state.connections, self._state.running
        log.requests_given_up(requests=len(running))
        await running.give_up(LAST_WORDS)
        for connection in list(connections):
            connection.transport.close()
        while connections and loop.time() < until:  # noqa: ASYNC110 - a set tells nobody
            await asyncio.sleep(TICK)
        for connection in list(connections):
            connection.cut()

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in list(self._state.connections):
            if connection.deadline <= now:
                connection.expire(now)
        self._state.running.expire(time.monotonic())

    @property
    def _busy(self) -> bool:
        return bool(self._state.connections or self._state.running)


def _nothing() -> None:
    pass
