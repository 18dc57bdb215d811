"""The short road and the plain one: the same replies, byte for byte, however a request comes in."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
import termios
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise

import pytest

from api_process import ApiProcess, read_reply, running, written
from postgres_server import PostgresServer, clone, unique_name
from waiting import PATIENCE, wait_for

LIMITS = ("api.body_limit=200000", "api.body_timeout=1", "api.keep_alive=1")
JSON = b"content-type: application/json"
CHUNKED = (
    b'POST /echo HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nd\r\n{"text": "x"}\r\n0\r\n\r\n'
)


@pytest.fixture(scope="module")
def database_url_of_roads(postgres_server: PostgresServer, migrated_template: str) -> Iterator[str]:
    name = unique_name("roads")
    yield clone(postgres_server, migrated_template, name)
    postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="module")
def roads(database_url_of_roads: str) -> Iterator[tuple[ApiProcess, ApiProcess]]:
    url = database_url_of_roads
    with (
        ApiProcess(url, *LIMITS, "api.short_road=true") as short,
        ApiProcess(url, *LIMITS, "api.short_road=false") as plain,
    ):
        yield short, plain


def exchange(api: ApiProcess, *pieces: bytes, replies: int = 1) -> bytes:
    """Send `pieces`, each when the one before has been read, and return what comes back."""
    with api.connect() as connection:
        for piece in pieces:
            connection.sendall(piece)
            wait_for(lambda: unread(connection) == 0, what="the daemon to read it")
        found = [read_reply(connection) for _ in range(replies)]
    return b"\n".join(
        str(status).encode() + b" " + repr(sorted(without_names(headers).items())).encode() + body
        for status, headers, body in found
    )


def unread(connection: socket.socket) -> int:
    """Return the bytes that the other side's kernel has not acknowledged."""
    (count,) = struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))
    return int(count)


def without_names(headers: dict[str, str]) -> dict[str, str]:
    """Return headers without what differs from call to call, having looked at it."""
    assert re.fullmatch(r"[0-9a-f]{16}", headers["x-request-id"])
    assert headers["date"].endswith("GMT")
    return {k: v for k, v in headers.items() if k not in {"x-request-id", "date"}}


def post(method: str, body: bytes, *lines: bytes) -> bytes:
    head = [b"POST /%b HTTP/1.1" % method.encode(), b"host: x", b"content-length: %d" % len(body)]
    return b"\r\n".join([*head, *lines]) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (post("echo", b'{"text": "x"}', JSON), 200),
        (post("echo", b'{"text": "x"}', b"Content-Type:application/json "), 200),
        (post("echo", b'{"text": "x"}', b"Content-Type: Application/JSON; charset=utf-8"), 200),
        (post("echo", b'{"text": "x"}'), 200),
        (post("echo", b'{"text": "x"}', b"content-type: text/plain"), 422),
        (post("echo", b"{}", JSON), 422),
        (post("echo", b"{", JSON), 422),
        (post("echo", b"\xff", JSON), 400),
        (post("echo", b"", JSON), 422),
        (post("get_node", b'{"node_id": "nobody"}', JSON), 400),
        (post("get_node_execution", b'{"node_exec_id": "nobody"}', JSON), 200),
        (post("fail_with_a_bug", b"{}", JSON), 500),
        (post("nothing", b"{}", JSON), 404),
        (post("echo/", b"{}", JSON), 307),
        (post("repeat_text", b'{"times": 1000000}', JSON), 200),
        (post("echo", b'{"text": "x"}', JSON, b"connection: close"), 200),
        (post("echo", b'{"text": "x"}', JSON, b"upgrade: h2c", b"connection: upgrade"), 200),
        (post("echo", b'{"text": "x"}' + b" " * 70_000, JSON), 200),
        (post("echo", b'{"text": "%b"}' % (b"x" * 70_000), JSON), 400),
        (post("echo", b'{"text": "%b"}' % (b"x" * 300_000), JSON), 413),
        (post("echo", b'{"text": "x"}', JSON, b"content-length: 13"), 400),
        (post("echo", b'{"text": "x"}', JSON, b"bad header: x"), 400),
        (b"POST /echo HTTP/1.0\r\ncontent-length: 13\r\n\r\n" + b'{"text": "x"}', 200),
        (b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n", 405),
        (CHUNKED, 200),
    ],
)
def test_a_reply_does_not_tell_its_road(
    roads: tuple[ApiProcess, ApiProcess], message: bytes, status: int
) -> None:
    def raw(api: ApiProcess) -> bytes:
        with api.connect() as connection:
            connection.sendall(message)
            received = b""
            while b"\r\n\r\n" not in received:
                some = connection.recv(65536)
                assert some
                received += some
            size = re.search(rb"content-length: (\d+)", received)
            end = received.index(b"\r\n\r\n") + 4
            while size and len(received) - end < int(size[1]):
                received += connection.recv(1 << 20)
        assert received.startswith(b"HTTP/1.1 %d " % status)
        varying = rb"(date: .*GMT|x-request-id: [0-9a-f]{16}|[0-9a-f]{16})"
        return re.sub(varying, b"-", received)

    short, plain = (raw(api) for api in roads)
    assert short == plain


