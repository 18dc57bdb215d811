"""Which heads take the short road: only what uvicorn's parser would read in the same way."""

from __future__ import annotations

import httptools
from hypothesis import given, settings
from hypothesis import strategies as st

from autogpt_db.api.serving import Serving
from autogpt_db.api.short_road import KNOWN_HEADS, LARGEST_HEAD, ShortRoad
from autogpt_db.database.pool.knowledge import Knowledge
from autogpt_db.operations import load_operations
from autogpt_db.settings.api import ApiSettings
from autogpt_db.settings.declaration import Secret

SERVING = Serving(load_operations(), Knowledge(None), "platform")  # type: ignore[arg-type]
ROAD = ShortRoad(None, SERVING, ApiSettings(), None, None)  # type: ignore[arg-type]


class Seen:
    """What httptools, uvicorn's parser, reads in a request."""

    def __init__(self, message: bytes) -> None:
        self.body = b""
        self.url = b""
        self.complete = False
        self.headers: list[tuple[bytes, bytes]] = []
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(message)
        self.method = parser.get_method()
        self.keeps_alive = parser.should_keep_alive()
        self.version = parser.get_http_version()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True


names = st.sampled_from(
    b"Host|content-length|Content-Length|connection|x-a|transfer-encoding|content-length ||"
    b"a b|content-type|upgrade|expect|\x00|x\xe4".split(b"|")
)
values = st.one_of(
    st.sampled_from([b"2", b"02", b"+2", b"2, 2", b"keep-alive", b"close", b"chunked", b""])
    | st.sampled_from([b"application/json", b"a\x00b", b"a\tb", b"\xff", b"a\rb", b"a\nb", b"2 2"]),
    st.binary(max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(
        st.tuples(names, st.sampled_from([b":", b": ", b" : ", b""]), values), max_size=4
    ),
    line=st.sampled_from([b"POST /get_node HTTP/1.1", b"post /get_node HTTP/1.1", b"POST  /x"]),
)
def test_what_takes_the_short_road_is_what_the_parser_would_read(
    lines: list[tuple[bytes, bytes, bytes]], line: bytes
) -> None:
    usual = [(b"content-length", b": ", b"2"), (b"content-type", b": ", b"application/json")]
    for given_lines in (lines, [*usual, *lines], [*lines, *usual]):
        head = b"\r\n".join([line, *(name + colon + value for name, colon, value in given_lines)])
        message = head + b"\r\n\r\n"
        found, start = ROAD.look_up(message)
        if found.operation is None:
            continue
        assert start == message.index(b"\r\n\r\n") + 4  # an empty line ends the head
        body = b"x" * found.body
        seen = Seen(message[:start] + body)  # raises when the parser refuses it
        assert (seen.method, seen.url, seen.version) == (b"POST", b"/get_node", "1.1")
        assert seen.complete
        assert seen.body == body
        assert seen.keeps_alive


def head(*lines: bytes, length: int = 2) -> bytes:
    given = [b"POST /get_node HTTP/1.1", b"content-length: %d" % length, *lines]
    return b"\r\n".join(given) + b"\r\n\r\n"


JSON = b"content-type: application/json"


def test_a_plain_head_does_and_unusual_ones_do_not() -> None:
    found, start = ROAD.look_up(head(JSON) + b"{}")
    assert found.operation is not None
    assert (found.operation.name, found.body, start) == ("get_node", 2, len(head(JSON)))
    for line in (
        b"x-request-id: a",
        b"Idempotency-Key: a",
        b"transfer-encoding: chunked",
        b"connection: close",
        b"content-length: 2",
        b"x: " + b"x" * LARGEST_HEAD,
    ):
        assert ROAD.look_up(head(JSON, line))[0].operation is None, line
    assert ROAD.look_up(head(JSON, length=1_000_000))[0].operation is None
    assert ROAD.look_up(head(JSON)[:-1])[0].operation is None


def test_no_more_heads_are_remembered_than_the_limit() -> None:
    for number in range(KNOWN_HEADS + 10):
        ROAD.look_up(head(JSON, b"traceparent: %d" % number))
    assert len(ROAD._heads) <= KNOWN_HEADS


def test_with_a_token_only_heads_that_carry_it_do() -> None:
    token = ApiSettings(token=Secret("s3cret"))
    road = ShortRoad(None, SERVING, token, None, None)  # type: ignore[arg-type]
    for line, allowed in (
        (b"authorization: Bearer s3cret", True),
        (b"authorization: bearer  s3cret", True),
        (b"authorization: Bearer s3cre", False),
        (b"authorization: Basic s3cret", False),
        (b"x: y", False),
    ):
        assert (road.look_up(head(JSON, line))[0].operation is not None) is allowed, line
