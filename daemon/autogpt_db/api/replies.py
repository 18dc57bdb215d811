"""What goes out: the heads of replies, and replies that are sent part by part."""

from __future__ import annotations

import json
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from autogpt_db.errors import UnauthorizedError, VerbNotAllowedError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autogpt_db.errors import CallError

    Header = tuple[bytes, bytes]

BEGINNING = b"HTTP/1.1 "
"""What every reply begins with."""
CONTINUE = BEGINNING + b"100 Continue\r\n\r\n"
CLOSE = (b"connection", b"close")
JOINED = 65_536
"""Bytes of a body up to which it is copied to its head, to be one packet."""

_encode = msgspec.json.Encoder(enc_hook=str).encode
_NO_BODY = {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}


class ReplyHeads:
    """The heads of replies; their beginnings are kept until the date changes."""

    __slots__ = ("_begun", "_common")

    def __init__(self) -> None:
        self._common = b""
        self._begun: dict[int, bytes] = {}
        self.tell_time(None)

    def tell_time(self, now: float | None) -> None:
        """Give replies the date of `now`, in seconds since 1970; None: it is looked up."""
        date = formatdate(now, usegmt=True).encode("ascii")
        self._common = b"date: %b\r\nserver: autogpt-db\r\n" % date
        self._begun.clear()

    def json(
        self, status: int, length: int, identity: str | None, headers: Iterable[Header]
    ) -> bytes:
        """Return the head of a JSON reply of `length` bytes to the request `identity`, if any."""
        begun = self._begun.get(status)
        if begun is None:
            begun = self.begun(status) + b"content-type: application/json\r\ncontent-length: "
            self._begun[status] = begun
        if identity is None:
            return b"%b%d\r\n%b\r\n" % (begun, length, _lines(headers))
        return b"%b%d\r\nx-request-id: %b\r\n%b\r\n" % (
            begun, length, identity.encode("ascii"), _lines(headers) if headers else b"",
        )  # fmt: skip

    def any(self, status: int, headers: Iterable[Header]) -> bytes:
        """Return the head of any reply."""
        return self.begun(status) + _lines(headers) + b"\r\n"

    def begun(self, status: int) -> bytes:
        """Return what a reply's head begins with: its first line, the date and the server."""
        return b"%b%d %b\r\n%b" % (BEGINNING, status, _phrase(status), self._common)


class Way(Protocol):
    """What a call replies through: its connection, which hears the call whose turn it is."""

    reply_heads: ReplyHeads

    def reply(self, call: object, status: int, body: bytes, headers: list[Header]) -> None:
        """Send a whole JSON reply."""

    def write(self, call: object, head: bytes, body: bytes) -> None:
        """Send a part of another one."""

    def replied(self, call: object, *, ends: bool) -> None:
        """Turn to the next call, or to the end."""

    @property
    def is_ending(self) -> bool:
        """Tell whether the next reply ends the connection."""

    async def drained(self) -> None:
        """Wait until the client has read most of what was sent."""

    def cut(self) -> None:
        """End the connection in the middle of a reply."""


class StreamedReply:
    """A reply whose body is sent part by part.

    Args:
        call: What it replies to.
        way: Where it goes.
        has_body: Whether the client wants more than its head.
    """

    __slots__ = ("_call", "_chunked", "_ends", "_has_body", "_head", "_left", "_way")

    def __init__(self, call: object, way: Way, *, has_body: bool) -> None:
        self._call = call
        self._way = way
        self._has_body = has_body
        self._chunked = self._ends = False
        self._left = 0
        self._head = b""

    def begin(self, status: int, headers: list[Header]) -> None:
        """Say how it begins; that goes out with the body's first part."""
        said = dict(headers)
        closing = said.get(b"connection", b"").lower() == b"close"
        self._ends = closing or self._way.is_ending
        lines = [*headers, CLOSE] if self._ends and not closing else headers
        if b"content-length" in said:
            self._left = int(said[b"content-length"])
        elif self._has_body and status not in _NO_BODY:
            self._chunked = True
            lines = [*lines, (b"transfer-encoding", b"chunked")]
        self._head = self._way.reply_heads.any(status, lines)

    async def send(self, part: bytes) -> None:
        """Send a part of the body, once the client has read enough of what was sent before."""
        await self._way.drained()
        if not self._has_body:
            part = b""
        elif not self._chunked:
            self._left -= len(part)
            if self._left < 0:
                raise RuntimeError("The reply's body is longer than its head says.")
        elif part:
            part = b"%x\r\n%b\r\n" % (len(part), part)
        if part:
            self._write(part)

    def end(self) -> None:
        """Send what is left of it."""
        if self._left and self._has_body:
            raise RuntimeError("The reply's body is shorter than its head says.")
        self._write(b"0\r\n\r\n" if self._chunked else b"")
        self._way.replied(self._call, ends=self._ends)

    def _write(self, part: bytes) -> None:
        head, self._head = self._head, b""
        if head or part:
            self._way.write(self._call, head, part)


def _phrase(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""


def _lines(headers: Iterable[Header]) -> bytes:
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def failure_headers(error: CallError) -> list[tuple[bytes, bytes]]:
    """Return what a failure's reply says beside its body."""
    headers = []
    if (seconds := error.retry_seconds) is not None:
        headers.append((b"retry-after", b"%d" % seconds))
    if isinstance(error, VerbNotAllowedError):
        headers.append((b"allow", error.allowed.encode("ascii")))
    elif isinstance(error, UnauthorizedError):
        headers.append((b"www-authenticate", b"Bearer"))
    elif error.ends_connection:
        headers.append(CLOSE)
    return headers


def encode(value: Any) -> bytes:
    """Return `value` as JSON, whatever an error's arguments may be."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only its escape is JSON
        return json.dumps(value, default=str, separators=(",", ":")).encode("ascii")
