"""The benchmark's clients: what they send, and that they notice every wrong reply."""

from __future__ import annotations

import json
import shutil
import threading
from collections import Counter
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
from bench.load import CAPTURED, Generator, Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from io import BufferedIOBase
    from pathlib import Path

    from bench.load import Outcome, Session

IDS = [f"{number:08d}-0000-4000-8000-000000000000" for number in range(1, 65)]

FAULTY = 400


class Server(ThreadingTCPServer):
    """Answers each request with what `reply` makes of its body, in as odd a form as is allowed.

    Leaving it waits for every connection's thread: the clients have ended by then.

    Attributes:
        bodies: What came in.
    """

    def __init__(self, reply: Callable[[dict[str, Any]], bytes | None]) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self.reply = reply
        self.bodies: list[dict[str, Any]] = []
        self.one_at_a_time = threading.Lock()
        self.port = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.shutdown()
        self._thread.join(10)
        self.server_close()


class Connection(StreamRequestHandler):
    """One client's."""

    server: Server
    disable_nagle_algorithm = True  # replies are sent in parts

    def handle(self) -> None:
        """Answer one request after the other until the client leaves."""
        while (parts := self._answer(self.rfile)) is not None:
            for part in parts:
                try:
                    self.wfile.write(part)
                except ConnectionError:
                    return

    def _answer(self, stream: BufferedIOBase) -> list[bytes] | None:
        head: dict[str, str] = {}
        while (line := stream.readline().strip()) or not head:
            if not line:
                return None  # the client has left
            name, _, value = line.decode().partition(": ")
            head[name] = value
        body = json.loads(stream.read(int(head["content-length"])))
        with self.server.one_at_a_time:
            self.server.bodies.append(body)
            reply = self.server.reply(body)
            return None if reply is None else _in_parts(reply, len(self.server.bodies))


def _in_parts(body: bytes, number: int) -> list[bytes]:
    if number % 2:
        middle = len(body) // 2
        chunks = (b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:middle], body[middle:]))
        return [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]


def _document(name: str) -> bytes:
    return json.dumps({"node_exec_id": name, "padding": "x" * 5000}, separators=(",", ":")).encode()


@pytest.fixture(scope="module")
def generator(tmp_path_factory: pytest.TempPathFactory) -> Generator:
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    directory: Path = tmp_path_factory.mktemp("generator")
    return Generator(directory)


def _read(name: str) -> Session:
    return (Request("get_node_execution", {"node_exec_id": name}, f'"node_exec_id":"{name}"'),)


def _run(generator: Generator, server: Server, sessions: list[Session], **more: Any) -> Outcome:
    return generator.run(
        sessions, port=server.port, clients=4, **{"seconds": 0.2, "warm_up": 0.0, **more}
    )


def test_what_is_answered_is_acknowledged(generator: Generator) -> None:
    with Server(lambda body: _document(body["node_exec_id"])) as server:
        outcome = _run(generator, server, [_read(name) for name in IDS])
    assert outcome.errors == 0
    asked = Counter(body["node_exec_id"] for body in server.bodies)
    assert {IDS[session]: count for (session, _), count in outcome.acknowledged.items()} == asked
    assert outcome.answers == len(server.bodies)


def test_a_reply_to_somebody_else_is_an_error(generator: Generator) -> None:
    served = 0

    def reply(body: dict[str, Any]) -> bytes:
        nonlocal served
        served += 1
        wrong = served % 4 == 0 and served <= FAULTY  # more than a thousand errors end the clients
        return _document(IDS[0] if wrong else body["node_exec_id"])

    with Server(reply) as server:
        outcome = _run(generator, server, [_read(name) for name in IDS[1:]])
    assert outcome.errors == min(len(server.bodies), FAULTY) // 4 > 0
    assert outcome.answers == len(server.bodies) - outcome.errors
    assert IDS[0] in outcome.first_error


def test_a_connection_that_breaks_is_an_error_and_opened_anew(generator: Generator) -> None:
    served = 0

    def reply(body: dict[str, Any]) -> bytes | None:
        nonlocal served
        served += 1
        return None if served % 4 == 0 and served <= FAULTY else _document(body["node_exec_id"])

    with Server(reply) as server:
        outcome = _run(generator, server, [_read(name) for name in IDS])
    assert outcome.errors == min(len(server.bodies), FAULTY) // 4 > 0
    assert outcome.answers == len(server.bodies) - outcome.errors


@pytest.mark.parametrize("rate", [0.0, 300.0])
def test_a_session_names_what_it_was_given_and_is_finished(
    generator: Generator, rate: float
) -> None:
    given = iter(range(10**6))

    def reply(body: dict[str, Any]) -> bytes:
        if "input_name" in body:
            return _document(f"{next(given):08d}-1111-4000-8000-000000000000")
        return _document(body["node_exec_id"])

    named = {"node_exec_id": CAPTURED}
    own = f'"node_exec_id":"{CAPTURED}"'
    session = (
        Request("upsert_execution_input", {"input_name": "a"}, "", captures=True),
        Request("get_node_execution", named, own),
        Request("get_node_execution", named, own),
    )
    with Server(reply) as server:
        outcome = _run(generator, server, [session] * 8, rate=rate)
    assert outcome.errors == 0
    assert outcome.sessions
    assert {answered for _, _, answered in outcome.sessions} == {3}
    assert len({name for _, name, _ in outcome.sessions}) == len(outcome.sessions) == next(given)
    assert len(server.bodies) == 3 * len(outcome.sessions)
