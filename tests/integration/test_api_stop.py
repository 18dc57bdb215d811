"""A stop fails nobody; sockets are inherited or opened, and taken ones are named."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

import plain_http
from api_process import (
    ApiProcess,
    in_background,
    read_reply,
    read_to_end,
    request,
    running,
    written,
)
from autogpt_db.errors import EXIT_CONFIGURATION, EXIT_RESOURCE_TAKEN
from redis_server import RedisServer
from waiting import PATIENCE, wait_for

ECHO = request("echo", b'{"text": "x"}')
FAMILIES = """
import json
from autogpt_db.api.listeners import listening_sockets
from autogpt_db.settings.api import ApiSettings

found = listening_sockets(ApiSettings())
print(json.dumps([(each.family.name, each.getsockname()[1]) for each in found]))
"""


def test_a_running_request_completes_and_the_code_is_0(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        replies = in_background(
            lambda: api.client.post("/sleep_writing", json={"key": "run", "seconds": 3})
        )
        wait_for(lambda: running(database_url, "pg_sleep"), what="the write")
        api.signal(signal.SIGTERM)
        wait_for(lambda: api.events("draining"), what="the drain")
        with pytest.raises(ConnectionRefusedError):
            api.connect()
        assert not replies
        assert api.exit_code() == 0
        (reply,) = wait_for(lambda: replies)
        assert (reply.status_code, reply.json()) == (200, "run")
        assert reply.headers["connection"] == "close"


def test_it_is_not_ready_while_it_drains(database_url: str) -> None:
    ready = request("ready", b"", verb="GET")
    with ApiProcess(database_url) as api, api.connect() as kept, api.connect() as busy:
        kept.sendall(ready)
        status, _, body = read_reply(kept)
        assert (status, json.loads(body)) == (200, {"status": "ready"})
        busy.sendall(request("sleep_reading", b'{"seconds": 3}'))
        wait_for(lambda: running(database_url, "pg_sleep"), what="the read")
        api.signal()
        wait_for(lambda: api.events("draining"), what="the drain")
        kept.sendall(ready)
        status, headers, body = read_reply(kept)
        assert (status, headers["connection"]) == (503, "close")
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["reasons"] == ["The process is stopping."]
        assert read_reply(busy)[0] == 200
        assert api.exit_code() == 0


def test_requests_on_their_way_are_answered(database_url: str) -> None:
    with ApiProcess(database_url) as api, api.connect() as kept, api.connect() as fresh:
        kept.sendall(ECHO)
        assert read_reply(kept)[0] == 200
        fresh.sendall(ECHO[:10])
        api.signal(signal.SIGINT)
        wait_for(lambda: api.events("draining"), what="the drain")
        kept.sendall(ECHO)
        fresh.sendall(ECHO[10:])
        for connection in (kept, fresh):
            status, headers, _ = read_reply(connection)
            assert (status, headers["connection"]) == (200, "close")
            assert read_to_end(connection) == b""
        assert api.exit_code() == 0


def test_a_write_whose_client_left_is_done_before_the_end(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("sleep_writing", b'{"key": "left", "seconds": 1}'))
            wait_for(lambda: running(database_url, "pg_sleep"), what="the write")
        wait_for(lambda: [one for one in api.events("request") if one["status"] == 499])
        api.signal()
        assert api.exit_code() == 0
        assert written(database_url, "left")
        assert [one["outcome"] for one in api.events("late_end")] == ["done"]


def test_a_client_that_sends_on_reads_its_reply_all_the_same(database_url: str) -> None:
    """What is left unread when a connection is closed makes the kernel reset it."""
    with ApiProcess(database_url) as api, api.connect() as connection:
        connection.sendall(request("sleep_writing", b'{"key": "more", "seconds": 1}'))
        wait_for(lambda: running(database_url, "pg_sleep"), what="the write")
        connection.setblocking(False)
        more = request("echo", b'{"text": "%b"}' % (b"x" * 15_000_000))
        with pytest.raises(BlockingIOError):
            while more:  # until nobody takes any more
                more = more[connection.send(more) :]
        connection.settimeout(PATIENCE)
        api.signal()
        status, headers, body = read_reply(connection)
        assert (status, headers["connection"], body) == (200, "close", b'"more"')
        assert read_to_end(connection) == b""
        connection.close()
        assert api.exit_code() == 0


def test_idle_connections_do_not_hold_up_the_stop(database_url: str) -> None:
    with ApiProcess(database_url) as api, api.connect() as idle, api.connect() as silent:
        idle.sendall(ECHO)
        read_reply(idle)
        api.signal()
        assert read_to_end(idle) == b""
        assert read_to_end(silent) == b""
        assert api.exit_code() == 0


def test_no_connections_no_waiting(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        started = time.monotonic()
        api.signal()
        assert api.exit_code() == 0
        print(f"\nstopped {time.monotonic() - started:.3f} s after the signal")


def test_the_drain_is_bounded_and_everybody_is_told(database_url: str) -> None:
    with ApiProcess(database_url, "api.drain_timeout=0.5") as api:
        with plain_http.client(base_url=api.base, timeout=20) as other:
            reads = in_background(lambda: api.client.post("/sleep_reading", json={"seconds": 30}))
            writes = in_background(
                lambda: other.post("/sleep_writing", json={"key": "cut", "seconds": 30})
            )
            wait_for(lambda: len(running(database_url, "pg_sleep")) == 2, what="both")
            api.signal()
            assert api.exit_code() == 0
            wait_for(lambda: reads and writes, what="the replies")
        for (reply,), words in ((reads, "before"), (writes, "may or may not")):
            assert reply.status_code == 503
            assert reply.json()["type"] == "ConnectionError"
            assert words in reply.json()["args"][0]
            assert reply.headers["retry-after"]
        wait_for(lambda: not running(database_url, "pg_sleep"), what="the cancels")
        assert not written(database_url, "cut")
        assert not api.events("internal_error")
        assert "Traceback" not in api.log()


def test_a_second_signal_hastens(database_url: str) -> None:
    with ApiProcess(database_url) as api:
        replies = in_background(lambda: api.client.post("/sleep_reading", json={"seconds": 30}))
        wait_for(lambda: running(database_url, "pg_sleep"), what="the read")
        api.signal(signal.SIGTERM)
        wait_for(lambda: api.events("draining"), what="the drain")
        api.signal(signal.SIGTERM)
        assert api.exit_code() == 0
        assert wait_for(lambda: replies)[0].status_code == 503


def test_a_stop_before_the_database_answers(database_url: str) -> None:
    unreachable = database_url.replace("host=/", "host=/nonexistent/")
    api = ApiProcess(unreachable)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "_listening", lambda: {"address": "http://127.0.0.1:1"})
        with api:
            for _ in range(3):
                api.signal()
            assert api.exit_code() in {0, -signal.SIGTERM}, "before Python runs, the kernel decides"


def test_restarts_under_load_fail_nobody(database_url: str) -> None:
    """Two processes on one socket, each restarted in turn under 32 keep-alive clients."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        port = listener.getsockname()[1]
        outcomes: list[str] = []
        stop = threading.Event()

        def client() -> None:
            connection: socket.socket | None = None
            while not stop.wait(0.05):  # some 500 calls a second by all of them: load enough
                try:
                    if connection is None:
                        connection = socket.create_connection(("127.0.0.1", port), timeout=15)
                    connection.sendall(request("sleep_reading", b'{"seconds": 0.001}'))
                    status, headers, _ = read_reply(connection)
                    outcomes.append(str(status))
                    if headers.get("connection") == "close" or not status:
                        connection.close()
                        connection = None
                except OSError as error:
                    outcomes.append(repr(error))
                    connection = None
            if connection is not None:
                connection.close()

        settings = ("logging.requests=none",)
        processes = [ApiProcess(database_url, *settings, stdin=listener) for _ in range(2)]
        for process in processes:
            process.start()
        clients = [threading.Thread(target=client) for _ in range(32)]
        for thread in clients:
            thread.start()
        try:
            for turn in range(4):
                before = len(outcomes)
                wait_for(lambda before=before: len(outcomes) > before + 200, what="progress")
                processes[turn % 2].signal()
                assert processes[turn % 2].exit_code() == 0
                processes[turn % 2].stop()
                processes[turn % 2] = ApiProcess(database_url, *settings, stdin=listener)
                processes[turn % 2].start()
        finally:
            stop.set()
            for thread in clients:
                thread.join()
            for process in processes:
                process.stop()
    counts = {outcome: outcomes.count(outcome) for outcome in set(outcomes)}
    print(f"\n4 restarts under 32 clients: {counts}")
    assert set(counts) == {"200"}


