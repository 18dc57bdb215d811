"""A process of many clients that read, write and send halves of requests until it is killed.

Usage: crowd.py PORT COUNT SEED; it says a line when all are connected.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import sys

READ = ("get_execution_kv_data", {"user_id": "chaos", "key": "of-the-crowd"})
LONG_READ = ("get_graph_executions", {"user_id": "user-0"})
HEALTH: tuple[str, object] = ("health_check", {})
WRITE = ("set_execution_kv_data",
         {"user_id": "crowd", "node_exec_id": "c", "key": "k", "data": "x" * 2000})  # fmt: skip


def request(method: str, arguments: object) -> bytes:
    body = json.dumps(arguments).encode()
    head = (
        f"POST /{method} HTTP/1.1\r\nhost: t\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def part(one: random.Random) -> bytes:
    """Return a request, whole or cut anywhere."""
    whole = request(*one.choice((READ, READ, LONG_READ, HEALTH, WRITE)))
    return whole if one.random() < 0.7 else whole[: one.randrange(len(whole))]


def main(port: int, count: int, seed: int) -> None:
    one = random.Random(seed)
    selector = selectors.DefaultSelector()
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.setblocking(False)
        selector.register(client, selectors.EVENT_READ, client)
        client.send(part(one))
    print("connected", flush=True)
    while True:
        for key, _ in selector.select():
            client = key.data
            try:
                if not client.recv(65536):
                    raise ConnectionError
                client.send(part(one))
            except OSError:
                selector.unregister(client)
                client.close()
                if not selector.get_map():
                    return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
