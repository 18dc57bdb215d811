"""What the first postmaster writes, which main started before Supervisor had a pipe for it.

It writes to a file, which never blocks it and which it keeps even when main is killed. From here
its lines are passed on like everybody's, and the file is kept within its bound. What a flood
wrote and was not read before the file is emptied is lost.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.database.provisioning.embedded import EmbeddedServer
    from autogpt_db.supervision.output import ChildOutput

NAME = "postgresql"
_AT_ONCE = 256 * 1024


class EmbeddedLog:
    """Follow the file; call it at each turn.

    Args:
        server: The private server.
        output: Where its lines go.
    """

    def __init__(self, server: EmbeddedServer, output: ChildOutput) -> None:
        self._server = server
        self._output = output
        self._read = server.log_begins

    def __call__(self) -> None:
        """Pass on what is new, and empty the file when it has grown too long."""
        with suppress(OSError):  # a full or broken disk must not end the tree
            with self._server.log_path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size < self._read:
                    self._read = 0  # somebody else has emptied it
                if size > self._read:
                    file.seek(self._read)
                    data = file.read(_AT_ONCE)
                    self._read += len(data)
                    self._output.feed(NAME, "file", data)
            if self._server.trim_log():
                self._read = 0
