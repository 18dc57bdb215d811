"""The control socket that `supervisorctl` and `autogpt-db ctl` talk to."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from supervisor.http import supervisor_af_unix_http_server

from autogpt_db.listening import remove_stale_socket


class ControlSocket(supervisor_af_unix_http_server):  # type: ignore[misc]
    """Supervisor's HTTP server on a unix socket that its owner alone may use.

    Replaces stock behaviour: it gives the socket to another owner even when none is asked for, a
    system call that the sandbox of systemd's unit forbids, and waits 0.3 s when a killed daemon has
    left its socket. The runtime directory's lock says that nobody else uses it.
    """

    def __init__(self, path: str, mode: int, logger: Any) -> None:
        self.ip = self.port = path
        # Made under another name, so that nobody meets it before its mode is right.
        temporary = Path(f"{path}.new")
        for place in (temporary, Path(path)):
            remove_stale_socket(place, "runtime_directory")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(str(temporary))
        temporary.chmod(mode)
        temporary.replace(path)
        self.prebind(listener, logger)
        self.server_name = "<unix domain socket>"
        self.postbind()
