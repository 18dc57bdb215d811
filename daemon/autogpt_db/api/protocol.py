"""One connection: uvicorn's protocol with the limits that it lacks.

uvicorn waits for ever for the rest of a head or a body, bounds neither, and closes in a way that
can cost the client its reply. Each override here says which of these it mends.
"""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from autogpt_db.api.replies import Replies
from autogpt_db.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    CallError,
    HeadTooLargeError,
    RequestRefusedError,
    UpgradeRefusedError,
)

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from uvicorn._types import ASGI3Application
    from uvicorn.config import Config
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from autogpt_db.api.bodies import Bodies
    from autogpt_db.api.short_road import ShortRoad
    from autogpt_db.settings.api import ApiSettings

CONNECTION = "autogpt_db.connection"
"""Key in a request's scope: the `HttpProtocol` it came on."""
REFUSAL = "autogpt_db.refusal"
"""Key in a request's scope: the `RequestRefusedError` to answer instead of serving it."""

HEAD_LIMIT = 65_536
"""Bytes of a request line and its headers."""
PIPELINE_LIMIT = 64
"""Requests that may wait on one connection behind the one that runs."""
LINGER = 5.0
"""Seconds that a refused body is still read and dropped, so that the client sees the reply."""
NEVER = float("inf")


class State(ServerState):
    """What all connections of a process share.

    Attributes:
        limits: The settings' bounds.
        draining: True once the process was asked to stop.
        short_road: Where plain calls go.
        bodies: What requests bring.
    """

    short_road: ShortRoad
    bodies: Bodies

    def __init__(self, limits: ApiSettings) -> None:
        super().__init__()
        self.limits = limits
        self.draining = False