def test_a_body_behind_its_head_and_piece_by_piece(roads: tuple[ApiProcess, ApiProcess]) -> None:
    message = post("echo", b'{"text": "abc"}', JSON)
    end = message.index(b"\r\n\r\n") + 4
    cuts = [(end,), (end + 3, end + 7), (end - 2,), (10, end, end + 1), (4, 60)]
    for cut in cuts:
        edges = [0, *cut, len(message)]
        pieces = [message[a:b] for a, b in pairwise(edges)]
        short, plain = (exchange(api, *pieces) for api in roads)
        assert short == plain
        assert b'["abc",0,false,"None"]' in short


def test_requests_behind_one_another(roads: tuple[ApiProcess, ApiProcess]) -> None:
    texts = [b"a", b"b", b"c", b"d"]
    messages = [post("echo", b'{"text": "%b"}' % text, JSON) for text in texts]
    slow = post("sleep_reading", b'{"seconds": 0.1}', JSON)
    whole = b"".join(messages)
    for pieces in (
        [whole],
        messages,
        [slow, whole],
        [slow + whole],
        [messages[0], slow, messages[1] + messages[2][:40], messages[2][40:] + messages[3]],
    ):
        replies = b"".join(pieces).count(b"POST")
        short, plain = (exchange(api, *pieces, replies=replies) for api in roads)
        assert short == plain
        assert [short.index(b'["%b"' % text) for text in texts] == sorted(
            short.index(b'["%b"' % text) for text in texts
        )


def test_a_body_that_does_not_come_is_408_on_either_road(
    roads: tuple[ApiProcess, ApiProcess],
) -> None:
    message = post("echo", b'{"text": "abc"}', JSON)
    for cut in (message.index(b"\r\n\r\n") + 4, len(message) - 3):
        short, plain = (exchange(api, message[:cut]) for api in roads)
        assert short == plain
        assert short.startswith(b"408 ")


def test_an_idle_connection_is_closed_on_either_road(roads: tuple[ApiProcess, ApiProcess]) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(api.connect()) for api in roads for _ in range(2)]
        for turn in range(3):
            for connection in connections:
                connection.sendall(post("echo", b'{"text": "%d"}' % turn, JSON))
                assert read_reply(connection)[0] == 200
        for connection in connections:
            assert connection.recv(1) == b"", "closed, and nothing said"


def test_what_a_client_sends_while_it_waits_is_bounded(
    roads: tuple[ApiProcess, ApiProcess],
) -> None:
    short, _ = roads
    with short.connect() as connection:
        connection.sendall(post("sleep_reading", b'{"seconds": 1}', JSON))
        more = post("echo", b'{"text": "%b"}' % (b"x" * 60_000), JSON)
        connection.settimeout(0.5)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:  # until the kernels' buffers are full, because nobody reads
                sent += connection.send(more[sent % len(more) :])
        connection.settimeout(PATIENCE)
        rest = more[sent % len(more) :] if sent % len(more) else b""
        sender = threading.Thread(target=connection.sendall, args=(rest,))
        sender.start()
        assert read_reply(connection)[2] == b'"slept"'
        for _ in range((sent + len(rest)) // len(more)):
            assert read_reply(connection)[0] == 200
        sender.join()


# Lines -------------------------------------------------------------------------------------------


def test_above_a_rate_requests_are_summed_and_failures_keep_their_lines(database_url: str) -> None:
    with ApiProcess(database_url, "logging.request_lines=5") as api:
        for _ in range(100):
            api.call("echo", text="x")
        for _ in range(3):
            assert api.client.post("/echo", json={}).status_code == 422

        def counted() -> int:
            lines = [one for one in api.events("request") if one["status"] == 200]
            return len(lines) + sum(int(one["calls"]) for one in api.events("requests"))

        wait_for(lambda: counted() == 100, what="every request in a line or a sum")
        sums = api.events("requests")
        assert sums
        for one in sums:
            assert one["method"] == "echo"
            assert 0 < one["mean"] <= one["slowest"]
            assert "request_id" not in one
        assert len([one for one in api.events("request") if one["status"] == 422]) == 3


def test_the_sums_of_the_last_second_are_written_at_the_stop(database_url: str) -> None:
    with ApiProcess(database_url, "logging.request_lines=1") as api:
        for _ in range(100):
            api.call("echo", text="x")
        api.signal()
        assert api.exit_code() == 0
        sums = sum(one["calls"] for one in api.events("requests"))
        assert sums + len(api.events("request")) == 100


def test_what_was_sent_behind_a_call_is_not_begun_for_a_client_that_has_left(
    roads: tuple[ApiProcess, ApiProcess], database_url_of_roads: str
) -> None:
    short, _ = roads
    with short.connect() as connection:
        behind = post("sleep_writing", b'{"key": "behind"}', JSON)
        connection.sendall(post("sleep_writing", b'{"key": "first", "seconds": 1}', JSON) + behind)
        wait_for(lambda: running(database_url_of_roads, "pg_sleep"), what="the call")
        filling = post("echo", b'{"text": "%b"}' % (b"x" * 60_000), JSON)
        connection.sendall(filling * 2)  # more than is taken: what comes now is not read
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: written(database_url_of_roads, "first"), what="the call's end")
    lines = wait_for(
        lambda: [one for one in short.events("request") if one["method"] == "sleep_writing"]
    )
    assert len(lines) == 1
    assert not written(database_url_of_roads, "behind")
