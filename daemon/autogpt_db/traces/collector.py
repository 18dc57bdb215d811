"""Speaking to a collector: one request at a time, each done by a moment that is said beforehand.

The standard library's client bounds each wait by itself, so that who answers a byte a second holds
it for ever. This is for a thread of its own: it blocks.
"""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autogpt_db.settings.traces import Endpoint

LARGEST_ANSWER = 65_536
"""Bytes of an answer that are read."""
_PIECE = 16_384


class Answer(NamedTuple):
    """What a collector says.

    Attributes:
        status: HTTP's.
        body: Of OTLP's kind where it has taken something.
        retry_after: Seconds after which it wants to be asked again, if it says so.
    """

    status: int
    body: bytes
    retry_after: float | None


class Collector:
    """A collector, over one connection that stays open as long as it will.

    Args:
        endpoint: Where it is.
        headers: What each request carries besides.
    """

    def __init__(self, endpoint: Endpoint, headers: Iterable[tuple[str, str]]) -> None:
        self._endpoint = endpoint
        lines = [
            f"POST {endpoint.path} HTTP/1.1",
            f"host: {endpoint.address}",
            "content-type: application/x-protobuf",
            "user-agent: autogpt-db",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self._head = "\r\n".join(lines).encode("ascii") + b"\r\ncontent-length: %d\r\n\r\n"
        self._socket: socket.socket | None = None
        self._tls = ssl.create_default_context() if endpoint.encrypted else None

    @property
    def address(self) -> str:
        """Return who is spoken to; a path may hold a secret."""
        return self._endpoint.address

    def send(self, body: bytes, until: float) -> Answer:
        """Send a request and return its answer.

        Args:
            body: Of OTLP's kind.
            until: `time.monotonic()` moment by which it is there.

        Raises:
            OSError: There is none in time, or none at all.
        """
        if self._socket is not None:
            with suppress(ConnectionError):  # it was closed while nobody used it
                return self._exchange(self._socket, body, until)
        self._socket = self._connect(until)
        return self._exchange(self._socket, body, until)

    def close(self) -> None:
        """Close the connection; from another thread it ends what is under way."""
        open_, self._socket = self._socket, None
        if open_ is not None:
            with suppress(OSError):
                open_.shutdown(socket.SHUT_RDWR)
            open_.close()

    def _connect(self, until: float) -> socket.socket:
        place = self._endpoint.host, self._endpoint.port
        made = socket.create_connection(place, timeout=_left(until))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return made
        try:
            made.settimeout(_left(until))
            return self._tls.wrap_socket(made, server_hostname=self._endpoint.host)
        except BaseException:
            made.close()
            raise

    def _exchange(self, connection: socket.socket, body: bytes, until: float) -> Answer:
        reading = _Reading()
        try:
            connection.settimeout(_left(until))
            connection.sendall(self._head % len(body) + body)
            while not reading.whole:
                connection.settimeout(_left(until))
                reading.take(connection.recv(_PIECE))
        except BaseException:
            self.close()
            raise
        if not reading.keeps_alive:
            self.close()
        return reading.answer


class _Reading:
    """What has come of an answer.

    Attributes:
        whole: Whether all of it is there.
        keeps_alive: Whether the connection stays open then.
    """

    def __init__(self) -> None:
        self.whole = self.keeps_alive = False
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""
        self._retry_after: float | None = None
        self._size = 0
        self._has_head = self._has_length = False

    def take(self, data: bytes) -> None:
        """Take a piece; an empty one is the connection's end.

        Raises:
            OSError: It ends too early, is too long, or no HTTP.
        """
        if not data:
            if not self._has_head or self._has_length:
                raise ConnectionResetError("the connection ended before the answer did")
            self.whole = True
            return
        self._size += len(data)
        if self._size > LARGEST_ANSWER:
            raise OSError(f"the answer has more than {LARGEST_ANSWER} bytes")
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            raise OSError("what answers is no HTTP server") from error

    @property
    def answer(self) -> Answer:
        """Return it, once it is whole."""
        return Answer(self._parser.get_status_code(), self._body, self._retry_after)

    # What the parser calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        match name.lower():
            case b"content-length" | b"transfer-encoding":
                self._has_length = True
            case b"retry-after" if value.isdigit():
                self._retry_after = float(value[:9])

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self.whole = True
        self.keeps_alive = self._parser.should_keep_alive()  # it forgets that, after this


def _left(until: float) -> float:
    """Return the seconds until a moment.

    Raises:
        TimeoutError: It is past.
    """
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left
