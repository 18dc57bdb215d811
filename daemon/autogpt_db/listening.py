"""Listening sockets: opened by main or, where one is started by hand, by an API process."""

from __future__ import annotations

import errno
import socket
import stat
from contextlib import suppress
from pathlib import Path

from autogpt_db.errors import ConfigurationError, ResourceTakenError

BACKLOG = 4096
"""Connections that wait while every process is being replaced; net.core.somaxconn caps it."""


_REMEDIES = {
    errno.EACCES: " An ordinary account has ports from 1024 on: choose another {section}.port.",
    errno.EADDRNOTAVAIL: " Choose one that `ip address` shows for {section}.host, or 127.0.0.1.",
}


def open_listeners(
    host: str, port: int, *, listen: bool = True, section: str = "api"
) -> list[socket.socket]:
    """Open a socket for each address that a name stands for, and listen on it.

    Args:
        host: A name or an address; or a path, for a unix socket.
        port: TCP port; for 0 the kernel chooses one, the same for all addresses.
        listen: False only to see whether it could: then nobody is in a start's way.
        section: Of the settings, where host and port stand.

    Raises:
        ResourceTakenError: Another process listens there; the message names it if it can be seen.
        ConfigurationError: The address is none of this machine's, or the path is something else's.
    """
    if host.startswith("/"):
        return [_bound(socket.AF_UNIX, host, host, listen=listen, section=section)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"{section}.host: {host} is no address of this machine ({error.strerror}); "
            "use 127.0.0.1, or an address that `ip address` shows."
        ) from error
    listeners: list[socket.socket] = []
    refused: list[ConfigurationError] = []
    try:
        for family, *_, address in dict.fromkeys(found):
            chosen = listeners[0].getsockname()[1] if listeners else address[1]
            target = (address[0], chosen, *address[2:])
            try:
                listeners.append(
                    _bound(family, target, f"{host}:{port}", listen=listen, section=section)
                )
            except ConfigurationError as error:
                refused.append(error)  # localhost is ::1 too, where the machine may have no IPv6
    except ResourceTakenError:
        for listener in listeners:
            listener.close()
        raise
    if not listeners:
        raise refused[0]
    return listeners


def prepare(listener: socket.socket) -> socket.socket:
    """Listen, and let no reply wait for an acknowledgement; returns the same socket."""
    if listener.family in {socket.AF_INET, socket.AF_INET6}:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # connections inherit it
    listener.listen(BACKLOG)
    return listener


def address_of(listener: socket.socket) -> str:
    """Return where a socket listens, for people and logs."""
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serves(address: str, host: str, port: int) -> bool:
    """Tell whether an address of `address_of` is what `api.host` and `api.port` ask for."""
    if host.startswith("/"):
        return address == f"unix:{host}"
    named = "127.0.0.1" if host == "localhost" else host
    return address == (f"http://[{named}]:{port}" if ":" in named else f"http://{named}:{port}")


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


def remove_stale_socket(path: Path, option: str) -> None:
    """Make room for a unix socket: remove one whose process is gone, and nothing else.

    Args:
        path: Where a socket is about to be made.
        option: The setting that says so, for the message.

    Raises:
        ConfigurationError: Something that is no socket stands there; a link is none either.
        ResourceTakenError: A process uses the socket.
    """
    with suppress(OSError):  # nothing there, or nothing that may be seen: bind() says so
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ConfigurationError(
                f"{option}: {path} exists and is no socket, so nothing was put in its place. Move "
                "it away, or choose another path."
            )
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)  # a full backlog would make connect() wait for its owner
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
            return
        except OSError as error:
            if error.errno not in {errno.EAGAIN, errno.EPROTOTYPE}:
                return  # nothing there; or something that bind() will name
    raise ResourceTakenError(
        f"{path} is taken by another process. Stop it, or choose another path ({option})."
    )


def _bound(
    family: int, address: str | tuple[str | int, ...], name: str, *, listen: bool, section: str
) -> socket.socket:
    if family == socket.AF_UNIX:
        remove_stale_socket(Path(str(address)), f"{section}.host")
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family != socket.AF_UNIX:
            # Connections of the last run in TIME_WAIT must not keep us out; a live listener does.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        return prepare(listener) if listen else listener
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            holder = "another process" if isinstance(address, str) else holder_of(int(address[1]))
            raise ResourceTakenError(
                f"{name} is taken by {holder}. Stop it, or choose another {section}.port."
            ) from None
        raise ConfigurationError(
            f"{section}.host, {section}.port: cannot listen at {name}: {error.strerror}."
            f"{_REMEDIES.get(error.errno or 0, '').format(section=section)}"
        ) from None
