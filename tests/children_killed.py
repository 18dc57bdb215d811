"""API children of a daemon that are killed, one after the other, while calls are made."""

from __future__ import annotations

import itertools
import os
import signal
import threading
from typing import TYPE_CHECKING, Self

from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from daemon_process import DaemonProcess

BETWEEN_KILLS = 40
"""Calls that are made after one kill and before the next."""
AHEAD = 20
"""Calls more than that, until a kill that is late has happened."""


class Killer:
    """Kills the API children in turn while calls are made; one of the two is always there.

    Args:
        daemon: Whose.

    Attributes:
        kills: How many there have been.
    """

    def __init__(self, daemon: DaemonProcess) -> None:
        self._daemon = daemon
        self._calls = itertools.count(1)
        self._made = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._failure: BaseException | None = None
        self.kills = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def pace(self) -> None:
        """Count a call that is about to be made, and let none run far ahead of the kills."""
        self._made = number = next(self._calls)
        wait_for(
            lambda: self._failure or number <= (self.kills + 1) * BETWEEN_KILLS + AHEAD,
            seconds=4 * PATIENCE,
            what="a kill",
        )

    def _run(self) -> None:
        try:
            for name in itertools.cycle(("api:api_00", "api:api_01")):
                wait_for(
                    lambda: self._ended.is_set() or self._made >= (self.kills + 1) * BETWEEN_KILLS,
                    seconds=4 * PATIENCE,
                    what="calls that go through",
                )
                if self._ended.is_set():
                    return
                pid = wait_for(lambda name=name: self._daemon.pid_of(name), what=name)
                os.kill(pid, signal.SIGKILL)
                self.kills += 1
                wait_for(
                    lambda name=name, pid=pid: self._daemon.pid_of(name) not in {0, pid},
                    seconds=4 * PATIENCE,
                    what=f"{name} to come back",
                )
        except BaseException as error:  # raised again in the test's thread
            self._failure = error
