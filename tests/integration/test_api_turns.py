"""One request at a time: what else a client sends meanwhile waits, and is bounded."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from api_process import ApiProcess, read_reply, read_to_end, request, running, written
from waiting import PATIENCE, wait_for


@pytest.fixture(scope="module")
def api(database_url_for_module: str) -> Iterator[ApiProcess]:
    with ApiProcess(database_url_for_module, "api.keep_alive=1.5", "api.body_limit=200000") as api:
        yield api


def test_what_a_client_sends_while_it_waits_is_bounded(api: ApiProcess) -> None:
    with api.connect() as connection:
        connection.sendall(request("sleep_reading", b'{"seconds": 1}'))
        more = request("echo", b'{"text": "%b"}' % (b"x" * 60_000))
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


def test_what_was_sent_behind_a_call_is_not_begun_for_a_client_that_has_left(
    api: ApiProcess, database_url_for_module: str
) -> None:
    with api.connect() as connection:
        behind = request("sleep_writing", b'{"key": "behind"}')
        connection.sendall(request("sleep_writing", b'{"key": "first", "seconds": 1}') + behind)
        wait_for(lambda: running(database_url_for_module, "pg_sleep"), what="the call")
        filling = request("echo", b'{"text": "%b"}' % (b"x" * 60_000))
        connection.sendall(filling * 2)  # more than is taken: what comes now is not read
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: written(database_url_for_module, "first"), what="the call's end")
    lines = wait_for(
        lambda: [one for one in api.events("request") if one["method"] == "sleep_writing"]
    )
    assert len(lines) == 1
    assert not written(database_url_for_module, "behind")


@pytest.mark.parametrize("path", ["nothing", "echo/"])
def test_the_rest_of_an_answered_request_does_not_keep_its_connection(
    api: ApiProcess, path: str
) -> None:
    with api.connect() as connection:
        message = request(path, b'{"text": "x"}')
        connection.sendall(message[:-5])
        assert read_reply(connection)[0] in {307, 404}
        connection.sendall(message[-5:])
        # It is one that nobody uses, and closed like all of them.
        assert read_to_end(connection) == b""


def test_who_reads_nothing_has_nothing_more_done(
    api: ApiProcess, database_url_for_module: str
) -> None:
    """A reply that nobody reads is kept whole, so there must not be two of them."""
    with api.connect() as connection:
        connection.sendall(request("repeat_text", b'{"times": 30000000}'))
        wait_for(
            lambda: [one for one in api.events("request") if one["method"] == "repeat_text"],
            what="the reply",
        )
        connection.sendall(request("sleep_writing", b'{"key": "unread"}'))
        for _ in range(50):  # others go by
            api.call("tell_time")
        assert not written(database_url_for_module, "unread")
        assert len(read_reply(connection)[2]) == 30_000_002
        assert read_reply(connection)[2] == b'"unread"'
