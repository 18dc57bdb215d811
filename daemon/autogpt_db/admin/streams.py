"""Server-sent events: a stream that ends with the listener, and that drops who doesn't read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sse_starlette import EventSourceResponse
from sse_starlette.sse import SendTimeoutError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from sse_starlette import ServerSentEvent
    from starlette.types import Receive, Scope, Send

SLOW = 10.0
"""Seconds that a reader may leave a full buffer unread; then it is dropped."""
PING = 15
"""Seconds between two signs of life, so that proxies and browsers keep a silent stream."""


class EventStream(EventSourceResponse):
    """The answer to a GET that streams.

    Args:
        events: What is sent, encoded or not; it is closed when the reader has left, or the
            listener stops.
        headers: Of the answer.
        slow: Seconds that a reader may leave a full buffer unread.
    """

    def __init__(
        self,
        events: AsyncIterator[ServerSentEvent | bytes],
        *,
        headers: Mapping[str, str] | None = None,
        slow: float = SLOW,
    ) -> None:
        super().__init__(events, headers=headers, ping=PING, sep="\n", send_timeout=slow)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream until one of both ends it.

        Who doesn't read is cut off by the server: the answer ends without its last chunk.
        """
        try:
            await super().__call__(scope, receive, send)
        except SendTimeoutError:
            return
