"""One connection: uvicorn's protocol with the limits that it lacks.

uvicorn waits for ever for the rest of a head or a body, bounds neither, and closes in a way that
can cost the client its reply. Each override here says which of these it mends.
"""

from __future__ import annotations

import select
import sys
from typing import TYPE_CHECKING, Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from autogpt_db.api.half_closed import BEGINNING, HalfClosed
from autogpt_db.api.refusals import (
    HEAD_LIMIT,
    PIPELINE_LIMIT,
    body_too_large,
    head_too_large,
    pipeline_too_long,
    reply_to_nothing,
    trailers_too_large,
)
from autogpt_db.api.replies import Replies
from autogpt_db.api.upgrades import without_offer
from autogpt_db.errors import (
    BodyTimeoutError,
    CallError,
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
    from autogpt_db.api.unread import UnreadReplies
    from autogpt_db.settings.api import ApiSettings

CONNECTION = "autogpt_db.connection"
"""Key in a request's scope: the `HttpProtocol` it came on."""
REFUSAL = "autogpt_db.refusal"
"""Key in a request's scope: the `RequestRefusedError` to answer instead of serving it."""

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
        unread: What replies wait for their clients to read them.
    """

    short_road: ShortRoad
    bodies: Bodies
    unread: UnreadReplies

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
        self._between = 0
        self._piece_came = False
        self._received = b""
        self._offers_upgrade = False
        self._discarding = False
        self._said_all = False
        self._half_closed: HalfClosed | None = None
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
        self._piece_came = False
        self._received = data
        super().data_received(data)
        self._received = b""
        if self._reading_head:
            if self._head_bytes > HEAD_LIMIT:
                self._refuse(head_too_large())
        elif self.deadline != NEVER and not self._piece_came:
            self._count_between(len(data))

    def eof_received(self) -> bool:  # type: ignore[override] # uvicorn lets it close always
        """Go on with what was asked; a client that says no more may still listen."""
        if self._said_all or not self._owes_reply or self.transport.is_closing():
            return False  # the transport closes
        self._half_closed = HalfClosed(self.transport, self.loop, self._leave)
        self._begin_reply()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running request, which uvicorn forgets when others wait behind it."""
        super().connection_lost(exc)
        self.server_state.unread.let_go(self)
        self.deadline = NEVER
        if self._half_closed is not None:
            self._half_closed.close()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        callback, self.on_disconnect = self.on_disconnect, None
        if callback is not None:
            callback()

    def pause_writing(self) -> None:
        """Let the application wait, and count what the client doesn't read at once."""
        super().pause_writing()
        self.server_state.unread.hold(self)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        self.server_state.unread.let_go(self)

    # The parser's callbacks --------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Start the clock for this request's head."""
        if self._discarding:
            return
        super().on_message_begin()
        self._expect_head()
        self._head_bytes = 1

    def on_url(self, url: bytes) -> None:
        """Take a part of the request line."""
        if not self._discarding:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; drop and count a trailer, which could not be told from one later on."""
        if self._reading_head:
            super().on_header(name, value)
        elif not self._discarding:
            self._count_between(len(name) + len(b": ") + len(value) + len(b"\r\n"))

    def on_chunk_header(self) -> None:
        """Note that a chunk's length has come."""
        self._piece_came = True

    def on_body(self, body: bytes) -> None:
        """Take a piece of a body."""
        self._piece_came = True
        self._between = 0
        if not self._discarding:
            super().on_body(body)

    def on_headers_complete(self) -> None:
        """Refuse what is too large before anything of it is read, and start the body's clock."""
        if self._discarding:
            return
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offers_upgrade = True
            return
        self._reading_head = False
        self._between = 0
        self.deadline = self.loop.time() + self._limits.body_timeout
        self._request[CONNECTION] = self
        is_last = self._busy and len(self.pipeline) >= PIPELINE_LIMIT - 1
        refusal = pipeline_too_long() if is_last else self._refusal()
        if refusal is not None:
            self._request[REFUSAL] = refusal
        super().on_headers_complete()
        self.cycle.transport = cast("asyncio.Transport", self._replies)
        if self.server_state.draining:
            self.cycle.keep_alive = False
        if is_last:
            self._discarding = True
            self.deadline = NEVER

    def on_message_complete(self) -> None:
        """Stop the clock: from here on the client waits for us."""
        if self._discarding or self._offers_upgrade:
            return
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
        """Let go of a head that has no body; close when nobody will ask for more."""
        self._replies.flush()
        if self._running is not None:
            self._running.body = bytearray()  # of which nobody wanted to know, kept until the next
        if self._said_all:
            self.pipeline.clear()  # the last reply said that the connection ends with it
        super().on_response_complete()
        if self._half_closed is not None and not self._busy:
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Go on as if the offer to change the protocol had not been made (RFC 9110, 7.8).

        The parser stops behind the head of such a message, so another one reads it without the
        offer. Who took silence for consent sends what is no HTTP, and hears so.
        """
        stopped = sys.exception()
        if self._discarding or not isinstance(stopped, httptools.HttpParserUpgrade):
            return
        if not self._offers_upgrade:
            # A tunnel, which is refused: what follows is meant for somebody else.
            self.cycle.keep_alive = False
            self._discarding = True
            return
        head = without_offer(self.parser, self.url, self.headers)
        rest = self._received[stopped.args[0] :]
        self._offers_upgrade = False
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.data_received(head + rest)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are no HTTP, unless the answer would pass for another request's."""
        self._refuse(RequestRefusedError(msg))

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection; cut one whose client has stopped reading its reply."""
        unsent = self.unread
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

    @property
    def unread(self) -> int:
        """Return how many bytes of its replies the client has not read."""
        return self.transport.get_write_buffer_size()

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
        if self._half_closed is not None:
            self.transport.close()  # nothing more can come
            return
        body_under_way = self.deadline != NEVER and not self._reading_head
        if body_under_way or self._discarding or _has_input(self.transport):
            self._linger()
        else:
            self.transport.close()

    @property
    def _owes_reply(self) -> bool:
        """Tell whether a whole request waits for its reply."""
        running = self._running
        return running is not None and not (running.response_complete or running.more_body)

    def _begin_reply(self) -> None:
        """Send what every reply begins with, unless one is on its way."""
        if self._running is not None and not self._running.response_started:
            self._replies.begin(BEGINNING)

    def _leave(self) -> None:
        """Take the client for gone."""
        self.transport.abort()

    def _count_between(self, size: int) -> None:
        """Bound what comes between the pieces of a body, and behind it: nothing of it is kept."""
        self._between += size
        if self._between <= HEAD_LIMIT:
            return
        if self._busy:
            self._refuse(trailers_too_large())
        else:
            self._discarding = True  # answered already
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
            return head_too_large()
        if self.parser.get_method() == b"CONNECT":
            return UpgradeRefusedError("This server is no proxy; send it requests of its own.")
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
        if self._discarding:
            return  # one last word has been said already
        self._discarding = True
        if self._busy:
            self._refuse_behind_running(error)
        elif not self._head_bytes:
            self.transport.close()  # it has said nothing
        elif not self.transport.is_closing():
            self.transport.write(reply_to_nothing(error, self.server_state.default_headers))
            self._linger()

    def _refuse_behind_running(self, error: RequestRefusedError) -> None:
        self.deadline = NEVER
        if self.cycle is self._running and self.cycle.more_body:
            self._request[REFUSAL] = error
            self.cycle.message_event.set()
        else:
            self.announce_close()

    def _linger(self) -> None:
        """Close our side, then read and drop the client's for a while."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self._discarding = self._said_all = True
        self.transport.write_eof()
        self.deadline = self.loop.time() + LINGER
        self.flow.resume_reading()


def _has_input(transport: asyncio.Transport) -> bool:
    """Tell whether bytes have arrived that the event loop has not read yet."""
    poller = select.poll()
    poller.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poller.poll(0))
