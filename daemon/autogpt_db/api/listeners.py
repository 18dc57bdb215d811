"""The sockets an API process listens on: inherited from main, or opened by itself."""

from __future__ import annotations

import itertools
import os
import socket
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.listening import open_listeners

if TYPE_CHECKING:
    from autogpt_db.settings.api import ApiSettings

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
        return open_listeners(api.host, api.port)
    # systemd may have opened several; supervision hands on the others from 3 on, without a gap.
    # All are found before any is duplicated: a duplicate would be taken for the next.
    descriptors = [0, *itertools.takewhile(_listens, itertools.count(_FIRST_OTHER))]
    # Each one's family is asked from the kernel: what is called TCP gets TCP_NODELAY.
    return [socket.socket(fileno=os.dup(descriptor)) for descriptor in descriptors]


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
