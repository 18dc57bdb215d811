"""Requests as nobody's client sends them, and what comes back: the corpus of `test_api_corpus`.

A case is some bytes, and how they are sent. When the first reply to them is there, one more request
ends the connection. The answer is everything that comes back, without what differs from call to
call.
"""

from __future__ import annotations

import asyncio
import random
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LIMITS = (
    "api.body_limit=200000",
    "api.header_timeout=8",
    "api.body_timeout=8",
    "logging.requests=none",
)
"""The settings that the answers belong to."""
AT_ONCE = 150
"""Connections at once."""
GENERATED = 300
"""Requests that are put together by chance."""

BODY = b'{"text": "x"}'
JSON = b"content-type: application/json"
LAST = b"GET /live HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n"
SLOW = b'{"seconds": 0.2}'

_VARYING = re.compile(rb"(?<=date: )[^\r]*GMT|(?<=x-request-id: )[0-9a-f]{16}")
_LIVE = (
    "HTTP/1.1 200 OK\r\n<date, server>\r\ncontent-length: 18\r\ncontent-type: application/json\r\n"
    'x-request-id: -\r\nconnection: close\r\n\r\n{"status": "live"}'
)
_CLOSES = re.compile(r"connection: close\r\n")


@dataclass(frozen=True)
class Case:
    """One connection.

    Attributes:
        name: What it is about.
        pieces: What is sent, piece by piece.
        leaves: Whether the client says then that it has no more to say.
    """

    name: str
    pieces: tuple[bytes, ...]
    leaves: bool = False


def post(
    path: bytes, *lines: bytes, body: bytes = BODY, verb: bytes = b"POST", version: bytes = b"1.1"
) -> bytes:
    """Return a request with a length."""
    head = [b"%b %b HTTP/%b" % (verb, path, version), b"host: t", *lines]
    head.append(b"content-length: %d" % len(body))
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def head(*lines: bytes) -> bytes:
    """Return a head as it is."""
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunked(*chunks: bytes, lines: Iterable[bytes] = (), behind: bytes = b"") -> bytes:
    """Return a request in chunks."""
    given = [b"POST /echo HTTP/1.1", b"host: t", b"transfer-encoding: chunked", *lines]
    body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
    return b"\r\n".join(given) + b"\r\n\r\n" + body + b"0\r\n" + behind + b"\r\n"


ECHO = post(b"/echo", JSON)
UPGRADE = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABk")
EXPECT = b"expect: 100-continue"
KEY = b"idempotency-key: a key"

