"""Odd heads and heavy bodies come in beside normal load: they cost nobody else an answer."""

from __future__ import annotations

import random
import socket
from contextlib import suppress

from chaos.fault import Fault, Scene

JSON_HEAD = "POST /{method} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n"


class Hostile(Fault):
    name = "hostile heads and bodies"
    weight = 5
    short = True

    def inject(self, scene: Scene) -> int:
        stage = scene.stage
        before = stage.api_pids()
        count = scene.random.randrange(5, 30)
        for _ in range(count):
            what, sent = odd_request(scene.random)
            status, head = exchange(stage.daemon.port, sent)
            words = unexpected(status, head)
            if words and (status or what in BODIES):
                scene.history.broken(f"{what}: {words}")
        after = stage.api_pids()
        if after != before:
            scene.history.broken(f"processes were replaced: {before} became {after}")
        return count


def exchange(port: int, sent: bytes) -> tuple[int, bytes]:
    """Send bytes on a connection of their own; return the reply's status and head."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as client:
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(sent)
        return answer(client)


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Return the next reply's status and head, 0 when the connection ends without."""
    head = b""
    with suppress(ConnectionResetError):
        while b"\r\n\r\n" not in head and (data := client.recv(4096)):
            head += data
    if not head.startswith(b"HTTP/1.1 "):
        return 0, head
    return int(head[9:12]), head.partition(b"\r\n\r\n")[0]


def unexpected(status: int, head: bytes) -> str:
    """Return what is wrong with the answer to a body within the limits; empty if nothing is."""
    if status == 0:
        return "the connection ended without a reply"
    if status == 503 and b"retry-after:" not in head.lower():
        return "503 without Retry-After"
    return f"answered with {status}" if status >= 500 and status != 503 else ""


def odd_request(one: random.Random) -> tuple[str, bytes]:
    """Return the name and the bytes of an odd request."""
    if one.random() < 0.5:
        name = one.choice(list(HEADS))
        return name, HEADS[name]
    name = one.choice(list(BODIES))
    times = one.randrange(1, one.choice((1_000, 30_000, 400_000)))
    return name, heavy_request(one.choice(PLACES), BODIES[name], times)


def heavy_request(place: tuple[str, str, str], shape: tuple[str, str, str], times: int) -> bytes:
    """Return a request with a value of a shape, its middle repeated, in a place of a body."""
    method, before, after = place
    body = f"{before}{shape[0]}{shape[1] * times}{shape[2]}{after}".encode()
    head = JSON_HEAD.format(method=method) + f"content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


# What stands before, is repeated, and ends it.
BODIES = {
    "a long list of empty objects": ("[{}", ",{}", "]"),
    "a long list of empty lists, with U+0000": ('["\\u0000"', ",[]", "]"),
    "many members": ('{"a":1', ',"b":2', "}"),
    "lone surrogates": ('["\\ud800"', ',"\\ud800"', "]"),
    "a long text": ('"', "x", '"'),
    "escapes": ('"', "\\n", '"'),
    "a long number": ("1", "0", ""),
    "depth": ('{"a":', '{"a":', "1"),
    "numbers": ("[1", ",1e400", "]"),
}
PLACES = (
    ("set_execution_kv_data",
     '{"user_id": "hostile", "node_exec_id": "h", "key": "k", "data": ', "}"),
    ("set_execution_kv_data", "", ""),
    ("get_execution_kv_data", '{"user_id": "hostile", "key": ', "}"),
    ("upsert_execution_output",
     '{"node_exec_id": "h", "output_name": "h", "output_data": ', "}"),
    ("create_graph_execution",
     '{"graph_id": "h", "graph_version": 1, "inputs": {}, "user_id": "h", "starting_nodes_input": ',
     "}"),
    ("spend_credits", '{"user_id": "hostile", "cost": 1, "metadata": {"input": ', "}}"),
    ("update_user_integrations", '{"user_id": "hostile", "data": {"credentials": ', "}}"),
)  # fmt: skip
_PLAIN = "GET /live HTTP/1.1\r\nhost: t\r\n"
HEADS = {
    name: head.encode("latin-1")
    for name, head in {
        "no HTTP": "\x16\x03\x01\x02\x00\x01\x00" + "\x00" * 200,
        "a line without end": "G" * 70_000,
        "a path without end": f"GET /{'a' * 70_000} HTTP/1.1\r\n\r\n",
        "terminal escapes": "GET /%1b[31m%1b]0;x%07 HTTP/1.1\r\nhost: t\r\n\r\n",
        "a thousand headers": _PLAIN + "x-a: b\r\n" * 1_000 + "\r\n",
        "a header without end": f"{_PLAIN}x-a: {'b' * 200_000}\r\n\r\n",
        "two lengths": "POST /get_credits HTTP/1.1\r\ncontent-length: 2\r\n"
        "content-length: 3\r\n\r\n{}",
        "a negative length": "POST /get_credits HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "a length beyond all limits": "POST /get_credits HTTP/1.1\r\n"
        "content-length: 99999999999999\r\n\r\n",
        "length and chunks": "POST /get_credits HTTP/1.1\r\ncontent-length: 5\r\n"
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "a bad chunk": "POST /get_credits HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        "trailers": "POST /get_credits HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"
        "2\r\n{}\r\n0\r\n" + "x-trailer: y\r\n" * 2_000 + "\r\n",
        "an unknown version": "GET /live HTTP/9.9\r\n\r\n",
        "an upgrade": _PLAIN + "connection: upgrade\r\nupgrade: h2c\r\n\r\n",
        "many requests in one packet": (_PLAIN + "\r\n") * 70,
        "a smuggled line": _PLAIN + "x-a: b\r\n c\r\n\r\n",
        "a bad content type": "POST /get_credits HTTP/1.1\r\ncontent-type: \xff\xfe\r\n"
        "content-length: 2\r\n\r\n{}",
    }.items()
}
