"""The sockets an API process listens on: inherited from main, or opened by itself."""

from __future__ import annotations

import errno
import itertools
import os
import socket
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError, ResourceTakenError

if TYPE_CHECKING:
    from autogpt_db.settings.api import ApiSettings

BACKLOG = 2048
"""Connections that the kernel holds until somebody accepts them."""

_FIRST_OTHER = 3


def listening_sockets(api: ApiSettings) -> list[socket.socket]:
    """Return the listening sockets of this process.

    Args:
        api: Address and port, for a process that inherited no socket.

    Raises:
        ResourceTakenError: Another process listens there.
        ConfigurationError: Nobody can listen there.
    """
    if not _listens(0):
        return _open(api.host, api.port)
    # systemd may have opened several; supervision hands on the others from 3 on, without a gap.
    # All are found before any is duplicated: a duplicate would be taken for the next.
    descriptors = [0, *itertools.takewhile(_listens, itertools.count(_FIRST_OTHER))]
    # Each one's family is asked from the kernel: what is called TCP gets TCP_NODELAY.
    return [socket.socket(fileno=os.dup(descriptor)) for descriptor in descriptors]


def address_of(listener: socket.socket) -> str:
    """Return where `listener` listens, as a URL."""
    if listener.family == socket.AF_UNIX:
        return f"unix:{listener.getsockname()}"
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listens(descriptor: int) -> bool:
    """Tell whether a descriptor is a listening socket."""
    with suppress(OSError):
        if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            found = socket.socket(fileno=descriptor)
            try:
                return bool(found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
            finally:
                found.detach()  # it is not ours to close
    return False


def _open(host: str, port: int) -> list[socket.socket]:
    if host.startswith("/"):
        return [_bound(socket.AF_UNIX, host, host)]
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise ConfigurationError(
            f"api.host: {host} is no address of this machine ({error.strerror}); "
            "use 127.0.0.1, or an address that `ip address` shows."
        ) from error
    listeners: list[socket.socket] = []
    refused: list[ConfigurationError] = []
    for family, *_, address in dict.fromkeys(found):
        # With port 0 the kernel chooses once, and the other families follow.
        chosen = listeners[0].getsockname()[1] if listeners else address[1]
        target = (address[0], chosen, *address[2:])
        try:
            listeners.append(_bound(family, target, f"{host}:{port}"))
        except ConfigurationError as error:
            refused.append(error)  # localhost is ::1 too, where the machine may have no IPv6
    if not listeners:
        raise refused[0]
    return listeners


def _bound(family: int, address: str | tuple[str | int, ...], name: str) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if family == socket.AF_UNIX:
            _remove_stale(str(address))
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise ResourceTakenError(
                f"{name} is taken by another process (`ss -ltnp` shows which); stop it, or set "
                "api.port to a free one."
            ) from error
        raise ConfigurationError(
            f"api.host, api.port: cannot listen at {name}: {error.strerror}."
        ) from error
    return listener


def _remove_stale(path: str) -> None:
    """Remove the unix socket of a process that is gone."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            Path(path).unlink(missing_ok=True)
        except OSError:
            return  # nothing there; or something that bind() will name
