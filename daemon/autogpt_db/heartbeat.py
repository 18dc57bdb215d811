"""A child's sign of life to the supervisor: one datagram a second, sent from its event loop.

The beat comes from the loop that serves requests, so a loop that hangs falls silent, and the
supervisor replaces the process. Sending never blocks and never fails: without a supervisor, or
with one that is busy, nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import socket
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

SUPERVISED = "AUTOGPT_DB_SUPERVISED"
"""Set by supervision for its children: the runtime directory."""

NAME = "SUPERVISOR_PROCESS_NAME"
"""Set by Supervisor for its children."""

SOCKET_NAME = "heartbeat.sock"
INTERVAL = 1.0
"""Seconds between two beats."""
MOST_WORK = 4
"""Long pieces of work that a beat tells of."""


def name_in_tree() -> str | None:
    """Return what supervision calls this process, `api_00`; None where it didn't start it."""
    return os.environ.get(NAME) if SUPERVISED in os.environ else None


class Heartbeat:
    """Report readiness and beats of this process.

    Args:
        runtime: The runtime directory, where the supervisor's socket is.
    """

    def __init__(self, runtime: Path) -> None:
        self._address = str(runtime / SOCKET_NAME)
        self._up = False
        self._able = True
        self._complaint: str | None = None
        self._socket: socket.socket | None = None
        if SUPERVISED in os.environ:
            self._socket = socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
            )

    def up(self, *, able: bool = True) -> None:
        """Say that this process has started.

        Args:
            able: Whether it can do its work already.
        """
        self._up, self._able = True, able
        self.beat({})

    def able(self, *, able: bool, complaint: str | None = None) -> None:
        """Say whether this process can do its work; told at once where that has changed.

        Args:
            able: Whether it can; until this is called, it counts as able.
            complaint: Why it cannot, in words.
        """
        changed = able != self._able
        self._able, self._complaint = able, complaint
        if changed and self._up:
            self.beat({})

    def beat(
        self,
        figures: dict[str, Any],
        work: Sequence[str] = (),
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        """Send one beat.

        Args:
            figures: What an operator may want to see of this process: its pool.
            work: What it is busy with for longer, in words; only the first few are sent.
            schema: What it found of AutoGPT's schema, shortly; None: it doesn't say.
        """
        if self._socket is None:
            return
        content: dict[str, Any] = {
            "up": self._up,
            "ready": self._up and self._able,
            "pool": figures,
            "work": list(work[:MOST_WORK]),
        }
        if self._complaint is not None:
            content["complaint"] = self._complaint
        if schema is not None:
            content["schema"] = schema
        message = json.dumps(content).encode()
        # The supervisor may be busy, or gone: then the kernel ends this process.
        with contextlib.suppress(OSError):
            self._socket.sendto(message, self._address)

    def close(self) -> None:
        """Stop reporting."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def beat_forever(
        self,
        figures: Callable[[], Any],
        work: Callable[[], Sequence[str]] = tuple,
        schema: Callable[[], Mapping[str, Any] | None] = lambda: None,
        able: Callable[[], bool] | None = None,
    ) -> NoReturn:
        """Beat every second until cancelled.

        Args:
            figures: Returns the pool's figures, a dataclass.
            work: Returns what the process is busy with, in words.
            schema: Returns what it found of AutoGPT's schema.
            able: Returns whether it can do its work; None: somebody else calls `able`.
        """
        while True:
            if able is not None:
                self._able = able()
            self.beat(dataclasses.asdict(figures()), work(), schema())
            await asyncio.sleep(INTERVAL)
