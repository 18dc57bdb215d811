"""A host before a test's PostgreSQL that takes connections, and may say nothing."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress
from typing import Self


class FickleHost:
    """Relays TCP connections while it speaks; silent, it takes all that comes, and says nothing.

    Args:
        target: Port on this host to lead to; None: it never says anything.
        delay: Seconds that each new connection waits until it is relayed.

    Attributes:
        silent: Whether it says nothing; may be changed at any time.
        port: Where it listens.
        clients: How many connections it has taken.
    """

    def __init__(self, target: int | None = None, *, delay: float = 0.0) -> None:
        self.silent = target is None
        self.clients = 0
        self._target = target
        self._delay = delay
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._target = None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.clients += 1
                threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        if self._delay:
            time.sleep(self._delay)  # a host that is slow
        with client, socket.socket() as server, selectors.DefaultSelector() as selector:
            if self._target is not None:
                server.connect(("127.0.0.1", self._target))
                selector.register(server, selectors.EVENT_READ, client)
            selector.register(client, selectors.EVENT_READ, server)
            with suppress(OSError):
                while True:
                    for key, _ in selector.select():
                        data = key.fileobj.recv(65536)  # type: ignore[union-attr] # a socket
                        if not data:
                            return
                        if not self.silent:
                            key.data.sendall(data)
