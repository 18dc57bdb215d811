"""Connections: silent, slow, greedy and broken clients, and replies that reach them."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from api_process import ApiProcess, bytes_unread, read_reply, read_to_end, request, resident
from autogpt_db.metrics import families
from metrics_reading import parse, total
from postgres_server import PostgresServer, clone, unique_name
from waiting import PATIENCE, wait_for

HEAD_SECONDS = 0.6
BODY_SECONDS = 0.8
KEEP_ALIVE = 1.2
SLACK = 8  # seconds that a busy machine may add; the defaults, were they in effect, add more
ECHO = request("echo", b'{"text": "x"}')


@pytest.fixture(scope="module")
def api(
    postgres_server: PostgresServer,
    migrated_template: str,
) -> Iterator[ApiProcess]:
    name = unique_name("connections")
    with ApiProcess(
        clone(postgres_server, migrated_template, name),
        f"api.header_timeout={HEAD_SECONDS}",
        f"api.body_timeout={BODY_SECONDS}",
        f"api.keep_alive={KEEP_ALIVE}",
        "api.body_limit=100000",
    ) as running:
        yield running
    postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def text_of(reply: tuple[int, dict[str, str], bytes]) -> object:
    assert reply[0] == 200, reply
    return json.loads(reply[2])[0]


# Time --------------------------------------------------------------------------------------------


def test_a_silent_client_is_closed_without_a_word(api: ApiProcess) -> None:
    with api.connect() as connection:
        started = time.monotonic()
        assert read_to_end(connection) == b""
        assert HEAD_SECONDS * 0.9 < time.monotonic() - started < HEAD_SECONDS + SLACK


@pytest.mark.parametrize("said", [b"P", b"POST /echo HTTP/1.1\r\nhost: t\r\n", b"\r\n\r\n"])
def test_half_a_head_gets_408(api: ApiProcess, said: bytes) -> None:
    with api.connect() as connection:
        connection.sendall(said)
        status, headers, body = read_reply(connection)
        assert status == 408
        assert headers["connection"] == "close"
        assert "head" in json.loads(body)["detail"]
        assert read_to_end(connection) == b""


def test_a_head_that_trickles_gets_no_more_time(api: ApiProcess) -> None:
    with api.connect() as connection:
        started = time.monotonic()
        status = 0
        connection.settimeout(0.05)
        connection.sendall(b"POST /echo HTTP/1.1\r\n")
        while not status and time.monotonic() < started + 5:
            connection.sendall(b"a: b\r\n")
            try:
                status = read_reply(connection)[0]
            except TimeoutError:
                continue
        assert status == 408
        assert time.monotonic() - started < HEAD_SECONDS + SLACK


def test_half_a_body_gets_408(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(ECHO[:-3])
        started = time.monotonic()
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (408, "close")
        assert BODY_SECONDS * 0.9 < time.monotonic() - started < BODY_SECONDS + SLACK
        assert read_to_end(connection) == b""
    (record,) = wait_for(
        lambda: [one for one in api.events("request") if one["status"] == 408], what="its line"
    )
    assert record["method"] == "echo"


def test_an_idle_connection_is_closed_and_line_ends_do_not_keep_it(api: ApiProcess) -> None:
    with api.connect() as idle, api.connect() as fidgety:
        for connection in (idle, fidgety):
            connection.sendall(ECHO)
            assert text_of(read_reply(connection)) == "x"
        fidgety.sendall(b"\r\n")
        started = time.monotonic()
        assert read_to_end(idle) == b""
        assert KEEP_ALIVE * 0.9 < time.monotonic() - started < KEEP_ALIVE + SLACK
        assert read_reply(fidgety)[0] == 408


def test_many_silent_clients_do_not_slow_down_others(api: ApiProcess) -> None:
    with ExitStack() as stack:
        crowd = [stack.enter_context(api.connect()) for _ in range(300)]
        for connection in crowd[::2]:
            connection.sendall(b"POST /echo HTTP/1.1\r\n")
        for _ in range(20):
            assert api.call("echo", text="x")[0] == "x"
        for connection in crowd:
            read_to_end(connection)


def test_a_client_that_never_reads_its_reply_is_cut(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(request("repeat_text", b'{"times": 30000000}'))
        wait_for(
            lambda: [one for one in api.events("request") if one["method"] == "repeat_text"],
            what="the reply",
        )
        time.sleep(2 * KEEP_ALIVE + 0.5)  # the time limit itself: two looks at the same rest
        received = 0
        while some := connection.recv(1 << 20):
            received += len(some)
        assert received < 30_000_000, "only what the kernel held still came"


def test_replies_that_nobody_reads_are_bounded(database_url: str) -> None:
    megabyte = 2**20
    bounds = ("api.body_limit=1048576", f"api.memory_limit={8 * megabyte}")
    with ApiProcess(database_url, *bounds) as api, ExitStack() as stack:
        size = 12 * megabyte
        before = resident(api.pid)
        clients = []
        for already in range(12):
            client = stack.enter_context(socket.socket())
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.settimeout(PATIENCE)
            client.connect(("127.0.0.1", api.port))
            client.sendall(request("repeat_text", b'{"times": %d}' % size))
            clients.append(client)
            wait_for(
                lambda already=already: len(_served(api, "repeat_text")) > already,
                what="the reply",
            )
        samples = parse(api.client.get("/metrics").text)
        assert total(samples, families.SLOW_READERS_CUT) >= 8
        assert len(api.events("slow_reader_cut")) == total(samples, families.SLOW_READERS_CUT)
        wait_for(
            lambda: resident(api.pid) < before + 32 * megabyte + 2 * size, what="the memory back"
        )
        # Whoever reads gets all of it, before and after; who came first was cut.
        assert len(read_reply(clients[-1])[2]) == size + len(b'""')
        assert len(api.call("repeat_text", times=size)) == size
        with contextlib.suppress(ConnectionResetError):
            assert len(read_to_end(clients[0])) < size


def _served(api: ApiProcess, method: str) -> list[dict[str, object]]:
    return [one for one in api.events("request") if one["method"] == method]


# Size --------------------------------------------------------------------------------------------


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\n"
            b"content-length: 100001\r\n\r\n"
        )
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (413, "close")


def test_the_client_that_sends_it_all_the_same_sees_the_reply(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(request("echo", b"x" * 8_000_000))
        assert read_reply(connection)[0] == 413


def test_chunks_are_counted(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(3):
            connection.sendall(b"c350\r\n" + b"x" * 50_000 + b"\r\n")
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (413, "close")


def test_chunks_within_the_limit_are_a_body(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n"
            b'9\r\n{"text": \r\n4\r\n"x"}\r\n0\r\n\r\n'
        )
        assert text_of(read_reply(connection)) == "x"


@pytest.mark.parametrize("complete", [True, False])
def test_an_endless_head_gets_431(api: ApiProcess, complete: bool) -> None:
    with api.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\n" + b"a: " + b"b" * 400_000)
        if complete:
            connection.sendall(b"\r\ncontent-length: 2\r\n\r\n{}")
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (431, "close")


def test_a_large_head_is_fine(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(request("echo", b'{"text": "x"}', "a: " + "b" * 60_000))
        assert text_of(read_reply(connection)) == "x"


# Order -------------------------------------------------------------------------------------------


def test_pipelined_requests_are_answered_in_order(api: ApiProcess) -> None:
    with api.connect() as connection:
        slow = request("sleep_reading", b'{"seconds": 0.3}')
        numbered = [request("echo", b'{"text": "%d"}' % number) for number in range(20)]
        connection.sendall(slow + b"".join(numbered))
        assert read_reply(connection)[2] == b'"slept"'
        assert [text_of(read_reply(connection)) for _ in numbered] == [str(n) for n in range(20)]


def test_a_refused_request_waits_for_its_turn_in_the_pipeline(api: ApiProcess) -> None:
    with api.connect() as connection:
        slow = request("sleep_reading", b'{"seconds": 0.3}')
        connection.sendall(slow + b"POST /echo HTTP/1.1\r\ncontent-length: 100001\r\n\r\n")
        assert read_reply(connection)[2] == b'"slept"'
        assert read_reply(connection)[0] == 413


def test_garbage_behind_a_request_does_not_take_its_reply(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(request("sleep_reading", b'{"seconds": 0.3}') + b"\x00garbage\r\n\r\n")
        assert read_reply(connection)[2] == b'"slept"'
        assert read_to_end(connection) == b""


UNFINISHED = request("echo", b'{"text": "unfinished"}')[:-5]
TOO_LARGE = request("echo", b'{"text": "%b"}' % (b"a" * 200_000))
NO_HTTP = b"\x00 no HTTP\r\n\r\n"


@pytest.mark.parametrize("leaves", [False, True])
@pytest.mark.parametrize(
    "packets",
    [
        [ECHO + ECHO + NO_HTTP],
        [ECHO + UNFINISHED + NO_HTTP],
        [ECHO + UNFINISHED + TOO_LARGE],
        [b"POST /echo HTTP/1.1\r\nhost: t\r\n", TOO_LARGE],
        [request("sleep_reading", b'{"seconds": 0.1}', "connection: close") + ECHO + UNFINISHED],
    ],
    ids=["no HTTP", "no HTTP in a body", "a body in a body", "a body in a head", "closing"],
)
def test_nothing_is_written_after_a_last_reply(
    api: ApiProcess, packets: list[bytes], *, leaves: bool
) -> None:
    with api.connect() as connection:
        for packet in packets:
            connection.sendall(packet)
            wait_for(lambda: bytes_unread(connection) == 0, what="the packet to be read")
        if leaves:
            connection.shutdown(socket.SHUT_WR)
        replies = []
        while (reply := read_reply(connection))[0]:
            replies.append(reply)
    assert replies[-1][1]["connection"] == "close"
    assert [reply[1].get("connection") for reply in replies[:-1]] == [None] * (len(replies) - 1)
    assert api.call("echo", text="x")[0] == "x"
    assert "Traceback" not in api.log()


@pytest.mark.parametrize("first", ["slow", "echo"])
def test_of_a_flood_of_pipelined_requests_64_are_answered(api: ApiProcess, first: str) -> None:
    with api.connect() as connection:
        slow = request("sleep_reading", b'{"seconds": 0.5}')
        numbered = [request("echo", b'{"text": "%d"}' % number) for number in range(500)]
        connection.sendall((slow if first == "slow" else ECHO) + b"".join(numbered))
        assert read_reply(connection)[0] == 200
        assert [text_of(read_reply(connection)) for _ in range(63)] == [str(n) for n in range(63)]
        status, headers, body = read_reply(connection)
        assert (status, headers["connection"], headers["retry-after"]) == (503, "close", "1")
        assert "64 requests wait" in json.loads(body)["detail"]
        assert read_to_end(connection) == b""
    assert api.call("echo", text="x")[0] == "x"


# Trailers ----------------------------------------------------------------------------------------


def chunked(body: bytes, *headers: str) -> bytes:
    """Return a request whose body comes in a chunk, up to where trailers stand."""
    head = request("echo", b"", *headers).replace(
        b"content-length: 0", b"transfer-encoding: chunked"
    )
    return head + b"%x\r\n%b\r\n0\r\n" % (len(body), body)


def test_trailers_are_no_headers(database_url: str) -> None:
    with ApiProcess(database_url, "api.token=secret") as api, api.connect() as connection:
        said = chunked(b'{"text": "x"}') + b"authorization: bearer secret\r\n\r\n"
        connection.sendall(said)
        assert read_reply(connection)[0] == 401
        said = chunked(b'{"text": "x"}', "authorization: bearer secret", "x-request-id: mine")
        connection.sendall(
            said + b"x-request-id: theirs\r\nidempotency-key: k\r\nauthorization: x\r\n\r\n"
        )
        status, headers, _ = read_reply(connection)
        assert (status, headers["x-request-id"]) == (200, "mine")
        # Nor do they become the next request's.
        connection.sendall(request("echo", b'{"text": "x"}', "authorization: bearer secret"))
        status, headers, _ = read_reply(connection)
        assert (status, headers["x-request-id"] != "theirs") == (200, True)


@pytest.mark.parametrize(
    "flood",
    [b"a: b\r\n" * 1000, b"a: " + b"b" * 6000 + b"\r\n", b"b" * 6000],
    ids=["many", "long", "one endless"],
)
@pytest.mark.parametrize(("method", "status"), [("echo", 431), ("nothing", 404)])
def test_trailers_are_dropped_and_bounded(
    api: ApiProcess, flood: bytes, method: str, status: int
) -> None:
    before = resident(api.pid)
    with api.connect() as connection:
        said = chunked(b'{"text": "x"}').replace(b"/echo", b"/" + method.encode())
        connection.sendall(said + (b"a: " if flood == b"b" * 6000 else b""))
        sent = 0
        with contextlib.suppress(ConnectionError):  # once the reply has lingered for long enough
            while sent < 64 * 1024 * 1024:
                connection.sendall(flood)
                sent += len(flood)
                assert resident(api.pid) < before + 8 * 1024 * 1024
            assert read_reply(connection)[0] in {status, 431}
    assert api.call("echo", text="x")[0] == "x"


def test_too_many_trailers_get_431(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(chunked(b'{"text": "x"}') + b"a: b\r\n" * 20_000)
        status, headers, body = read_reply(connection)
        assert (status, headers["connection"]) == (431, "close")
        assert "behind the request's body" in json.loads(body)["detail"]


def test_extensions_of_chunks_are_bounded(api: ApiProcess) -> None:
    with api.connect() as connection:
        head = chunked(b"")[: -len(b"0\r\n\r\n0\r\n")]
        connection.sendall(head + b"5;" + b"x" * 70_000)
        connection.sendall(b"x" * 70_000)
        assert read_reply(connection)[0] == 431
    assert api.call("echo", text="x")[0] == "x"


def test_idle_connections_keep_nothing_of_their_requests(api: ApiProcess) -> None:
    with ExitStack() as stack:
        connections = [stack.enter_context(api.connect()) for _ in range(150)]
        for connection in connections[:5]:
            connection.sendall(request("nothing", b"x" * 90_000))
            assert read_reply(connection)[0] == 404
        before = resident(api.pid)
        for connection in connections[5:]:
            connection.sendall(request("nothing", b"x" * 90_000))
            assert read_reply(connection)[0] == 404
        assert resident(api.pid) < before + 145 * 30_000


# Half-closed -------------------------------------------------------------------------------------


def test_who_says_no_more_still_gets_every_reply(api: ApiProcess) -> None:
    for count in (1, 3):
        with api.connect() as connection:
            connection.sendall(request("sleep_reading", b'{"seconds": 0.7}') + ECHO * (count - 1))
            connection.shutdown(socket.SHUT_WR)
            assert read_reply(connection)[2] == b'"slept"'
            for _ in range(count - 1):
                assert text_of(read_reply(connection)) == "x"
            assert read_to_end(connection) == b""


def test_who_says_no_more_in_the_middle_of_a_request_gets_none(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(ECHO[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert read_to_end(connection) == b""


# Form --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # TLS
        b"POST /echo HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        b"POST /echo HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n",
        b"GET http:// HTTP/1.1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_400(api: ApiProcess, said: bytes) -> None:
    with api.connect() as connection:
        connection.sendall(said)
        status, headers, body = read_reply(connection)
        assert (status, headers["connection"]) == (400, "close")
        assert json.loads(body)["detail"]


def test_a_broken_chunk_ends_its_request(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(
            b"POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"
        )
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (400, "close")


UPGRADES = {
    "h2c": ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQ"),
    "websocket": (
        "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13",
        "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==",
    ),
    "several": ("connection: upgrade", "upgrade: h2c, foo/1"),
}  # fmt: skip


@pytest.mark.parametrize("offer", UPGRADES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_offer_to_upgrade_is_ignored(api: ApiProcess, offer: str, size: int) -> None:
    """And the connection goes on, however its bytes are cut."""
    lines = UPGRADES[offer]
    chunked = (
        b"POST /echo HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n"
        + "".join(f"{line}\r\n" for line in lines).encode()
        + b'\r\n6\r\n{"text\r\n7\r\n": "c"}\r\n0\r\n\r\n'
    )
    messages = [
        request("echo", b'{"text": "a"}', *lines),
        request("echo", b'{"text": "b"}'),
        chunked,
        request("echo", b"", *lines, verb="GET"),
        request("echo", b'{"text": "d"}', *lines),
        request("echo", b'{"text": "e"}'),
    ]
    sent = b"".join(messages)
    with api.connect() as connection:
        for start in range(0, len(sent), size):
            connection.sendall(sent[start : start + size])
        replies = [read_reply(connection) for _ in messages]
        assert [status for status, *_ in replies] == [200, 200, 200, 405, 200, 200]
        texts = [text_of(reply) for reply in replies if reply[0] == 200]
        assert texts == ["a", "b", "c", "d", "e"]
        assert not any("upgrade" in headers for _, headers, _ in replies)


def test_who_takes_an_ignored_offer_for_accepted_is_told_that_it_is_no_http(
    api: ApiProcess,
) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for follows in (preface, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"):
        with api.connect() as connection:
            connection.sendall(request("echo", b'{"text": "a"}', *UPGRADES["h2c"]) + follows)
            assert text_of(read_reply(connection)) == "a"
            rest = read_to_end(connection)  # sent in one piece, it may end the connection alone
            assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
            assert b"HTTP/1.1 200" not in rest
    assert api.client.get("/health_check").status_code == 200


def test_a_tunnel_is_refused_and_nothing_in_it_is_read(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(
            b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com\r\n\r\n"
            + request("echo", b'{"text": "smuggled"}')
        )
        status, headers, _ = read_reply(connection)
        assert (status, headers["connection"]) == (400, "close")
        assert read_to_end(connection) == b""


def test_a_client_that_asks_first_is_told_to_go_on(api: ApiProcess) -> None:
    with api.connect() as connection:
        head, _, body = request("echo", b'{"text": "x"}', "expect: 100-continue").partition(
            b"\r\n\r\n"
        )
        connection.sendall(head + b"\r\n\r\n")
        assert read_reply(connection)[0] == 100
        connection.sendall(body)
        assert text_of(read_reply(connection)) == "x"


def test_http_1_0_and_connection_close(api: ApiProcess) -> None:
    for one in (
        ECHO.replace(b"HTTP/1.1", b"HTTP/1.0"),
        request("echo", b'{"text": "x"}', "connection: close"),
    ):
        with api.connect() as connection:
            connection.sendall(one)
            status, headers, _ = read_reply(connection)
            assert (status, headers["connection"]) == (200, "close")
            assert read_to_end(connection) == b""


def test_a_connection_serves_on_after_every_kind_of_failure(api: ApiProcess) -> None:
    with api.connect() as connection:
        for one, expected in (
            (request("echo", b"{"), 422),
            (request("nothing"), 404),
            (request("echo", verb="GET", body=b""), 405),
            (request("fail_with_a_bug"), 500),
            (request("echo", b"\xff"), 400),
            (request("nothing", b"x" * 90_000), 404),
            (ECHO, 200),
        ):
            connection.sendall(one)
            status, headers, _ = read_reply(connection)
            assert status == expected
            assert "connection" not in headers


def test_head_has_no_body(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(
            b"HEAD /echo HTTP/1.1\r\nhost: t\r\n\r\nHEAD /live HTTP/1.1\r\n\r\n" + ECHO
        )
        received = b""
        while not received.endswith(b'["x",0,false,"None"]'):
            received += connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 405 ")
        assert received.count(b"Method Not Allowed\r\n") == 1
        assert received.count(b"HTTP/1.1 ") == 3
