"""What a request's head says, and remembering it: most heads come again and again.

A client's heads differ in their content-length only, if at all. So that of a usual call is parsed
once, by itself, and known by its bytes from then on. All others are for a connection's own parser.
"""

from __future__ import annotations

import hmac
import re
from email.message import Message as MimeMessage
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

import httptools

from autogpt_db.api.lines_apart import NOTHING, Apart, apart_of, key_taken_apart, taken_apart
from autogpt_db.errors import (
    BodyTooLargeError,
    CallError,
    HeadTooLargeError,
    UpgradeRefusedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.api.memory import Memory
    from autogpt_db.operations import Operation
    from autogpt_db.settings.api import ApiSettings

    Header = tuple[bytes, bytes]

HEAD_LIMIT = 65_536
"""Bytes of a request line and its headers; and of what stands between the pieces of a body."""
LARGEST_HEAD = 4096
"""Bytes of a head that is looked up."""
LARGEST_BODY = 65_536
"""Bytes of a body that is waited for before its call begins; larger ones are read as they come."""
KNOWN_HEADS = 4096
"""Heads that are remembered."""

_REQUEST_ID = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:/+=@-]{0,127}").fullmatch


class Head(NamedTuple):
    """What a head says.

    Attributes:
        verb: Its method, as HTTP has it.
        version: HTTP's, as `1.1`.
        raw_path: The path as it came.
        path: The same, with what was escaped in it.
        query: What follows the question mark.
        lines: Names in small letters, and values, without what stands apart.
        size: Bytes of the body as far as the head tells: its content-length, or 0.
        keep_alive: Whether the connection stays open after the reply, if it is for the client.
        expects: Whether the client waits for a word before it sends the body.
        is_json: Whether the body is read as JSON: its type is absent, application/json or +json.
        allowed: Whether it has the token that is asked for, if one is.
        is_too_long: Whether it is longer than may be.
        request_id: What the client calls the request, if that is sensible.
        operation: The method that it calls, if it is one of ours.
        quick: Whether it is a call as most are: of ours, allowed, and with a small JSON body of a
            known length.
        apart: What it says of this call alone; several keys are joined.
    """

    verb: str
    version: str
    raw_path: bytes
    path: str
    query: bytes
    lines: list[Header]
    size: int
    keep_alive: bool
    expects: bool
    is_json: bool
    allowed: bool
    is_too_long: bool
    request_id: str | None
    operation: Operation | None
    quick: bool
    apart: Apart = NOTHING

    @property
    def key(self) -> bytes | None:
        """Return its `idempotency-key`, several of them joined, or None."""
        return self.apart.key

    @property
    def headers(self) -> list[Header]:
        """Return names in small letters, and values."""
        lines = [*self.lines]
        for place, name, value in self.apart.lines:
            lines.insert(place, (name, value))
        return lines

    def refusal(self, body_limit: int, memory: Memory) -> CallError | None:
        """Return why the request is refused before anything of its body is read, if it is."""
        if self.is_too_long:
            return HeadTooLargeError("The request's head", HEAD_LIMIT)
        if self.verb == "CONNECT":
            return UpgradeRefusedError("This server is no proxy; send it requests of its own.")
        if self.size > body_limit:
            return BodyTooLargeError(body_limit)
        try:
            memory.check(self.size)
        except CallError as error:
            return error
        return None


