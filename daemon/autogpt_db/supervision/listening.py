"""The listening sockets: opened once by main, or taken from systemd, and outliving every child."""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError, ResourceTakenError
from autogpt_db.supervision.systemd import take_sockets

if TYPE_CHECKING:
    from autogpt_db.settings import ApiSettings

BACKLOG = 4096
"""Connections that wait while every child is being replaced; net.core.somaxconn caps it."""


def open_sockets(settings: ApiSettings) -> list[socket.socket]:
    """Return the sockets to serve on: systemd's if it gave any, else one bound to host and port.

    Raises:
        ResourceTakenError: Another process listens there; the message names it if it can be seen.
        ConfigurationError: The address is none of this machine's.
    """
    sockets = take_sockets() or [_bind(settings.host, settings.port)]
    for listener in sockets:
        if listener.family in {socket.AF_INET, socket.AF_INET6}:
            # Inherited by accepted connections: a reply must not wait for an acknowledgement.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listener.listen(BACKLOG)
    return sockets


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens, for people and logs."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigurationError(f"api.host: {host} is no address: {error.strerror}.") from None
    listener = socket.socket(family, kind)
    try:
        # Connections of the last run in TIME_WAIT must not keep us out; a live listener does.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ResourceTakenError(
                f"{host}:{port} is taken by {holder_of(port)}. Stop it, or choose another api.port."
            ) from None
        raise ConfigurationError(
            f"api.host, api.port: cannot listen on {host}:{port}: {error.strerror}."
        ) from None
    return listener


def holder_of(port: int) -> str:
    """Name the process that listens on a TCP port, as far as /proc shows it to this user."""
    inodes = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    inodes.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            with suppress(OSError):
                for descriptor in (process / "fd").iterdir():
                    if str(descriptor.readlink()) in inodes:
                        name = (process / "comm").read_text().strip()
                        return f"pid {process.name} ({name})"
    return "another process"


def peer_pid(credentials: bytes) -> int:
    """Return the pid in a SCM_CREDENTIALS message (unix(7): struct ucred)."""
    pid: int = struct.unpack("iII", credentials)[0]
    return pid
