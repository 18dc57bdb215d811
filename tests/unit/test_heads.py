"""Which heads are remembered: those of usual calls, which say what the parser reads in them."""

from __future__ import annotations

import httptools
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autogpt_db.api.heads import KNOWN_HEADS, LARGEST_HEAD, Heads
from autogpt_db.operations import load_operations
from autogpt_db.settings.api import ApiSettings
from autogpt_db.settings.declaration import Secret


def heads_of(api: ApiSettings) -> Heads:
    heads = Heads(api)
    heads.take_over({f"/{name}": operation for name, operation in load_operations().items()})
    return heads


HEADS = heads_of(ApiSettings())


class Seen:
    """What httptools reads in a request."""

    def __init__(self, message: bytes) -> None:
        self.body = b""
        self.url = b""
        self.complete = False
        self.keeps_alive = True
        self.headers: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(message)
        self.method = self._parser.get_method()
        self.version = self._parser.get_http_version()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.complete = True
        self.keeps_alive = self._parser.should_keep_alive()  # it forgets what was said, after this


names = st.sampled_from(
    b"Host|content-length|Content-Length|connection|x-a|transfer-encoding|content-length ||"
    b"a b|content-type|upgrade|expect|\x00|x\xe4|idempotency-key|x-request-id|traceparent|"
    b"TraceState|baggage|sentry-trace".split(b"|")
)
values = st.one_of(
    st.sampled_from([b"2", b"02", b"+2", b"2, 2", b"keep-alive", b"close", b"chunked", b""])
    | st.sampled_from([b"application/json", b"a\x00b", b"a\tb", b"\xff", b"a\rb", b"a\nb", b"2 2"])
    | st.sampled_from([b"upgrade", b"100-continue", b"x\r\n y", b"x\n\nGET / HTTP/1.1"]),
    st.binary(max_size=5),
)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(
        st.tuples(names, st.sampled_from([b":", b": ", b" : ", b""]), values), max_size=4
    ),
    line=st.sampled_from(
        [
            b"POST /get_node HTTP/1.1",
            b"POST /get_node HTTP/1.0",
            b"POST http://h/get_node HTTP/1.1",
            b"post /get_node HTTP/1.1",
            b"POST  /x",
            b"\r\n",
            b"",
        ]
    ),
    length=st.sampled_from([b"2", b"0"]),
)
@example(lines=[(b"connection", b":", b"close")], line=b"POST /get_node HTTP/1.1", length=b"2")
@example(lines=[(b"connection", b":", b"close")], line=b"POST /get_node HTTP/1.1", length=b"0")
def test_a_head_that_is_found_says_what_the_parser_reads(
    lines: list[tuple[bytes, bytes, bytes]], line: bytes, length: bytes
) -> None:
    usual = [(b"content-length", b": ", length), (b"content-type", b": ", b"application/json")]
    for given_lines in (lines, [*usual, *lines], [*lines, *usual]):
        text = b"\r\n".join([line, *(name + colon + value for name, colon, value in given_lines)])
        message = text + b"\r\n\r\n"
        for _ in range(2):  # read, and remembered
            found = HEADS.find(message + b"rest")
            if found is None:
                continue
            said, end = found
            assert end == message.index(b"\r\n\r\n") + 4  # an empty line ends the head
            body = b"x" * said.size
            seen = Seen(message[:end] + body)  # raises when the parser refuses it
            assert (seen.method, said.path, seen.version) == (b"POST", "/get_node", said.version)
            assert seen.headers == said.headers
            assert seen.complete
            assert seen.body == body
            assert said.keep_alive == (seen.keeps_alive and seen.version != "1.0")


def head(*lines: bytes, length: int = 2) -> bytes:
    given_lines = [b"POST /get_node HTTP/1.1", b"content-length: %d" % length, *lines]
    return b"\r\n".join(given_lines) + b"\r\n\r\n"


JSON = b"content-type: application/json"


def test_a_usual_head_is_found_and_unusual_ones_are_not() -> None:
    found = HEADS.find(head(JSON) + b"{}")
    assert found is not None
    said, end = found
    assert said.operation is not None
    assert (said.operation.name, said.size, end) == ("get_node", 2, len(head(JSON)))
    for line in (
        b"transfer-encoding: chunked",
        b"expect: 100-continue",
        b"connection: upgrade\r\nupgrade: h2c",
        b"content-length: 2",
        b"content-type: text/plain",
        b"x: " + b"x" * LARGEST_HEAD,
    ):
        assert HEADS.find(head(line)) is None, line
    assert HEADS.find(head(JSON, length=1_000_000)) is None
    assert HEADS.find(head(JSON)[:-1]) is None
    assert HEADS.find(head(JSON).replace(b"get_node", b"nothing")) is None


def test_what_differs_from_call_to_call_is_read_and_not_remembered() -> None:
    heads = heads_of(ApiSettings())
    for number in range(10):
        said = heads.find(head(JSON, b"Idempotency-Key: k%d" % number))
        assert said is not None
        assert said[0].key == b"k%d" % number
        said = heads.find(head(JSON, b"x-request-id: r%d" % number))
        assert said is not None
        assert said[0].request_id == f"r{number}"
        parent = b"00-%032x-%016x-01" % (number + 1, number + 1)
        traced = (b"traceparent: " + parent, b"TraceState: a=1, b=2", b"baggage: user = x")
        for lines in (traced, (b"idempotency-key: k", *traced), (*traced, b"Idempotency-Key: k")):
            said = heads.find(head(*lines, JSON))
            assert said is not None
            assert said[0].apart[1:] == (b"k" if len(lines) > 3 else None, parent, b"a=1, b=2")
    assert len(heads._known) == 1, "the head without what is of one call alone"


def test_of_two_parents_neither_is_one_and_of_two_keys_both_are() -> None:
    for _ in range(2):
        said = HEADS.find(head(JSON, b"traceparent: a", b"traceparent: b"))
        assert said is not None
        assert (said[0].apart.traceparent, len(said[0].headers)) == (None, 4)
        # Of one letter, too, of which Python has one object for all.
        for second in (b"b", b"a"):
            said = HEADS.find(head(b"idempotency-key: a", JSON, b"idempotency-key: " + second))
            assert said is not None
            assert said[0].key == b"a, " + second


def test_no_more_heads_are_remembered_than_the_limit() -> None:
    heads = heads_of(ApiSettings())
    for number in range(KNOWN_HEADS + 10):
        heads.find(head(JSON, b"x-of-one-call: %d" % number))
    assert len(heads._known) == 10


def test_what_is_remembered_goes_with_what_is_served() -> None:
    heads = heads_of(ApiSettings())
    assert heads.find(head(JSON)) is not None
    heads.take_over({})
    assert heads.find(head(JSON)) is None


def test_with_a_token_only_heads_that_carry_it_are_found() -> None:
    heads = heads_of(ApiSettings(token=Secret("s3cret")))
    for line, allowed in (
        (b"authorization: Bearer s3cret", True),
        (b"authorization: bearer  s3cret", True),
        (b"authorization: Bearer s3cre", False),
        (b"authorization: Basic s3cret", False),
        (b"x: y", False),
    ):
        assert (heads.find(head(JSON, line)) is not None) is allowed, line
