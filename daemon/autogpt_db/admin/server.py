"""uvicorn, with the bounds that it lacks: silent clients, unread answers, how many there are.

The API's own server isn't used: it ends every request within a deadline, and streams have none.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from starlette.types import ASGIApp

MOST_CONNECTIONS = 1024
"""Connections at once; a request on one more gets 503."""
MARGIN = 64
"""Connections beyond those that hear 503; one more is cut off."""
LARGEST_HEAD = 16_384
"""Bytes of a request's head."""
SILENCE = 15.0
"""Seconds that a client may take for a request's head, and keep an idle connection."""
FAREWELL = 5.0
"""Seconds that a closed connection gets to take what was written, and streams to end at a stop."""


class Connection(H11Protocol):
    """A connection whose client is neither silent nor deaf for long.

    Replaces stock behaviour: uvicorn waits for a first request, for the rest of a head and for the
    reading of what was written before a close, for ever.
    """

    quiet_since = 0.0
    closing_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self.quiet_since = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS + MARGIN:
            transport.abort()

    def expire(self, now: float) -> None:
        """End what has lasted too long; `now` is the event loop's time."""
        if self.transport.is_closing():
            self.closing_since = now if self.closing_since is None else self.closing_since
            if now - self.closing_since > FAREWELL:
                self.transport.abort()
        elif self.cycle is not None and not self.cycle.response_complete:
            self.quiet_since = now
        elif now - self.quiet_since > SILENCE:
            self.transport.close()


class Server(uvicorn.Server):
    """The server of the process; it ends when `stop` is called.

    Args:
        app: Answers requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                log_level="critical",  # what it has to say, we say
                access_log=False,
                proxy_headers=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=int(SILENCE),
                timeout_graceful_shutdown=int(FAREWELL),
                h11_max_incomplete_event_size=LARGEST_HEAD,
            )
        )
        self._stopping = asyncio.Event()

    async def serve_on(self, listeners: Sequence[socket.socket]) -> None:
        """Serve until stopped."""
        await self.serve(list(listeners))

    def stop(self) -> None:
        """Ask for the stop; the second time it doesn't wait for anybody."""
        # sse-starlette listens here, and ends its streams.
        self.handle_exit(signal.SIGINT if self.should_exit else signal.SIGTERM, None)
        self._captured_signals.clear()
        self._stopping.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process.

        Replaces stock behaviour: they are raised again after the stop, which is no good end then.
        """
        yield

    async def main_loop(self) -> None:
        """Look after the connections once a second.

        Replaces stock behaviour: ten times a second, also when nobody is there.
        """
        loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            for connection in list(self.server_state.connections):
                assert isinstance(connection, Connection)
                connection.expire(loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), 1.0)
