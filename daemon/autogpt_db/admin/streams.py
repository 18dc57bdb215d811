"""Server-sent events: streams that end with the listener, and with the right to have them.

Who doesn't read is dropped.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NoReturn

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sse_starlette import ServerSentEvent
    from starlette.types import Receive, Scope, Send

    from autogpt_db.admin.identity import Identity

SLOW = 10.0
"""Seconds that a reader may leave a full buffer unread; then it is dropped."""
PING = 15
"""Seconds between two signs of life, so that proxies and browsers keep a silent stream."""


LOOK = 1.0
"""Seconds between two looks at who may still read."""


class OpenStreams:
    """The streams that are open: each ends when whoever asked for it may not any more."""

    def __init__(self) -> None:
        self._ends: dict[asyncio.Timeout, Identity] = {}
        self._any = asyncio.Event()

    def open(self, end: asyncio.Timeout, identity: Identity) -> None:
        """Take one in.

        Args:
            end: What it runs in.
            identity: Whose it is.
        """
        self._ends[end] = identity
        self._any.set()

    def close(self, end: asyncio.Timeout) -> None:
        """Let one out that has ended."""
        del self._ends[end]
        if not self._ends:
            self._any.clear()

    def look(self) -> None:
        """End those whose session has ended, or whose token was revoked."""
        now = asyncio.get_running_loop().time()
        for end, identity in self._ends.items():
            if not identity.holds() and end.when() is None:
                end.reschedule(now)

    async def look_forever(self) -> NoReturn:
        """Look once a second as long as there are any, until cancelled."""
        while True:
            await self._any.wait()
            self.look()
            await asyncio.sleep(LOOK)


class EventStream(EventSourceResponse):
    """The answer to a GET that streams.

    Args:
        events: What is sent, encoded or not; it is closed when the reader has left or may not read
            any more, or the listener stops.
        identity: Whose it is.
        streams: Those that are open.
        headers: Of the answer.
        slow: Seconds that a reader may leave a full buffer unread.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent | bytes],
        identity: Identity,
        streams: OpenStreams,
        *,
        headers: Mapping[str, str] | None = None,
        slow: float = SLOW,
    ) -> None:
        super().__init__(events, headers=headers, ping=PING, sep="\n", send_timeout=slow)
        self._identity = identity
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of both ends it.

        Who doesn't read, or may not any more, is cut off by the server: the answer ends without
        its last chunk. A HEAD is answered with the head, and no stream is begun for it.
        """
        if scope["method"] == "HEAD":
            head = Response(headers=self.headers)
            del head.headers["content-length"]  # the stream has no length
            await head(scope, receive, send)
            return
        end = asyncio.timeout(None)
        try:
            async with end:
                self._streams.open(end, self._identity)
                try:
                    await super().__call__(scope, receive, send)
                finally:
                    self._streams.close(end)
        except SendTimeoutError:
            return
        except TimeoutError:
            if not end.expired():
                raise
