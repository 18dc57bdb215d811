"""The server of one process: uvicorn's, with a stop that fails nobody.

uvicorn's own stop closes idle connections at once, under requests that are on their way, raises
the signal again when it is done, and waits for running requests without a word to their clients.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, cast

import uvicorn

from autogpt_db.api.connection import Connection
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Sequence

    from starlette.types import ASGIApp
    from uvicorn._types import ASGI3Application

    from autogpt_db.api.accepting import Acceptor
    from autogpt_db.api.protocol import State

    Accepting = Callable[[Sequence[socket.socket], Callable[[], asyncio.Protocol]], Acceptor]

LAME_DUCK = 0.5
"""Seconds in which connections that look idle are kept, for requests that are on their way."""
LAST_WORDS = 2.0
"""Seconds for requests that were given up to reply and to end."""
LEAST_LEFT = 1.0
"""Seconds that work which requests have started gets, however long the drain was."""
TICK = 0.02
"""Seconds between two looks at what is left while draining."""


class Server(uvicorn.Server):
    """Serve connections until told to stop, then drain.

    Attributes:
        give_up: Called when the drain has lasted long enough: every running request must be
            answered now.
        when_started: Called once connections are accepted.
        stopping: Set once the stop was asked for.
        hastened: Set once it was asked for again.
    """

    server_state: State

    def __init__(self, application: ASGIApp, state: State, accepting: Accepting) -> None:
        """Configure uvicorn.

        Args:
            application: What answers the requests.
            state: Shared by all connections.
            accepting: Makes what accepts, of the listening sockets and of what makes a protocol.
        """
        self._accepting = accepting
        self._acceptor: Acceptor | None = None
        limits = state.limits
        super().__init__(
            uvicorn.Config(
                cast("ASGI3Application", application),
                http=Connection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                headers=[("server", "autogpt-db")],
                timeout_keep_alive=limits.keep_alive,  # type: ignore[arg-type] # call_later's
            )
        )
        self.server_state = state
        self.give_up: Callable[[], None] = _nothing
        self.when_started: Callable[[], None] = _nothing
        self.stopping = asyncio.Event()
        self.hastened = asyncio.Event()
        self._stopped_at = 0.0

    def handle_signals(self) -> None:
        """Stop on SIGTERM and SIGINT: the first drains, the second hastens."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: `handle_signals` covers start and end too, and nothing is raised again."""
        yield

    def stop(self) -> None:
        """Ask for the stop; asked again, hasten it."""
        if self.should_exit:
            self.hastened.set()
        self.should_exit = True
        self.server_state.draining = True
        self.stopping.set()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and tell when.

        Args:
            sockets: The listening sockets.
        """
        await super().startup([])  # uvicorn accepts nothing itself
        self._acceptor = self._accepting(sockets or [], self._protocol)
        self._acceptor.start()
        self.when_started()

    def _protocol(self) -> asyncio.Protocol:
        return Connection(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=asyncio.get_running_loop(),
        )

    async def on_tick(self, counter: int) -> bool:
        """Look after the connections' deadlines as well."""
        self._expire()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop accepting, answer what is on its way, close.

        Args:
            sockets: The listening sockets; other processes may hold them too.
        """
        loop = asyncio.get_running_loop()
        began = self._stopped_at = loop.time()
        if self._acceptor is not None:
            self._acceptor.close()
        for listener in sockets or ():
            listener.close()
        await asyncio.sleep(0)  # what was accepted in this turn of the loop becomes a connection
        for connection in self._connections:
            connection.announce_close()
        log.draining(connections=len(self._connections), requests=self._running)
        patience = began + self.server_state.limits.drain_timeout
        while self._busy and not self.hastened.is_set() and loop.time() < patience:
            self._expire()
            if loop.time() > began + LAME_DUCK:
                for connection in self._connections:
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
        return max(LEAST_LEFT, self.server_state.limits.drain_timeout - gone)

    async def _end_now(self) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + LAST_WORDS
        log.requests_given_up(requests=self._running)
        self.give_up()
        self.server_state.short_road.give_up()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=LAST_WORDS)
        for connection in self._connections:
            connection.transport.close()
        while self.server_state.connections and loop.time() < until:  # noqa: ASYNC110 - uvicorn's set tells nobody
            await asyncio.sleep(TICK)
        for connection in self._connections:
            connection.transport.abort()

    def _expire(self) -> None:
        now = asyncio.get_running_loop().time()
        for connection in self._connections:
            if connection.deadline <= now:
                connection.expire(now)
        self.server_state.short_road.expire(time.monotonic())

    @property
    def _connections(self) -> list[Connection]:
        return list(self.server_state.connections)  # type: ignore[arg-type] # all are ours

    @property
    def _running(self) -> int:
        return len(self.server_state.tasks) + len(self.server_state.short_road.running)

    @property
    def _busy(self) -> bool:
        return bool(self.server_state.connections or self._running)


def _nothing() -> None:
    pass