class HttpProtocol(HttpToolsProtocol):
    """A connection with bounded heads, bodies and waits.

    Attributes:
        deadline: Event loop time at which `expire` must be called.
        on_disconnect: Called once when the client leaves while its request runs.
    """

    server_state: State

    def __init__(
        self,
        config: Config,
        server_state: State,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._limits = server_state.limits
        self.deadline = NEVER
        self.on_disconnect: Callable[[], None] | None = None
        self._reading_head = False
        self._head_bytes = 0
        self._discarding = False
        self._unsent = 0
        self._running: RequestResponseCycle | None = None
        self._replies: Replies = None  # type: ignore[assignment] # until connection_made, as uvicorn's

    # The transport's callbacks -----------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the clock: a client that connects has something to say."""
        super().connection_made(transport)
        self._replies = Replies(transport, self.close_after_reply)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """Bound the head while it arrives."""
        if self._discarding:
            return
        if self.deadline == NEVER:
            # The first bytes of another request; or bare line ends, with which a client could
            # otherwise keep an idle connection for ever.
            self._expect_head()
        if self._reading_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._reading_head and self._head_bytes > HEAD_LIMIT:
            self._refuse(_head_too_large())

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running request, which uvicorn forgets when others wait behind it."""
        super().connection_lost(exc)
        self.deadline = NEVER
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        callback, self.on_disconnect = self.on_disconnect, None
        if callback is not None:
            callback()

    # The parser's callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start the clock for this request's head."""
        super().on_message_begin()
        self._expect_head()
        self._head_bytes = 1

    def on_headers_complete(self) -> None:
        """Refuse what is too large before anything of it is read, and start the body's clock."""
        self._reading_head = False
        self.deadline = self.loop.time() + self._limits.body_timeout
        self._request[CONNECTION] = self
        refusal = self._refusal()
        if refusal is not None:
            self._request[REFUSAL] = refusal
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", self._replies)
        if self.server_state.draining:
            self.cycle.keep_alive = False
        if len(self.pipeline) > PIPELINE_LIMIT:
            self._discarding = True
            self.transport.abort()

    def on_message_complete(self) -> None:
        """Stop the clock: from here on the client waits for us."""
        super().on_message_complete()
        self.deadline = NEVER
        self._head_bytes = 0
        if not self.pipeline:
            # A large body's last piece has stopped it; but only who reads sees a client leave.
            self.flow.resume_reading()

    # What uvicorn does next --------------------------------------------------------------------

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Let go of a head that has no body."""
        self._replies.flush()
        super().on_response_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Drop what follows; uvicorn would feed it to a parser that has stopped."""
        self.cycle.keep_alive = False
        self._discarding = True

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, unless the answer would pass for another request's."""
        self._refuse(RequestRefusedError(msg))

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; cut one whose client has stopped reading its reply."""
        unsent = self.transport.get_write_buffer_size()
        if not unsent:
            super().timeout_keep_alive_handler()
        elif unsent == self._unsent:
            self.transport.abort()
        else:
            self._unsent = unsent
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    # The server's side -------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed.

        Args:
            now: The event loop's time.
        """
        if self._discarding:
            self.transport.abort()
        elif self._busy and (self.pipeline or self._reading_head):
            # Behind a request that still runs nothing is read: the client may not be slow.
            self.deadline = now + self._limits.header_timeout
        elif self._reading_head:
            self._refuse(
                BodyTimeoutError(
                    "The request's head did not arrive within "
                    f"{self._limits.header_timeout:g} seconds."
                )
            )
        elif not self._busy:
            self.transport.close()  # answered already, and the body's rest does not come
        else:
            self.deadline = now + self._limits.body_timeout
            self._request[REFUSAL] = BodyTimeoutError(
                f"The request's body did not arrive within {self._limits.body_timeout:g} seconds."
            )
            self.cycle.message_event.set()  # whoever waits for the body looks for a refusal

    def announce_close(self) -> None:
        """Make the next reply say `connection: close`, unless it is under way already."""
        for cycle in (self._running, self.cycle, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None:
                cycle.keep_alive = cycle.keep_alive and cycle.response_started

    def cut(self) -> None:
        """End the connection in the middle of a reply: the client must not take it for whole."""
        if self._running is not None:
            self._running.disconnected = True  # or uvicorn complains of a reply without an end
        self.transport.abort()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is running or on its way."""
        if self._busy or self._head_bytes or self._discarding or _has_input(self.transport):
            return
        self.transport.close()

    def close_after_reply(self) -> None:
        """Close as a reply asks for it.

        A socket that is closed while the client still sends, or with bytes that nobody has read,
        makes the kernel reset the connection, and the client may lose the reply: the rest is read
        and dropped first.
        """
        body_under_way = self.deadline != NEVER and not self._reading_head
        if body_under_way or self._discarding or _has_input(self.transport):
            self._linger()
        else:
            self.transport.close()

    @property
    def _busy(self) -> bool:
        return self._running is not None and not self._running.response_complete

    @property
    def _request(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self.scope)  # with keys of ours

    def _expect_head(self) -> None:
        self._reading_head = True
        self._head_bytes = 0
        self.deadline = self.loop.time() + self._limits.header_timeout

    def _refusal(self) -> CallError | None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_LIMIT:
            return _head_too_large()
        if self.parser.should_upgrade():
            return UpgradeRefusedError(
                "This server speaks HTTP/1.1 only; send the request without an Upgrade header."
            )
        for name, value in self.headers:
            if name == b"content-length":
                size = int(value)
                if size > self._limits.body_limit:
                    return body_too_large(self._limits.body_limit)
                try:
                    self.server_state.bodies.memory.check(size)
                except CallError as error:
                    return error
        return None

    def _refuse(self, error: RequestRefusedError) -> None:
        """Answer what cannot be a request, and close; nothing more is read as HTTP."""
        self._discarding = True
        if self._busy:
            self._refuse_behind_running(error)
        elif not self._head_bytes:
            self.transport.close()  # it has said nothing
        elif not self.transport.is_closing():
            self.transport.write(self._reply_to_nothing(error))
            self._linger()

    def _refuse_behind_running(self, error: RequestRefusedError) -> None:
        self.deadline = NEVER
        if self.cycle is self._running and self.cycle.more_body:
            self._request[REFUSAL] = error
            self.cycle.message_event.set()
        else:
            self.announce_close()

    def _reply_to_nothing(self, error: RequestRefusedError) -> bytes:
        body = msgspec.json.encode(error.body())
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return STATUS_LINE[error.status] + lines + b"\r\n" + body

    def _linger(self) -> None:
        """Close our side, then read and drop the client's for a while."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._discarding = True
        self.transport.write_eof()
        self.deadline = self.loop.time() + LINGER
        self.flow.resume_reading()


def body_too_large(limit: int) -> BodyTooLargeError:
    """Return the failure of a body beyond `limit` bytes."""
    return BodyTooLargeError(f"The request's body is larger than {limit} bytes (api.body_limit).")


def _head_too_large() -> HeadTooLargeError:
    return HeadTooLargeError(f"The request's head is larger than {HEAD_LIMIT} bytes.")


def _has_input(transport: asyncio.Transport) -> bool:
    """Tell whether bytes have arrived that the event loop has not read yet."""
    poller = select.poll()
    poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poller.poll(0))
