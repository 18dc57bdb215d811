"""A relay before PostgreSQL that cuts a connection exactly when it says a certain word."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from psycopg.conninfo import conninfo_to_dict


class CuttingProxy:
    """Relays everything, until `cuts` says otherwise.

    Attributes:
        word: What a message must contain to be cut.
        cuts: For each next such message: `after` cuts when the server has answered it, `before`
            does not pass it on at all. Empty: nothing is cut.
        refusing: Whether new connections are closed at once.
        refused: How many were.
    """

    def __init__(self, server_directory: Path) -> None:
        self._server = str(server_directory / ".s.PGSQL.5432")
        self.directory = Path(tempfile.mkdtemp(prefix="cut-", dir="/tmp"))
        self.word = b"COMMIT\0"
        self.cuts: list[str] = []
        self.refusing = False
        self.refused = 0
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.directory / ".s.PGSQL.5432"))
        self._listener.listen(64)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self.directory)

    def url(self, database_url: str) -> str:
        """Return a test's URL with its database behind this relay."""
        name = conninfo_to_dict(database_url)["dbname"]
        return f"postgresql://postgres@/{name}?host={self.directory}"

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.refusing:
                    self.refused += 1
                    client.close()
                else:
                    threading.Thread(target=self._relay, args=(client,), daemon=True).start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server:
            server.connect(self._server)
            answered = threading.Event()
            answered.set()
            back = threading.Thread(
                target=self._to_client, args=(client, server, answered), daemon=True
            )
            back.start()
            self._to_server(client, server, answered)
            back.join()

    def _to_server(
        self, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                how = self.cuts.pop(0) if self.word in data and self.cuts else None
                if how == "before":
                    break
                if how == "after":
                    answered.clear()
                server.sendall(data)
                if how == "after":
                    answered.wait(10)
                    break
        self._end(client, server)

    def _to_client(
        self, client: socket.socket, server: socket.socket, answered: threading.Event
    ) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if not answered.is_set():
                    answered.set()  # what it says is never heard of
                    break
                client.sendall(data)
        self._end(client, server)

    @staticmethod
    def _end(*sockets: socket.socket) -> None:
        for each in sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
