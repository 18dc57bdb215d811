"""A server that speaks as much of Redis's protocol as events need, and remembers what it was told.

No Redis can be taken for granted where the tests run; the client library is the real one.
"""

from __future__ import annotations

import fnmatch
import socketserver
import threading
from contextlib import suppress
from typing import Self


class RedisServer:
    """The server.

    Attributes:
        port: Its port on the loopback address.
        published: Channels and messages, in order.
        keys: The keys it holds.
        values: What stands under some of them.
        password: What AUTH must say; None for nothing.
        dropping: Connections that are closed at their first command.
        gate: What is published, or asked for, waits while it is clear.
        waiting: Whether something does.
    """

    def __init__(self, password: str | None = None) -> None:
        self.published: list[tuple[str, str]] = []
        self.keys: set[str] = set()
        self.values: dict[str, str] = {}
        self.password = password
        self.dropping = 0
        self.gate = threading.Event()
        self.gate.set()
        self.waiting = False
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(ConnectionError):  # whoever asks may be killed meanwhile
                    self.serve()

            def serve(self) -> None:
                self.known = outer.password is None
                while (command := self.command()) is not None:
                    if outer.dropping:
                        outer.dropping -= 1
                        return
                    self.wfile.write(self.reply(command))

            def command(self) -> list[str] | None:
                head = self.rfile.readline()
                if not head:
                    return None
                parts = []
                for _ in range(int(head[1:])):
                    length = int(self.rfile.readline()[1:])
                    parts.append(self.rfile.read(length).decode())
                    self.rfile.read(2)
                return parts

            def reply(self, command: list[str]) -> bytes:
                name, *arguments = command
                name = name.upper()
                if name == "AUTH":
                    self.known = arguments[-1] == outer.password
                    return b"+OK\r\n" if self.known else b"-WRONGPASS wrong\r\n"
                if not self.known:
                    return b"-NOAUTH Authentication required.\r\n"
                return self.answer(name, arguments)

            def answer(self, name: str, arguments: list[str]) -> bytes:
                match name:
                    case "PUBLISH":
                        outer.waiting = True
                        outer.gate.wait(30)
                        outer.published.append((arguments[0], arguments[1]))
                        return b":1\r\n"
                    case "SCAN":
                        pattern = arguments[arguments.index("MATCH") + 1].replace("\\", "")
                        found = fnmatch.filter(outer.keys, pattern)
                        keys = b"".join(f"${len(key)}\r\n{key}\r\n".encode() for key in found)
                        return b"*2\r\n$1\r\n0\r\n*%d\r\n%s" % (len(found), keys)
                    case "GET":
                        outer.waiting = True
                        outer.gate.wait(30)
                        value = outer.values.get(arguments[0])
                        return f"${len(value)}\r\n{value}\r\n".encode() if value else b"$-1\r\n"
                    case "DEL":
                        outer.keys -= set(arguments)
                        return b":1\r\n"
                return b"+OK\r\n"

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
