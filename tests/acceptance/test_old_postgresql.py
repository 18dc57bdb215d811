"""A PostgreSQL that is too old: `check`, `doctor` and the service give one verdict.

The server is a new one whose first words about itself are changed on their way: what it says of its
version is all that anybody goes by.
"""

from __future__ import annotations

import json
import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from cutting_proxy import CuttingProxy
from daemon_process import DaemonProcess

if TYPE_CHECKING:
    from postgres_server import PostgresServer

SAYS = "runs PostgreSQL 14; autogpt-db needs 15 or newer"
_VERSION = re.compile(rb"server_version\x00\d\d")


class AgeingProxy(CuttingProxy):
    """Relays everything, and has the server say that it is PostgreSQL 14."""

    def _to_client(
        self, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        assert answered
        with suppress(OSError):
            while data := server.recv(65536):
                client.sendall(_VERSION.sub(b"server_version\x0014", data))
        self._end(client, server)


def test_postgresql_14_is_refused_by_everybody_alike(
    postgres_server: PostgresServer, database_url: str
) -> None:
    with AgeingProxy(postgres_server.directory) as proxy:
        daemon = DaemonProcess(database_url=proxy.url(database_url))
        try:
            checked = daemon.run("check")
            assert checked.returncode == 78, checked
            print(checked.stderr)
            assert SAYS in checked.stderr
            examined = daemon.run("doctor", "--json")
            assert examined.returncode == 1
            failed = [c for c in json.loads(examined.stdout)["checks"] if c["level"] == "fail"]
            assert [c["check"] for c in failed] == ["database"], failed
            assert SAYS in failed[0]["text"]
            daemon.launch()
            assert daemon.exit_code(seconds=60) == 78
            (record,) = daemon.events("configuration_invalid")
            assert SAYS in record["problem"]
        finally:
            daemon.__exit__()
