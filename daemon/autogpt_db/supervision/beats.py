"""Where children's heartbeats arrive: a datagram socket, each sender known by its pid."""

from __future__ import annotations

import json
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from autogpt_db.heartbeat import SOCKET_NAME
from autogpt_db.listening import remove_stale_socket
from autogpt_db.supervision import clock
from autogpt_db.supervision.kinds import ReportingProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from supervisor.process import Subprocess

_LONGEST = 4096


class Source:
    """A descriptor that Supervisor's loop watches for us; the rest of asyncore's interface."""

    def __init__(self, descriptor: int, when_readable: Callable[[], None]) -> None:
        self.fd = descriptor
        self._when_readable = when_readable

    def readable(self) -> bool:
        """Watch it for input, always."""
        return True

    def writable(self) -> bool:
        """Never write to it."""
        return False

    def handle_read_event(self) -> None:
        """Take the input."""
        self._when_readable()

    def handle_write_event(self) -> None:
        """Do nothing."""

    def handle_error(self) -> None:
        """Go on: what one datagram did wrong must not end the tree."""


class HeartbeatReceiver:
    """The socket that children report to.

    The kernel names the sender (unix(7), SO_PASSCRED), so no child can speak for another.

    Args:
        runtime: The directory that the socket is made in.
        processes: Supervisor's map from pid to process.

    Attributes:
        last_heard: When any child was last heard, by `clock.now`.
    """

    def __init__(self, runtime: Path, processes: Mapping[int, Subprocess]) -> None:
        self._path = runtime / SOCKET_NAME
        self._processes = processes
        self.last_heard = clock.now()
        remove_stale_socket(self._path, "runtime_directory")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self._path))
        self._path.chmod(0o600)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.source = Source(self._socket.fileno(), self.receive)

    def receive(self) -> None:
        """Take in everything that has arrived."""
        while True:
            try:
                message, control, _, _ = self._socket.recvmsg(_LONGEST, socket.CMSG_SPACE(12))
            except BlockingIOError:
                return
            for _, kind, credentials in control:
                if kind == socket.SCM_CREDENTIALS:
                    self._deliver(_sender(credentials), message)

    def close(self) -> None:
        """Close and remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _deliver(self, pid: int, message: bytes) -> None:
        process = self._processes.get(pid)
        if isinstance(process, ReportingProcess):
            self.last_heard = clock.now()
            with suppress(ValueError, KeyError, TypeError):
                content: dict[str, Any] = json.loads(message)
                process.note_beat(
                    up=bool(content["up"]),
                    ready=bool(content["ready"]),
                    complaint=content.get("complaint"),
                    pool=dict(content["pool"]),
                    work=tuple(map(str, content.get("work", ()))),
                    schema=content.get("schema"),
                )


def _sender(credentials: bytes) -> int:
    """Return the pid in a SCM_CREDENTIALS message (unix(7): struct ucred)."""
    pid: int = struct.unpack("iII", credentials)[0]
    return pid
