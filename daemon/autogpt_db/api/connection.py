"""A connection that serves plain calls on the short road, and everything else on the plain one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.api.half_closed import BEGINNING
from autogpt_db.api.protocol import NEVER, HttpProtocol
from autogpt_db.api.short_road import JOINED, ReplyHeads, ShortRoad
from autogpt_db.errors import CallError

if TYPE_CHECKING:
    import asyncio

    from uvicorn.config import Config

    from autogpt_db.api.protocol import State
    from autogpt_db.api.short_road import ShortCall

LATE = 65_536
"""Bytes that are taken from a client while its call is under way; then it has to wait."""

_CLOSE = [(b"connection", b"close")]
_heads = ReplyHeads()


class Connection(HttpProtocol):
    """A connection.

    Only between two requests, with nothing of the next one fed to uvicorn's parser, does it look
    for the short road; once bytes have gone to the parser, their request is the plain road's.
    """

    def __init__(
        self,
        config: Config,
        server_state: State,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._road: ShortRoad = server_state.short_road
        self._short: ShortCall | None = None
        self._held = b""
        self._held_size = 0
        self._late = b""
        self._begun = b""
        self._idle_after_short = False

    def data_received(self, data: bytes) -> None:
        """Take the short road where it leads."""
        if self._short is not None:
            self._late += data
            if len(self._late) > LATE:
                self.flow.pause_reading()
            return
        running = self._running
        if (
            self._head_bytes
            or self._discarding
            or (running is not None and not running.response_complete)
        ):
            super().data_received(data)
            return
        if self._held:
            data = self._held + data
        head, start = self._road.look_up(data)
        operation = head.operation
        if operation is not None and not (self.server_state.draining or self.flow.write_paused):
            missing = start + head.body - len(data)
            if missing > 0 and self._hold(data):
                return
            if not missing:
                self._short = self._road.begin(self, operation, data[start:])
                if self._short is not None:
                    self._let_go()
                    self._reading_head = self._idle_after_short = False
                    self.deadline = NEVER
                    self._unset_keepalive_if_required()
                    return
        self._take_plain_road(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the running call."""
        super().connection_lost(exc)
        self._let_go()
        self._late = b""
        call, self._short = self._short, None
        if call is not None:
            call.leave()

    def reply_to_short(
        self, identity: str, status: int, body: bytes, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Send the reply to the call that runs, and turn to the next request.

        Args:
            identity: The request's.
            status: The reply's.
            body: A JSON document.
            headers: More of them.
        """
        if self._short is None:
            return  # the client left
        self._short = None
        ends = self.server_state.draining or (self._half_closed is not None and not self._late)
        told = _CLOSE[0] in headers
        head = _heads.reply(
            status,
            self.server_state.default_headers,
            identity,
            len(body),
            headers + _CLOSE if ends and not told else headers,
        )
        ends = ends or told
        if self._begun:
            head = head.removeprefix(self._begun)
            self._begun = b""
        if len(body) < JOINED:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        self.server_state.total_requests += 1
        if ends:
            self.close_after_reply()
            return
        self._idle_after_short = True
        self.deadline = self.loop.time() + self._limits.keep_alive
        if self._late and not self.transport.is_closing():
            data, self._late = self._late, b""
            self.flow.resume_reading()
            self.data_received(data)

    def expire(self, now: float) -> None:
        """Act on a deadline that has passed, also on those of the short road."""
        if self._held:
            # The body did not come: the plain road says so.
            self._take_plain_road(self._held)
        elif self._idle_after_short:
            self._idle_after_short = False
            self.deadline = NEVER
            self.timeout_keep_alive_handler()
            return
        super().expire(now)

    def _hold(self, data: bytes) -> bool:
        """Wait for a body's rest; False where there is no memory for it."""
        memory = self.server_state.bodies.memory
        try:
            memory.take(len(data) - self._held_size, len(data))
        except CallError:
            return False
        self._held_size = len(data)
        if not self._held:
            self._unset_keepalive_if_required()
            self._reading_head = self._idle_after_short = False
            self.deadline = self.loop.time() + self._limits.body_timeout
        self._held = data
        return True

    def _let_go(self) -> None:
        """Hold a body's beginning no longer."""
        self._held = b""
        self.server_state.bodies.memory.give(self._held_size)
        self._held_size = 0

    def _take_plain_road(self, data: bytes) -> None:
        self._let_go()
        if self._idle_after_short:
            self._idle_after_short = False
            self.deadline = NEVER
        super().data_received(data)

    @property
    def _owes_reply(self) -> bool:
        return self._short is not None or super()._owes_reply

    def _begin_reply(self) -> None:
        if self._short is None:
            super()._begin_reply()
        else:
            self._begun = BEGINNING
            self.transport.write(BEGINNING)

    @property
    def _busy(self) -> bool:
        return self._short is not None or bool(self._held) or super()._busy
