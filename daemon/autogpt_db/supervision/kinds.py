"""The kinds of processes in the tree that are our own: API, worker, admin, private PostgreSQL.

As in `process.py`, each override says which stock behaviour it replaces.
"""

from __future__ import annotations

import fcntl
import os
import signal
from typing import TYPE_CHECKING, Any

from supervisor.process import FastCGISubprocess
from supervisor.states import SupervisorStates

from autogpt_db.supervision import clock
from autogpt_db.supervision.process import States, SupervisedProcess

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class ReportingProcess(SupervisedProcess):
    """One of our own: it reports that it is up, and ready, and beats.

    Attributes:
        schema: What it found of AutoGPT's schema, if it has said so.
        up: Whether it has started, be it able to do its work or not: a database that is away is no
            reason to replace it.
    """

    schema: Mapping[str, Any] | None = None
    up = False

    def is_ready(self) -> bool:
        """Wait for its report."""
        return False

    def note_beat(
        self,
        *,
        up: bool,
        ready: bool,
        pool: dict[str, Any],
        work: tuple[str, ...] = (),
        schema: Mapping[str, Any] | None = None,
        complaint: str | None = None,
    ) -> None:
        """Take a heartbeat."""
        self.last_beat = clock.now()
        self.up = up
        self.able = ready
        self.complaint = complaint
        self.schema = schema
        self.work = work
        if pool:
            self.pool = pool
        if ready:
            self.note_ready()

    def spawn(self) -> int | None:
        """Start it; of the one before nothing is known any more."""
        self.up, self.able, self.complaint = False, True, None
        return super().spawn()

    def get_state(self) -> int:
        """Return the state for Supervisor's own methods: who cannot work is still starting.

        Replaces stock behaviour: what runs is RUNNING, whatever it is good for.
        """
        state = int(super().get_state())
        return States.STARTING if state == States.RUNNING and not self.able else state

    def watch(self) -> None:
        """Replace it when it doesn't come up, or has fallen silent.

        Replaces stock behaviour: a hung child stays RUNNING for ever.
        """
        if self.replaced_for is not None or not self.pid:
            return
        silent = clock.now() - self.last_beat
        starting = self.state == States.STARTING and not self.up
        if starting and clock.now() - self.laststart > self.ready_timeout:
            self.replace(f"not ready within {self.ready_timeout:g} s", "not ready")
        elif (
            self.state in {States.STARTING, States.RUNNING}
            and self.up
            and silent > self.heartbeat_timeout
        ):
            self.replace(f"no heartbeat for {silent:.1f} s", "no heartbeat")


class ApiProcess(ReportingProcess, FastCGISubprocess):  # type: ignore[misc]
    """A process on the shared listening sockets.

    Attributes:
        held_since: When `supervisorctl restart` asked to stop it; it runs until its turn comes.
    """

    held_since: float | None = None

    def get_state(self) -> int:
        """Return the state for Supervisor's own methods, to which what is held has stopped."""
        held = self.held_since is not None and self.config.options.mood >= SupervisorStates.RUNNING
        return States.STOPPED if held else int(super().get_state())

    def _prepare_child_fds(self) -> None:
        """Give it every listening socket: the first as descriptor 0, the others from 3 on.

        Replaces stock behaviour: a program has one socket.
        """
        sockets = self.group.socket_manager.listeners
        os.dup2(sockets[0].fileno(), 0)
        os.dup2(self.pipes["child_stdout"], 1)
        os.dup2(self.pipes["child_stdout"], 2)
        # Out of the way first: a target may be the descriptor of a socket still to be placed.
        floor = 3 + len(sockets) - 1
        high = [fcntl.fcntl(other.fileno(), fcntl.F_DUPFD, floor) for other in sockets[1:]]
        for place, number in enumerate(high, start=3):
            os.dup2(number, place)
        os.closerange(floor, self.config.options.minfds)


class WorkerProcess(ReportingProcess):
    """A process that runs background jobs."""


class AdminProcess(ReportingProcess):
    """The admin listener: AutoGPT is served without it, so nobody waits for it."""

    awaited = False


class PostgresqlProcess(SupervisedProcess):
    """The private PostgreSQL, which was running before Supervisor was.

    Attributes:
        socket_directory: Where its socket and, with the data, its status file are.
    """

    end_with_main = signal.SIGINT  # a fast shutdown: it rolls back, writes out, and ends
    status_file: Path | None = None

    def inherits(self, name: str) -> bool:
        """Take nothing from main: `environment=` says all that it shall see."""
        del name
        return False

    def adopt(self, pid: int) -> None:
        """Take over a server that main has started.

        Replaces stock behaviour: Supervisor reaps every child, but knows only those it forked.
        """
        self.pid = pid
        self.laststart = self.ready_since = clock.now()
        self.restarts = 0
        self.state = States.RUNNING
        self.config.options.pidhistory[pid] = self

    def is_ready(self) -> bool:
        """Read what the server says of itself (the last line of postmaster.pid)."""
        if self.status_file is None:
            return super().is_ready()
        try:
            lines = self.status_file.read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"  # noqa: PLR2004 - its eight lines

    def hasten(self) -> None:
        """Leave it alone: a fast shutdown is as fast as is safe."""