class Heads:
    """Reads heads, and remembers them.

    Args:
        api: Limits and token.
    """

    def __init__(self, api: ApiSettings) -> None:
        self._largest_body = min(LARGEST_BODY, api.body_limit)
        self._token = api.token.reveal().encode() if api.token else None
        self._operations: Mapping[str, Operation] = {}
        self._known: dict[bytes, Head | None] = {}

    def take_over(self, operations: Mapping[str, Operation]) -> None:
        """Read heads for these operations, by path, from now on."""
        self._operations = operations
        self._known.clear()

    def knows(self, path: str) -> bool:
        """Tell whether a path is an operation's."""
        return path in self._operations

    def find(self, data: bytes) -> tuple[Head, int] | None:
        """Return the head that `data` begins with, and its length, if it is that of a quick call.

        None leaves the request to the connection's parser: the head is not all there, or unusual.
        """
        end = data.find(b"\r\n\r\n", 0, LARGEST_HEAD) + 4
        if end < 4:  # noqa: PLR2004 - the line ends' own length
            return None
        text = data[:end]
        if text in self._known:
            head = self._known[text]
        else:
            head = self._for_one_call(text) or self._learn(text)
        return None if head is None else (head, end)

    def made(
        self,
        parser: httptools.HttpRequestParser,
        target: bytes,
        headers: list[Header],
        *,
        stays: bool,
    ) -> Head:
        """Return what a parser has read of it; raise where the target is none.

        `stays` is what that says of the connection at the head's end: behind a body it forgets.
        """
        url = httptools.parse_url(target)
        raw_path: bytes = url.path
        path = raw_path.decode("ascii")
        if "%" in path:
            path = unquote(path)
        kind = identity = authorization = None
        apart: dict[bytes, list[bytes]] = {}
        size, length = 0, len(target)
        expects = sized = coded = False
        for name, value in headers:
            length += len(name) + len(value)
            match name:
                case b"content-type":
                    kind = kind or value
                case b"content-length":
                    size, sized = int(value), True
                case b"transfer-encoding":
                    coded = True
                case b"authorization":
                    authorization = value
                case b"idempotency-key" | b"traceparent" | b"tracestate":
                    apart.setdefault(name, []).append(value)
                case b"x-request-id":
                    identity = value.decode("ascii") if _REQUEST_ID(value) else None
                case b"expect":
                    expects = expects or value.lower() == b"100-continue"
        verb = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        operation = self._operations.get(path)
        is_json = kind == b"application/json" or _is_json(kind)
        allowed = self._token is None or self._is_right(authorization)
        return Head(
            verb=verb,
            version=version,
            raw_path=raw_path,
            path=path,
            query=url.query or b"",
            lines=headers,
            size=size,
            keep_alive=version != "1.0" and stays,
            expects=expects,
            is_json=is_json,
            allowed=allowed,
            request_id=identity,
            apart=apart_of(apart),
            operation=operation,
            is_too_long=length > HEAD_LIMIT,
            quick=(
                operation is not None
                and length <= HEAD_LIMIT
                and verb == "POST"
                and is_json
                and allowed
                and sized
                and size <= self._largest_body
                and not (coded or expects)
            ),
        )

    def _for_one_call(self, text: bytes) -> Head | None:
        """Return a head that is known but for what it says of one call alone."""
        if not text.startswith(b"POST "):
            return None
        found = key_taken_apart(text)
        head = self._known.get(found[0]) if found else None
        if head is None:
            found = taken_apart(text)
            if found is None:
                return None
            head = self._known.get(found[0]) or self._learn(found[0])
        if head is None or head.apart is not NOTHING:
            return None
        assert found is not None, "or nothing was looked for"
        # Not `_replace`, which takes twice as long.
        return Head._make((*head[:-1], found[1]))

    def _learn(self, text: bytes) -> Head | None:
        """Read a head, and remember what it says unless that is for one call only."""
        head = self._read(text)
        if head is None or (head.apart is NOTHING and head.request_id is None):
            if len(self._known) >= KNOWN_HEADS:
                self._known.clear()
            self._known[text] = head
        return head

    def _read(self, text: bytes) -> Head | None:
        """Parse a head by itself; None where it is unusual, or doesn't end where `text` does."""
        reader = _Reader()
        parser = reader.parser = httptools.HttpRequestParser(reader)
        try:
            parser.feed_data(text[:-1])
            early = reader.is_complete
            parser.feed_data(text[-1:])
            if early or not reader.is_complete or parser.should_upgrade():
                return None
            head = self.made(parser, reader.target, reader.headers, stays=reader.stays)
        except Exception:  # noqa: BLE001 - the connection's parser meets it again, and answers
            return None
        return head if head.quick else None

    def _is_right(self, authorization: bytes | None) -> bool:
        assert self._token is not None
        scheme, _, given = (authorization or b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token)


class _Reader:
    """Takes what a parser reads in one head."""

    parser: httptools.HttpRequestParser

    def __init__(self) -> None:
        self.target = b""
        self.headers: list[Header] = []
        self.is_complete = self.stays = False

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.is_complete = True
        self.stays = self.parser.should_keep_alive()


@lru_cache(maxsize=64)
def _is_json(content_type: bytes | None) -> bool:
    if not content_type:
        return True
    message = MimeMessage()
    message["content-type"] = content_type.decode("latin-1")
    subtype = message.get_content_subtype()
    return message.get_content_maintype() == "application" and (
        subtype == "json" or subtype.endswith("+json")
    )
