"""A connection: requests in, replies out, in their order, and nothing of it without a bound.

Requests are served one after another (`rpc`); those that come in meanwhile wait here. A client that
is silent, slow, greedy or gone is noticed by one deadline, which the server looks after.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from autogpt_db.api.body import AHEAD, Body
from autogpt_db.api.flow import Flow
from autogpt_db.api.reader import Reader
from autogpt_db.api.replies import CLOSE, CONTINUE
from autogpt_db.errors import BodyTimeoutError, PipelineTooLongError

if TYPE_CHECKING:
    from autogpt_db.api.calls import Call
    from autogpt_db.api.heads import Head, Header
    from autogpt_db.api.rpc import Rpc
    from autogpt_db.api.running import State
    from autogpt_db.errors import CallError, RequestRefusedError

PIPELINE_LIMIT = 64
"""Requests that may wait for their replies on one connection."""
LINGER = 5.0
"""Seconds that a refused body is still read and dropped, so that the client sees the reply."""
AHEAD_AT_ONCE = 16
"""Requests that are read while another one is served; then the client has to wait."""
NEVER = float("inf")


class Connection(Flow):
    """A connection.

    Args:
        state: What all of them share.
        rpc: Serves requests.

    Attributes:
        discarding: Whether nothing more is read as HTTP.
        reply_heads: What replies begin with.
    """

    def __init__(self, state: State, rpc: Rpc) -> None:
        super().__init__(state.unread)
        self._state = state
        self._rpc = rpc
        self._limits = state.limits
        self._loop = asyncio.get_running_loop()
        self._reader = Reader(self, rpc.heads, state.memory)
        self._call: Call | None = None
        self._queue: list[tuple[Head, Body]] = []
        self._last = self._said_all = False
        self._unsent = 0
        self.deadline = NEVER
        self.discarding = False
        self.reply_heads = state.reply_heads

    # The transport -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a client that connects has something to say."""
        super().connection_made(transport)
        self._state.connections.add(self)
        self.expect_head()

    def data_received(self, data: bytes) -> None:
        """Read what has come."""
        self._reader.take(data)

    def eof_received(self) -> bool:
        """Go on with what was asked; a client that says no more may still listen."""
        if self._said_all or not self._owes_reply or self.transport.is_closing():
            return False  # the transport closes
        self.listen_no_more(begin=self._call is not None and self._call.status is None)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running request; those behind it are not begun."""
        self.discarding = True
        self.deadline = NEVER
        self._queue.clear()
        super().connection_lost(exc)
        self._state.connections.discard(self)
        self._reader.let_go()
        call, self._call = self._call, None
        if call is not None:
            call.leave()

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        if self._call is None and self._queue:
            self._go_on()

    # Requests ----------------------------------------------------------------------------------

    def expect_head(self) -> None:
        """Start the clock for a request's head."""
        self.deadline = self._loop.time() + self._limits.header_timeout

    def expect_body(self) -> None:
        """Start the clock for a request's body."""
        self.deadline = self._loop.time() + self._limits.body_timeout

    def take_whole(self, head: Head, data: bytes) -> None:
        """Have a quick call served that is all there: `data` is its body."""
        self.deadline = NEVER
        if self._busy or self.writing_paused:
            self._line_up(head, Body.whole(self, data))
        else:
            self._call = self._rpc.begin_whole(self, head, data)

    def take_head(self, head: Head, refusal: CallError | None = None) -> Body:
        """Have a request served, or refused, and return where its body goes."""
        self.expect_body()
        body = Body(self, self._send_continue if head.expects else None)
        body.refusal = refusal or head.refusal(self._limits.body_limit, self._state.memory)
        if self._busy or self.writing_paused:
            self._line_up(head, body)
        else:
            self._call = self._rpc.begin(self, head, body)
        return body

    def take_end(self) -> None:
        """Stop the clock: the client waits for us, or has its answer already."""
        self._set_clock()
        if not self._queue:
            # A large body's last piece has stopped it; but only who reads sees a client leave.
            self.resume_reading()

    def _line_up(self, head: Head, body: Body) -> None:
        """Keep a request until those before it have their replies."""
        if len(self._queue) >= PIPELINE_LIMIT - 1:
            body.refusal = PipelineTooLongError(PIPELINE_LIMIT)
            self.discarding = True
            self.deadline = NEVER
        self._queue.append((head, body))
        # As long as it is little it is read on: only who reads sees a client leave.
        if len(self._queue) > AHEAD_AT_ONCE or sum(one.waiting for _, one in self._queue) > AHEAD:
            self.pause_reading()

    def _go_on(self) -> None:
        """Serve the next request, or wait for one."""
        self.resume_reading()
        if not self._queue and (self.discarding or self.half_closed is not None):
            self._close_after_reply()
            return
        if self._queue and not self.writing_paused:
            head, body = self._queue.pop(0)
            if head.quick and body.refusal is None:
                self._call = self._rpc.begin_whole(self, head, body.take())
            else:
                self._call = self._rpc.begin(self, head, body)
        self._set_clock()

    def _set_clock(self) -> None:
        """Wait no longer than may be for what comes next."""
        reader = self._reader
        if self.discarding:
            self.deadline = NEVER
        elif reader.in_body:
            self.expect_body()
        elif reader.in_head:
            self.expect_head()
        elif self._call is not None:
            self.deadline = NEVER
        else:
            self._unsent = 0
            self.deadline = self._loop.time() + self._limits.keep_alive

    # Replies -----------------------------------------------------------------------------------

    def reply(self, call: object, status: int, body: bytes, headers: list[Header]) -> None:
        """Send a JSON reply, unless the client has left."""
        current = self._call
        if current is None or call is not current:
            return
        ends = CLOSE in headers
        if not ends and self.is_ending:
            ends = True
            headers = [*headers, CLOSE]
        head = self.reply_heads.json(status, len(body), current.request_id, headers)
        self.send(head, b"" if current.head.verb == "HEAD" else body)
        self.replied(call, ends=ends)

    def write(self, call: object, head: bytes, body: bytes) -> None:
        """Send a reply's head, or a part of its body, or both."""
        if call is self._call:
            self.send(head, body)

    def replied(self, call: object, *, ends: bool) -> None:
        """Turn to the next request, or to the end."""
        current = self._call
        if current is None or call is not current:
            return
        self._call = None
        if current.body is not None:
            current.body.drop()
        if ends:
            self._queue.clear()
            self._close_after_reply()
        elif not self.transport.is_closing():
            self._go_on()

    @property
    def is_ending(self) -> bool:
        """Tell whether the next reply ends the connection."""
        return (
            self._last
            or self._state.draining
            or (self._call is not None and not self._call.head.keep_alive)
            or (self.half_closed is not None and not self._queue)
        )

    def _send_continue(self) -> None:
        if self._call is not None and not self.transport.is_closing():
            self.send(CONTINUE, b"")

    # The end -----------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Act on the deadline, which has passed: `now` is the event loop's time."""
        reader, call = self._reader, self._call
        if self.discarding:
            self.transport.abort()
        elif call is not None and (reader.body is None or call.body is not reader.body):
            # Behind a request that still runs nothing is read: the client may not be slow.
            self.deadline = now + self._limits.header_timeout
        elif reader.in_body and not self.writing_paused:
            if call is None and reader.body is not None:
                self.transport.close()  # answered already, and the rest does not come
            else:
                self.expect_body()
                reader.refuse_body(BodyTimeoutError("body", self._limits.body_timeout))
        elif reader.in_head and not self.writing_paused:
            self.refuse(BodyTimeoutError("head", self._limits.header_timeout))
        elif not self.unread:
            self.transport.close()
        elif self.unread == self._unsent:
            self.transport.abort()  # its client has stopped reading
        else:
            self._unsent = self.unread
            self.deadline = now + self._limits.keep_alive

    def refuse(self, error: RequestRefusedError) -> None:
        """Answer what cannot be a request, and close; nothing more is read as HTTP.

        The answer must not pass for that to another request.
        """
        if self.discarding:
            return  # one last word has been said already
        self.discarding = True
        body = self._reader.body
        if self._busy:
            self.deadline = NEVER
            if self._call is not None and body is not None and body is self._call.body:
                body.refuse(error)
            else:
                self._last = True
        elif not self._reader.head_bytes or body is not None:
            self.transport.close()  # it has said nothing, or has its answer
        elif not self.transport.is_closing():
            text = msgspec.json.encode(error.body())
            head = self.reply_heads.json(error.status, len(text), None, [CLOSE])
            self.transport.write(head + text)
            self._linger()

    def close_if_idle(self) -> None:
        """Close the connection unless a request is running or on its way."""
        if not (self._busy or self._reader.head_bytes or self.discarding or self.has_input):
            self.transport.close()

    @property
    def _busy(self) -> bool:
        return self._call is not None or bool(self._queue)

    @property
    def _owes_reply(self) -> bool:
        """Tell whether a whole request waits for its reply."""
        body = self._call.body if self._call is not None else None
        return self._busy and (body is None or body.complete or body.refusal is not None)

    def _close_after_reply(self) -> None:
        """Close as a reply asks for it."""
        if self._reader.in_body or self.discarding or self.has_input:
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """Close our side, then read and drop the client's for a while."""
        if self.say_no_more():
            self.discarding = self._said_all = True
            self.deadline = self._loop.time() + LINGER