MESSAGES: dict[str, bytes] = {
    "plain": ECHO,
    "no type": post(b"/echo"),
    "type with charset": post(b"/echo", b"Content-Type: Application/JSON; charset=utf-8"),
    "type with suffix": post(b"/echo", b"content-type: application/problem+json"),
    "text": post(b"/echo", b"content-type: text/plain"),
    "two types": post(b"/echo", b"content-type: text/plain", JSON),
    "no argument": post(b"/echo", JSON, body=b"{}"),
    "broken JSON": post(b"/echo", JSON, body=b"{"),
    "not UTF-8": post(b"/echo", JSON, body=b'{"text": "\xff"}'),
    "empty body": post(b"/echo", JSON, body=b""),
    "empty body and close": post(b"/echo", JSON, b"connection: close", body=b""),
    "null": post(b"/echo", JSON, body=b"null"),
    "unknown argument": post(b"/echo", JSON, body=b'{"text": "x", "colour": "blue"}'),
    "surrogate": post(b"/echo", JSON, body=b'{"text": "\\ud800"}'),
    "long body": post(b"/echo", JSON, body=BODY + b" " * 70_000),
    "long text": post(b"/echo", JSON, body=b'{"text": "%b"}' % (b"x" * 70_000)),
    "too large": post(b"/echo", JSON, body=b'{"text": "%b"}' % (b"x" * 300_000)),
    "bug": post(b"/fail_with_a_bug", JSON, b"x-request-id: bug-1", body=b"{}"),
    "nobody": post(b"/get_node", JSON, body=b'{"node_id": "nobody"}'),
    "none": post(b"/get_node_execution", JSON, body=b'{"node_exec_id": "nobody"}'),
    "long reply": post(b"/repeat_text", JSON, body=b'{"times": 100}'),
    "unknown method": post(b"/nothing", JSON),
    "unknown path": post(b"/a/b", JSON),
    "slash": post(b"/echo/?a=b%20c", JSON),
    "slash of nothing": post(b"/nothing/", JSON),
    "escaped slash": post(b"/health%5fcheck/", JSON),
    "query": post(b"/echo?a=b", JSON),
    "fragment": post(b"/echo#a", JSON),
    "escaped name": post(b"/%65cho", JSON),
    "absolute target": post(b"http://elsewhere/echo", JSON),
    "absolute with query": post(b"http://elsewhere:80/echo?x", JSON),
    "only a host": post(b"http://elsewhere", JSON),
    "no host in target": head(b"GET http:// HTTP/1.1"),
    "asterisk": head(b"OPTIONS * HTTP/1.1", b"host: t"),
    "no slash": head(b"GET echo HTTP/1.1", b"host: t"),
    "double slash": head(b"GET //live HTTP/1.1", b"host: t"),
    "not ASCII": head(b"GET /\xff HTTP/1.1"),
    "escaped NUL": post(b"/%00", JSON),
    "GET": head(b"GET /echo HTTP/1.1", b"host: t"),
    "HEAD": head(b"HEAD /echo HTTP/1.1", b"host: t"),
    "HEAD of live": head(b"HEAD /live HTTP/1.1", b"host: t"),
    "DELETE with body": post(b"/echo", JSON, verb=b"DELETE"),
    "GET with body": post(b"/echo", JSON, verb=b"GET"),
    "unknown verb": post(b"/echo", JSON, verb=b"FETCH"),
    "small verb": post(b"/echo", JSON, verb=b"post"),
    "live": head(b"GET /live HTTP/1.1", b"host: t"),
    "ready by POST": post(b"/ready", JSON),
    "ready": head(b"GET /ready HTTP/1.1", b"host: t"),
    "health": post(b"/health_check", JSON),
    "health by PUT": post(b"/health_check", JSON, verb=b"PUT"),
    "health by HEAD": head(b"HEAD /health_check HTTP/1.1", b"host: t"),
    "HTTP/1.0": post(b"/echo", JSON, version=b"1.0"),
    "HTTP/1.0 kept": post(b"/echo", JSON, b"connection: keep-alive", version=b"1.0"),
    "HTTP/1.2": post(b"/echo", JSON, version=b"1.2"),
    "HTTP/2": post(b"/echo", JSON, version=b"2.0"),
    "HTTP/0.9": b"GET /live\r\n\r\n",
    "close": post(b"/echo", JSON, b"connection: close"),
    "close among others": post(b"/echo", JSON, b"connection: x, Close"),
    "kept": post(b"/echo", JSON, b"connection: keep-alive"),
    "upgrade": post(b"/echo", JSON, *UPGRADE),
    "upgrade and close": post(b"/echo", JSON, b"connection: upgrade, close", b"upgrade: h2c"),
    "upgrade without connection": post(b"/echo", JSON, b"upgrade: h2c"),
    "websocket": head(
        b"GET /live HTTP/1.1", b"connection: upgrade", b"upgrade: websocket",
        b"sec-websocket-version: 13", b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "tunnel": head(b"CONNECT elsewhere:443 HTTP/1.1", b"host: elsewhere"),
    "expects": post(b"/echo", JSON, EXPECT),
    "expects and is refused": post(b"/nothing", JSON, EXPECT),
    "expects something else": post(b"/echo", JSON, b"expect: a miracle"),
    "chunks": chunked(b'{"text": ', b'"x"}', lines=[JSON]),
    "one chunk": chunked(BODY, lines=[JSON]),
    "no chunk": chunked(lines=[JSON]),
    "chunks that expect": chunked(BODY, lines=[JSON, EXPECT]),
    "trailers": chunked(BODY, lines=[JSON], behind=b"x-request-id: no\r\nidempotency-key: no\r\n"),
    "chunk extension": chunked(BODY, lines=[JSON]).replace(b"d\r\n", b"d;a=b\r\n"),
    "broken chunk": head(b"POST /echo HTTP/1.1", JSON, b"transfer-encoding: chunked") + b"xyz\r\n",
    "chunks too large": chunked(*[b"x" * 50_000] * 5, lines=[JSON]),
    "chunks and length": chunked(BODY, lines=[JSON, b"content-length: 3"]),
    "other encoding": post(b"/echo", JSON, b"transfer-encoding: gzip"),
    "gzip and chunked": chunked(BODY, lines=[JSON]).replace(b": chunked", b": gzip, chunked"),
    "trailer announced": post(b"/echo", JSON, b"trailer: x"),
    "content encoding": post(b"/echo", JSON, b"content-encoding: gzip"),
    "no length": head(b"POST /echo HTTP/1.1", b"host: t", JSON),
    "length twice": post(b"/echo", JSON, b"content-length: 13"),
    "other length twice": post(b"/echo", JSON, b"content-length: 12"),
    "negative length": head(b"POST /echo HTTP/1.1", b"content-length: -1"),
    "no number": head(b"POST /echo HTTP/1.1", b"content-length: x"),
    "plus": head(b"POST /echo HTTP/1.1", JSON, b"content-length: +13") + BODY,
    "zeros": head(b"POST /echo HTTP/1.1", JSON, b"content-length: 0013") + BODY,
    "list of lengths": head(b"POST /echo HTTP/1.1", JSON, b"content-length: 13, 13") + BODY,
    "endless length": head(b"POST /echo HTTP/1.1", b"content-length: 99999999999999999999999"),
    "large length": head(b"POST /echo HTTP/1.1", JSON, b"content-length: 200001"),
    "large length that expects": head(
        b"POST /echo HTTP/1.1", JSON, b"content-length: 200001", EXPECT
    ),
    "space in name": post(b"/echo", JSON, b"bad header: x"),
    "space before colon": post(b"/echo", JSON, b"x : y"),
    "no colon": post(b"/echo", JSON, b"x"),
    "no name": post(b"/echo", JSON, b": x"),
    "folded": post(b"/echo", JSON, b"x: y\r\n z"),
    "NUL in value": post(b"/echo", JSON, b"x: a\x00b"),
    "tab in value": post(b"/echo", JSON, b"x: a\tb"),
    "Latin-1 in value": post(b"/echo", JSON, b"x: \xe4"),
    "return in value": post(b"/echo", JSON, b"x: a\rb"),
    "bare line end": ECHO.replace(b"\r\nhost", b"\nhost"),
    "bare line ends": ECHO.replace(b"\r\n", b"\n"),
    "line ends before": b"\r\n\r\n" + ECHO,
    "space before": b" " + ECHO,
    "two spaces": ECHO.replace(b"POST /", b"POST  /"),
    "space at the end": ECHO.replace(b"HTTP/1.1\r\n", b"HTTP/1.1 \r\n"),
    "no version": ECHO.replace(b" HTTP/1.1", b""),
    "small version": ECHO.replace(b"HTTP/1.1", b"http/1.1"),
    "two hosts": post(b"/echo", JSON, b"host: u"),
    "no host": ECHO.replace(b"host: t\r\n", b""),
    "many headers": post(b"/echo", JSON, *[b"x-%d: y" % number for number in range(200)]),
    "a large head": post(b"/echo", JSON, b"x: " + b"y" * 60_000),
    "a head too large": post(b"/echo", JSON, b"x: " + b"y" * 70_000),
    "a target too large": post(b"/echo?" + b"y" * 70_000, JSON),
    "names in capitals": ECHO.replace(b"content-length", b"CONTENT-LENGTH"),
    "spaces around values": post(b"/echo", b"content-type: \t application/json \t"),
    "request id": post(b"/echo", JSON, b"x-request-id: mine-1"),
    "strange request id": post(b"/echo", JSON, b'x-request-id: a"b'),
    "two request ids": post(b"/echo", JSON, b"x-request-id: mine-1", b"X-Request-ID: mine-2"),
    "empty request id": post(b"/echo", JSON, b"x-request-id:"),
    "keyed read": post(b"/echo", JSON, b"idempotency-key: k1"),
    "bad key": post(b"/sleep_writing", JSON, KEY, body=b'{"key": "bad"}'),
    "two keys": post(
        b"/sleep_writing", JSON, b"idempotency-key: a", b"Idempotency-Key: b", body=b'{"key": "2"}'
    ),
    "empty key": post(b"/sleep_writing", JSON, b"idempotency-key:", body=b'{"key": "empty"}'),
    "keyed, no argument": post(b"/sleep_writing", JSON, b"idempotency-key: k2", body=b"{}"),
    "keyed, broken": post(b"/sleep_writing", JSON, b"idempotency-key: k3", body=b"{"),
    "folded key": post(
        b"/sleep_writing", JSON, b"x: y", b"idempotency-key: k4\r\n z", body=b'{"key": "folded"}'
    ),
    "garbage": b"nonsense\r\n\r\n",
    "NUL": b"\x00garbage\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a reply": b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    "passed on": post(b"/nothing", JSON, b"autogpt-db-passed-on: 1"),
    "too long for a name": post(b"/" + b"x" * 300, JSON),
}  # fmt: skip

SPLIT = (
    "plain", "no argument", "query", "unknown method", "slash", "HEAD", "live", "HTTP/1.0", "close",
    "upgrade", "chunks", "trailers", "two request ids", "folded", "length twice", "bad key",
    "keyed, no argument", "line ends before", "tunnel", "broken chunk",
)  # fmt: skip
"""Messages that are cut in two at every byte."""

SEQUENCES: dict[str, bytes] = {
    "alike": ECHO * 5,
    "slow one first": post(b"/sleep_reading", JSON, body=SLOW) + ECHO * 3,
    "refused behind a slow one": post(b"/sleep_reading", JSON, body=SLOW)
    + head(b"POST /echo HTTP/1.1", b"content-length: 200001"),
    "garbage behind a slow one": post(b"/sleep_reading", JSON, body=SLOW) + b"\x00\r\n\r\n",
    "garbage behind two": ECHO + ECHO + b"\x00\r\n\r\n",
    "closing first": post(b"/echo", JSON, b"connection: close") + ECHO,
    "closing, and half a body": post(b"/echo", JSON, b"connection: close") + ECHO[:-3],
    "failures": b"".join(
        MESSAGES[name] for name in ("broken JSON", "unknown method", "GET", "bug", "not UTF-8")
    )
    + ECHO,
    "upgrades": MESSAGES["upgrade"] + MESSAGES["websocket"] + chunked(BODY, lines=UPGRADE) + ECHO,
    "upgrade, and what it means": MESSAGES["upgrade"] + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "tunnel, and what is in it": MESSAGES["tunnel"] + ECHO,
    "unknown with a large body": post(b"/nothing", JSON, body=b"x" * 90_000) + ECHO,
    "a flood": post(b"/sleep_reading", JSON, body=SLOW) + ECHO * 80,
    "chunks and lengths": chunked(BODY, lines=[JSON]) + ECHO + chunked(BODY, lines=[JSON]) + ECHO,
    "HEAD between": MESSAGES["HEAD"] + ECHO + MESSAGES["HEAD of live"] + ECHO,
    "expecting between": ECHO + post(b"/echo", JSON, EXPECT) + ECHO,
    "HTTP/1.0 between": ECHO + MESSAGES["HTTP/1.0"] + ECHO,
    "line ends between": ECHO + b"\r\n" + ECHO,
    "others between": ECHO + MESSAGES["live"] + ECHO + MESSAGES["health"] + ECHO,
}

UNFINISHED: dict[str, bytes] = {
    "nothing": b"",
    "half a head": ECHO[:30],
    "a head": ECHO[: -len(BODY)],
    "half a body": ECHO[:-3],
    "half a body of nothing": post(b"/nothing", JSON)[:-3],
    "half a chunk": chunked(BODY, lines=[JSON])[:-9],
    "no trailers": chunked(BODY, lines=[JSON])[:-2],
    "half a keyed body": post(b"/sleep_writing", JSON, b"idempotency-key: k5")[:-3],
    "half a head behind one": ECHO + ECHO[:30],
    "half a body behind one": ECHO + ECHO[:-3],
    "half a head behind a slow one": post(b"/sleep_reading", JSON, body=SLOW) + ECHO[:30],
    "half a body behind a slow one": post(b"/sleep_reading", JSON, body=SLOW) + ECHO[:-3],
}


LINES = (
    JSON, JSON, JSON, b"content-type: text/plain", b"connection: keep-alive", b"x: y", b"x:",
    EXPECT, b"connection: close", b"Connection: Upgrade", b"upgrade: h2c", b"x-request-id: r",
    b"x :y", b"idempotency-key: k", b"x\x00: y", b" x: y", b"x: \xff", b"trailer: x",
    b"content-length: 13",
    b"authorization: Bearer x", b"te: trailers", b"X-A: b\tc",
)  # fmt: skip
"""What stands in the heads of requests that are put together by chance."""


def corpus() -> list[Case]:
    """Return all cases; those of one name have one answer."""
    cases = []
    for name, message in (MESSAGES | SEQUENCES).items():
        cases += [
            Case(name, (message,)),
            Case(name, (message,)),  # the second time its head is known
            Case(name, (message + LAST,)),
        ]
    for name in (*SPLIT, *SEQUENCES):
        message = (MESSAGES | SEQUENCES)[name]
        cases.append(Case(f"{name}, leaving", (message,), leaves=True))
    for name in SPLIT:
        message = MESSAGES[name]
        for place in range(1, len(message)):
            cases.append(Case(name, (message[:place], message[place:])))
        cases.append(Case(name, tuple(bytes([byte]) for byte in message)))
    for name in ("slow one first", "upgrades", "chunks and lengths", "failures"):
        message = SEQUENCES[name]
        for size in (1, 7, 64):
            pieces = tuple(message[at : at + size] for at in range(0, len(message), size))
            cases.append(Case(name, pieces))
    for name, message in UNFINISHED.items():
        cases += [
            Case(f"unfinished: {name}", (message,)),
            Case(f"unfinished: {name}, leaving", (message,), leaves=True),
        ]
    return cases + list(generated())


def generated() -> Iterator[Case]:
    """Yield requests that are put together by chance, the same ones each time."""
    chance = random.Random(20)
    for number in range(GENERATED):
        messages = [_generated(chance) for _ in range(chance.choice([1, 1, 2, 3]))]
        yield Case(f"generated {number}", (b"".join(messages) + LAST,))


def _generated(chance: random.Random) -> bytes:
    verb = chance.choice([b"POST"] * 6 + [b"GET", b"HEAD", b"PUT", b"post", b"", b"PO ST"])
    target = chance.choice(
        [b"/echo"] * 6
        + [b"/nothing", b"/live", b"/echo/", b"/health_check", b"/echo?x=1", b"http://h/echo", b"*"]
        + [b"/%65cho", b"echo", b"/echo#x", b"/\x7f"]
    )
    version = chance.choice([b"HTTP/1.1"] * 9 + [b"HTTP/1.0", b"HTTP/1", b"HTTP/3.0", b""])
    body = chance.choice([BODY] * 4 + [b"", b"{}", b"{", b"\xff", b"x" * 2000])
    lines = [b"host: t"]
    if chance.random() < 0.8:
        lines.append(b"content-length: %d" % (len(body) + chance.choice([0] * 9 + [1, -1])))
        text = body
    else:
        lines.append(chance.choice([b"transfer-encoding: chunked", b"Transfer-Encoding:  Chunked"]))
        text = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    lines += chance.choices(LINES, k=chance.randrange(5))
    chance.shuffle(lines)
    return b"\r\n".join([b"%b %b %b" % (verb, target, version), *lines]) + b"\r\n\r\n" + text


async def answers(port: int, cases: Iterable[Case]) -> list[str]:
    """Return what a server answers to each case."""
    places = asyncio.Semaphore(AT_ONCE)

    async def answer(case: Case) -> str:
        async with places:
            answer = shown(await _converse(port, case))
            # Whether its leaving is seen before the reply is a matter of chance.
            return _CLOSES.sub("", answer) if case.leaves else answer

    return await asyncio.gather(*map(answer, cases))


async def _converse(port: int, case: Case) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    replied = asyncio.Event()
    reading = asyncio.ensure_future(_read_to_end(reader, replied))
    try:
        with suppress(ConnectionError):
            for piece in case.pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if case.leaves:
                writer.write_eof()
            else:
                await replied.wait()
                writer.write(LAST)
        return await asyncio.wait_for(reading, PATIENCE)
    except TimeoutError:
        raise AssertionError(f"{case.name}: the server does not close") from None
    finally:
        reading.cancel()
        writer.close()


async def _read_to_end(reader: asyncio.StreamReader, replied: asyncio.Event) -> bytes:
    """Read it all, and tell when the first reply has come, or the end."""
    received = b""
    with suppress(ConnectionError):
        while some := await reader.read(65536):
            received += some
            if received.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n"):
                replied.set()
    replied.set()
    return received


def shown(answer: bytes) -> str:
    """Return an answer without what differs from call to call, and long texts cut short."""
    text = _VARYING.sub(b"-", answer).decode("latin-1")
    text = text.replace("allow: HEAD, GET", "allow: GET, HEAD")  # in whatever order
    text = text.replace("date: -\r\nserver: autogpt-db\r\n", "<date, server>\r\n")
    text = text.replace(_LIVE, "<the last one's reply>")
    return re.sub(r"(.)\1{99,}", lambda found: f"{found[1]}*{len(found[0])}", text)
