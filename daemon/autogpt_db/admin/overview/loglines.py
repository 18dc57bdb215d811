"""The last lines of the log, as all processes copy them here while somebody watches."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.logs.copies import LARGEST, SOCKET_NAME

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEPT = 300
"""Lines that a watcher is sent at most at once; who is slow misses the older ones."""
PAUSE = 0.3
"""Seconds between two batches."""
_AT_ONCE = 200


class LogLines:
    """What has come in of late.

    Args:
        runtime: The runtime directory.
    """

    def __init__(self, runtime: Path) -> None:
        self._path = runtime / SOCKET_NAME
        self._lines: deque[str] = deque(maxlen=KEPT)
        self._count = 0
        self._socket: socket.socket | None = None

    def open(self) -> None:
        """Begin to listen; the processes find it within a second."""
        if self._socket is not None:
            return
        with suppress(FileNotFoundError):
            self._path.unlink()
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        listening.setblocking(False)
        before = os.umask(0o077)
        try:
            listening.bind(str(self._path))
        finally:
            os.umask(before)
        self._socket = listening
        asyncio.get_running_loop().add_reader(listening.fileno(), self._take)

    def close(self) -> None:
        """Listen no more."""
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        with suppress(FileNotFoundError):
            self._path.unlink()

    async def batches(self) -> AsyncIterator[str]:
        """Yield JSON arrays of the lines there are, and then of those that come."""
        seen = 0
        while True:
            new = min(self._count - seen, len(self._lines))
            if new:
                seen = self._count
                yield f"[{','.join(list(self._lines)[-new:])}]"
            await asyncio.sleep(PAUSE)

    def _take(self) -> None:
        assert self._socket is not None
        for _ in range(_AT_ONCE):
            try:
                content = self._socket.recv(LARGEST + 1)
            except OSError:
                return
            # Lines of JSON from processes of ours: the socket is in a directory of our own.
            self._lines.append(content.decode("utf-8", "replace"))
            self._count += 1