def test_an_inherited_socket_is_taken_for_what_it_is() -> None:
    """What is taken for a unix socket gets no TCP_NODELAY: 40 ms for each kept connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = subprocess.run(
            [sys.executable, "-c", FAMILIES],
            stdin=listener.fileno(), capture_output=True, text=True, check=False,
        )  # fmt: skip
        expected = [["AF_INET", listener.getsockname()[1]]]
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == expected


def test_a_taken_port_is_named(database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        api = ApiProcess(database_url, f"api.port={port}")
        with pytest.raises(AssertionError, match=f"127.0.0.1:{port} is taken"):
            api.start()
        assert api.exit_code() == EXIT_RESOURCE_TAKEN
        api.stop()


def test_an_address_of_another_machine_is_a_configuration_error(database_url: str) -> None:
    api = ApiProcess(database_url, "api.host=192.0.2.1", "api.trusted_network=true")
    with pytest.raises(AssertionError, match=r"cannot listen at 192\.0\.2\.1"):
        api.start()
    assert api.exit_code() == EXIT_CONFIGURATION
    api.stop()


def test_localhost_is_every_address_it_means(database_url: str) -> None:
    with ApiProcess(database_url, "api.host=localhost") as api, api.connect() as connection:
        connection.sendall(ECHO)
        assert read_reply(connection)[0] == 200


def test_a_unix_socket_and_one_that_nobody_listens_on_any_more(
    database_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "api.sock"
    for _ in range(2):  # the first is killed and leaves its socket
        with (
            ApiProcess(database_url, f"api.host={path}") as api,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            assert api.address == f"unix:{path}"
            connection.connect(str(path))
            connection.sendall(ECHO)
            assert read_reply(connection)[0] == 200
        assert path.is_socket()


def test_its_sessions_end_with_it(database_url: str) -> None:
    with (
        ApiProcess(database_url) as api,
        psycopg.connect(database_url, autocommit=True) as observer,
    ):
        sessions = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'autogpt-db api'"
        )
        assert observer.execute(sessions).fetchone() == (4,)
        api.signal()
        assert api.exit_code() == 0
        wait_for(lambda: observer.execute(sessions).fetchone() == (0,), what="their end")


def test_an_event_under_way_is_delivered_before_the_end(seeded_database_url: str) -> None:
    with RedisServer() as redis:
        redis.gate.clear()
        options = ("redis.host=127.0.0.1", f"redis.port={redis.port}")
        with ApiProcess(seeded_database_url, *options) as api:
            api.call("increment_onboarding_runs", user_id="alice")
            wait_for(lambda: redis.waiting, what="the event at Redis")
            api.signal()
            wait_for(lambda: api.events("drained"), what="the end of the drain")
            assert api.process is not None
            assert api.process.poll() is None
            assert redis.published == []
            redis.gate.set()
            assert api.exit_code() == 0
            assert [channel for channel, _ in redis.published] == ["notification_event/alice"]
            assert api.events("background_given_up") == []


@pytest.mark.parametrize("signals", [1, 2])
def test_an_event_that_nobody_takes_holds_up_no_end(seeded_database_url: str, signals: int) -> None:
    with RedisServer() as redis:
        redis.gate.clear()
        options = ("redis.host=127.0.0.1", f"redis.port={redis.port}")
        patience = "api.drain_timeout=1" if signals == 1 else "api.drain_timeout=600"
        with ApiProcess(seeded_database_url, *options, patience) as api:
            api.call("increment_onboarding_runs", user_id="alice")
            wait_for(lambda: redis.waiting, what="the event at Redis")
            for _ in range(signals):
                api.signal()
                wait_for(lambda: api.events("drained"), what="the end of the drain")
            assert api.exit_code(seconds=PATIENCE) == 0
            (given_up,) = api.events("background_given_up")
            assert given_up["work"] == ["event-notification"]
            assert redis.published == []
