"""Accepting connections, as long as there are file descriptors for them.

libuv, whose accepting this replaces, takes connections for which it has no descriptor and closes
them at once, without a word: a client sees a reset, and the service's log nothing. Here accepting
stops before that: clients wait in the listening socket's queue, or other processes take them.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from typing import TYPE_CHECKING

from autogpt_db.logs.events import api as log
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autogpt_db.metrics import Store

AT_ONCE = 32
"""Connections that are accepted in one turn of the event loop."""
LOOK = 0.1
"""Seconds between two looks whether there is room again."""
TRY_AGAIN = 10
"""Looks after which it is tried in any case: what took the descriptors was no connection."""
TELL_AGAIN = 60.0
"""Seconds in which the log tells no more of it, however often it happens."""
RELUCTANCE = 0.05
"""Seconds by which others go first where this process could not serve who it accepts."""
LEAST = 8
"""Connections that are accepted whatever the limit."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Accepts the connections of one process.

    Args:
        listeners: The listening sockets; they stay the caller's.
        protocol: Makes a connection's protocol.
        connections: Returns how many connections there are.
        most_files: Descriptors that the process may have; the last ones are left for what it needs
            itself.
        own_files: How many those are.
        store: Where it is counted that accepting stopped.
        reluctant: Tells whether a process beside this one would serve clients better.
    """

    def __init__(
        self,
        listeners: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
        connections: Callable[[], int],
        *,
        most_files: int,
        own_files: int,
        store: Store,
        reluctant: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reluctant = reluctant
        self._listeners = listeners
        self._protocol = protocol
        self._connections = connections
        # The kernel gives the lowest number that is free: one beyond says that all below are taken.
        self._last_file = most_files - own_files
        self._store = store
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._looking: asyncio.TimerHandle | None = None
        self._told = float("-inf")
        self._told_of = False
        store.add(families.ACCEPT_PAUSES, 0)

    def start(self) -> None:
        """Accept from now on."""
        for listener in self._listeners:
            listener.setblocking(False)
            self._loop.add_reader(listener.fileno(), self._arrived, listener)

    def close(self) -> None:
        """Accept no more; must come before the listeners are closed."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        self._stop()

    def _stop(self) -> None:
        for listener in self._listeners:
            self._loop.remove_reader(listener.fileno())

    def _arrived(self, listener: socket.socket) -> None:
        """Accept who is there, at once or, if need be, after the others could."""
        if not self._reluctant():
            self._accept(listener)
            return
        self._stop()
        self._looking = self._loop.call_later(RELUCTANCE, self._accept_the_rest)

    def _accept_the_rest(self) -> None:
        self._looking = None
        self.start()
        for listener in self._listeners:
            self._accept(listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, _ = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return  # another process took it, or it is gone
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    raise
                self._pause(str(error.strerror))
                return
            accepted.setblocking(False)
            if accepted.family != socket.AF_UNIX:
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            task = self._loop.create_task(
                self._loop.connect_accepted_socket(self._protocol, accepted)
            )
            self._tasks.add(task)
            task.add_done_callback(self._connected)
            if accepted.fileno() >= self._last_file and self._connections() >= LEAST:
                self._pause("those that are left are needed for its own work")
                return

    def _connected(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # a client that left meanwhile is nobody's concern

    def _pause(self, reason: str) -> None:
        self._stop()
        self._store.add(families.ACCEPT_PAUSES, 1)
        now = time.monotonic()
        self._told_of = now - self._told > TELL_AGAIN
        if self._told_of:
            self._told = now
            log.accepting_paused(connections=self._connections(), reason=reason)
        self._look_later(self._connections(), TRY_AGAIN)

    def _look_later(self, before: int, left: int) -> None:
        self._looking = self._loop.call_later(LOOK, self._look, before, left)

    def _look(self, before: int, left: int) -> None:
        self._looking = None
        if self._connections() >= before and left > 0:
            self._look_later(max(before, self._connections()), left - 1)
            return
        if self._told_of:
            log.accepting_resumed(connections=self._connections())
        self.start()
