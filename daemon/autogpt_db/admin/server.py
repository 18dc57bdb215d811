"""uvicorn, with the bounds that it lacks: silent clients, unread answers, how many there are.

The API's own server isn't used: it ends every request within a deadline, and streams have none.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from typing import TYPE_CHECKING

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from autogpt_db.admin.refusals import LARGEST_HEAD, bad_head, too_many, written

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

MOST_CONNECTIONS = 1024
"""Connections at once; a request on one more gets 503."""
MARGIN = 64
"""Connections beyond those whose requests are read, and answered with 503; as many again hear it
without being read, and one more is cut off."""
SILENCE = 15.0
"""Seconds that a client may take for a request's head, and keep an idle connection."""
FAREWELL = 5.0
"""Seconds that a closed connection gets to take what was written, and streams to end at a stop."""


class Connection(H11Protocol):
    """A connection whose client is neither silent nor deaf for long.

    Replaces stock behaviour: uvicorn waits for a first request, for the rest of a head and for the
    reading of what was written, for ever.
    """

    quiet_since = 0.0
    read_at = 0.0
    unread = 0
    closing_since: float | None = None
    refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock."""
        super().connection_made(transport)
        self.quiet_since = self.read_at = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS + 2 * MARGIN:
            transport.abort()
        elif len(self.connections) > MOST_CONNECTIONS + MARGIN:
            self._refuse(too_many(MOST_CONNECTIONS))

    def data_received(self, data: bytes) -> None:
        """Take in what has come, but from who was refused: that is read in order to be gone."""
        if not self.refused:
            super().data_received(data)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - it says nothing
        """Refuse what cannot be read as this listener refuses: problem+json, and what is wrong.

        Replaces stock behaviour: status 400 whatever it is, as plain text; and an error of our own
        where an answer is under way.
        """
        if self.transport.is_closing():
            return
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True  # whoever answers it speaks to nobody any more
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._refuse(bad_head(status))

    def _refuse(self, answer: Response) -> None:
        """Answer who isn't read any further; a close at once would take the answer with it."""
        self.refused = True
        self.quiet_since = self.loop.time()
        self.transport.write(written(answer))
        self.transport.write_eof()

    def expire(self, now: float) -> None:
        """End what has lasted too long; `now` is the event loop's time."""
        if self.transport.is_closing():
            self.closing_since = now if self.closing_since is None else self.closing_since
            if now - self.closing_since > FAREWELL:
                self.transport.abort()
        elif self.refused:
            if now - self.quiet_since > FAREWELL:
                self.transport.abort()
        elif self._is_deaf(now):
            self.transport.abort()
        elif self.cycle is not None and not self.cycle.response_complete:
            self.quiet_since = now
        elif now - self.quiet_since > SILENCE:
            self.transport.close()

    def _is_deaf(self, now: float) -> bool:
        """Tell whether nothing was read for long of what waits for the client."""
        unread = self.transport.get_write_buffer_size()
        if not self.flow.write_paused or unread < self.unread:
            self.read_at = now
        self.unread = unread
        return now - self.read_at > SILENCE


class Server(uvicorn.Server):
    """The server of the process; it ends when `stop` is called.

    Args:
        app: Answers requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        super().__init__(
            uvicorn.Config(
                self._answer,
                http=Connection,
                interface="asgi3",
                ws="none",
                lifespan="off",
                loop="none",
                log_config=None,
                log_level="critical",  # what it has to say, we say
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=int(SILENCE),
                timeout_graceful_shutdown=int(FAREWELL),
                h11_max_incomplete_event_size=LARGEST_HEAD,
            )
        )
        self._stopping = asyncio.Event()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, unless there is no room for it, or two may read it as two things."""
        names = {name for name, _ in scope["headers"]}
        if len(self.server_state.connections) > MOST_CONNECTIONS:
            await too_many(MOST_CONNECTIONS)(scope, receive, send)
        elif {b"content-length", b"transfer-encoding"} <= names:
            await bad_head(400)(scope, receive, send)
        else:
            await self._app(scope, receive, send)

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
