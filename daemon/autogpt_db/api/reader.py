"""Requests out of a connection's bytes: by heads that are known, else by httptools' parser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import httptools

from autogpt_db.api.heads import HEAD_LIMIT
from autogpt_db.errors import CallError, HeadTooLargeError, RequestRefusedError

if TYPE_CHECKING:
    from autogpt_db.api.body import Body
    from autogpt_db.api.heads import Head, Header, Heads
    from autogpt_db.api.memory import Memory


_OFFER = frozenset({b"upgrade", b"http2-settings"})


class _Taker(Protocol):  # the connection, which is told of what was read
    discarding: bool

    def expect_head(self) -> None: ...
    def expect_body(self) -> None: ...
    def take_whole(self, head: Head, data: bytes) -> None: ...
    def take_head(self, head: Head, refusal: CallError | None = None) -> Body: ...
    def take_end(self) -> None: ...
    def refuse(self, error: RequestRefusedError) -> None: ...


class Reader:
    """Reads the requests of one connection, and tells it of each.

    That of a quick call is told of when all of it is there, of others the head.

    Args:
        taker: Is told.
        heads: Those that are known.
        memory: Where the beginnings of small bodies are counted.

    Attributes:
        in_head: Whether a head has begun, or is awaited after line ends that are none.
        head_bytes: Bytes of an unfinished request; 0 between two.
        body: What is being read of one that was told of; None between bodies.
    """

    def __init__(self, taker: _Taker, heads: Heads, memory: Memory) -> None:
        self._taker = taker
        self._heads = heads
        self._memory = memory
        self._parser = self._new_parser()
        self._parsing = False
        self._target = b""
        self._headers: list[Header] = []
        self._offers_upgrade = False
        self._data = b""
        self._piece_came = False
        self._between = 0
        self._left = 0
        self._quick: Head | None = None
        self._small = b""
        self._counted = 0
        self.in_head = True
        self.head_bytes = 0
        self.body: Body | None = None

    def take(self, data: bytes) -> None:
        """Read what has come."""
        while data and not self._taker.discarding:
            if self._left:
                piece, data = data[: self._left], data[self._left :]
                self._left -= len(piece)
                self._take_piece(piece)
                if not self._left:
                    self._end()
            elif not self._parsing and (found := self._heads.find(data)) is not None:
                head, end = found
                size = head.size
                if len(data) == end + size:  # as most are: there is nothing to wait for
                    self.in_head = False
                    self.head_bytes = 0
                    self._taker.take_whole(head, data[end:])
                    return
                data = data[end:]
                self.head_bytes = 1
                self._begin(head)
                self._left = size
                if not size:
                    self._end()
            else:
                self._feed(data)
                return

    @property
    def in_body(self) -> bool:
        """Tell whether the rest of a body is awaited."""
        return self.body is not None or self._quick is not None

    def refuse_body(self, error: CallError) -> None:
        """Have a request refused whose body does not come, or may not."""
        head = self._quick
        if head is not None:
            self.let_go()
            self.body = self._taker.take_head(head, error)
        elif self.body is not None:
            self.body.refuse(error)

    def let_go(self) -> None:
        """Keep nothing of a small body's beginning."""
        self._quick, self._small = None, b""
        if self._counted:
            self._memory.give(self._counted)
            self._counted = 0

    def _begin(self, head: Head) -> None:
        """Go on to the body."""
        self.in_head = False
        self._between = 0
        if head.quick:
            self._quick = head
            self._taker.expect_body()
        else:
            self.body = self._taker.take_head(head)

    def _take_piece(self, piece: bytes) -> None:
        if self._quick is not None:
            try:
                self._memory.take(len(piece), self._quick.size)
            except CallError as error:
                self.refuse_body(error)
            else:
                self._counted += len(piece)
                self._small += piece
        elif self.body is not None:
            self.body.add(piece)

    def _end(self) -> None:
        """Stop the clock: from here on the client waits for us."""
        self.head_bytes = 0
        head, small = self._quick, self._small
        if head is not None:
            self.let_go()
            self._taker.take_whole(head, small)
        elif self.body is not None:
            self.body.end()
            self.body = None
            self._taker.take_end()

    # The parser --------------------------------------------------------------------------------

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # What follows a request that ends the connection is none of its faults.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _feed(self, data: bytes) -> None:
        """Let the parser read, and bound what it reads without end."""
        if not (self.in_head or self.in_body):
            # The first bytes of another request; or bare line ends, with which a client could
            # otherwise keep an idle connection for ever.
            self._expect_head()
        if self.in_head:
            self.head_bytes += len(data)
        self._piece_came = False
        self._data = data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self._go_on_without(stopped.args[0])
        except httptools.HttpParserError:
            self._taker.refuse(RequestRefusedError("Invalid HTTP request received."))
        self._data = b""
        if self.in_head:
            if self.head_bytes > HEAD_LIMIT:
                self._taker.refuse(HeadTooLargeError("The request's head", HEAD_LIMIT))
        elif self.in_body and not self._piece_came:
            self._count_between(len(data))

    def _go_on_without(self, end: int) -> None:
        """Go on as if the offer to change the protocol had not been made (RFC 9110, 7.8).

        The parser stops behind the head of such a message, so another one reads it without the
        offer. Who took silence for consent sends what is no HTTP, and hears so.
        """
        if self._taker.discarding:
            return
        if not self._offers_upgrade:
            # A tunnel, which is refused: what follows is meant for somebody else.
            self._taker.discarding = True
            return
        rest = self._data[end:]
        head = _without_offer(self._parser, self._target, self._headers)
        self._offers_upgrade = False
        self._parser = self._new_parser()
        self._feed(head + rest)

    def on_message_begin(self) -> None:
        """Start the clock for this request's head."""
        self._parsing = True
        self._target = b""
        self._headers = []
        if not self._taker.discarding:
            self._expect_head()
            self.head_bytes = 1

    def on_url(self, part: bytes) -> None:
        """Take a part of the request line."""
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; drop and count a trailer, which could not be told from one later on."""
        if self.in_head:
            self._headers.append((name.lower(), value))
        elif not self._taker.discarding:
            self._count_between(len(name) + len(b": ") + len(value) + len(b"\r\n"))

    def on_headers_complete(self) -> None:
        """Have the request served, or refused before anything of it is read."""
        if self._taker.discarding:
            return
        if self._parser.should_upgrade() and self._parser.get_method() != b"CONNECT":
            self._offers_upgrade = True
            return
        stays = self._parser.should_keep_alive()
        self._begin(self._heads.made(self._parser, self._target, self._headers, stays=stays))

    def on_chunk_header(self) -> None:
        """Note that a chunk's length has come."""
        self._piece_came = True

    def on_body(self, piece: bytes) -> None:
        """Take a piece of a body."""
        self._piece_came = True
        self._between = 0
        if not self._taker.discarding:
            self._take_piece(piece)

    def on_message_complete(self) -> None:
        """Turn to the next request."""
        self._parsing = False
        if not (self._taker.discarding or self._offers_upgrade):
            self._end()

    def _expect_head(self) -> None:
        self.in_head = True
        self.head_bytes = 0
        self._taker.expect_head()

    def _count_between(self, size: int) -> None:
        """Bound what comes between the pieces of a body, and behind it: nothing of it is kept."""
        self._between += size
        if self._between > HEAD_LIMIT:
            what = "What stands behind the request's body or between its chunks"
            self._taker.refuse(HeadTooLargeError(what, HEAD_LIMIT))


def _without_offer(parser: httptools.HttpRequestParser, url: bytes, headers: list[Header]) -> bytes:
    """Return a head as it would be had its client offered no other protocol."""
    version = parser.get_http_version().encode()
    lines = [b"%b %b HTTP/%b" % (parser.get_method(), url, version)]
    for name, value in headers:
        if name == b"connection":
            kept = [one.strip() for one in value.split(b",")]
            value = b", ".join(one for one in kept if one.lower() not in _OFFER)  # noqa: PLW2901
            if not value:
                continue
        if name not in _OFFER:
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
