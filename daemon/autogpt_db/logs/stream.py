"""Lines on a descriptor that never make the writer wait.

A terminal that is paused, a pipe whose reader is slow or gone: the line is dropped and counted,
the program goes on. The descriptor stays in blocking mode, because it may be shared with a
shell; asking poll() first is what keeps a write from blocking.
"""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

# POLLOUT on a pipe promises that this much can be written without blocking (pipe(7), PIPE_BUF).
_CHUNK = 4096


class StreamSink:
    """Write rendered events to a descriptor.

    Attributes:
        dropped: Events lost since the last one that was written; it says so by itself.
    """

    def __init__(self, descriptor: int, render: Callable[[EventDict], bytes]) -> None:
        self._descriptor = descriptor
        self._render = render
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self.dropped = 0

    def emit(self, event: EventDict) -> None:
        """Write `event`; count it as dropped when that cannot be done at once."""
        try:
            if self.dropped:
                event["dropped_before"] = self.dropped
            line = self._render(event)
            if self._write(line):
                self.dropped = 0
            else:
                self.dropped += 1
        except Exception:  # noqa: BLE001 - a log line must never take its program down
            self.dropped += 1

    def write(self, line: bytes) -> None:
        """Write a finished line; count it as dropped when that cannot be done at once."""
        try:
            if not self._write(line):
                self.dropped += 1
        except OSError:
            self.dropped += 1

    def _write(self, line: bytes) -> bool:
        for start in range(0, len(line), _CHUNK):
            ready = self._poll.poll(0)
            if not ready or not ready[0][1] & select.POLLOUT or ready[0][1] & select.POLLERR:
                return False
            os.write(self._descriptor, line[start : start + _CHUNK])
        return True
