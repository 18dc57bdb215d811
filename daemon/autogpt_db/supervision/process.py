"""A supervised process: what Supervisor's own class does, and where ours differs.

Each override says which stock behaviour it replaces; `tests/acceptance/test_supervision.py`
has a test for each that fails without it.
"""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from supervisor.datatypes import RestartWhenExitUnexpected
from supervisor.options import decode_wait_status
from supervisor.process import Subprocess
from supervisor.states import ProcessStates, SupervisorStates

from autogpt_db.backoff import Backoff
from autogpt_db.logs.events import processes as log
from autogpt_db.supervision import clock
from autogpt_db.supervision.output import PlainLog

if TYPE_CHECKING:
    from supervisor.options import ProcessConfig

    from autogpt_db.supervision.counting import TreeMetrics

LASTING = 1.0
"""Seconds of service after which a process counts as healthy: its next failure is a first one.

Short, because pauses are for processes that cannot serve, and one that an operator or the kernel
killed can: it is needed back at once.
"""
FIRST_PAUSE = 0.7
"""Longest pause after a second failure in a row, in seconds."""

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

States = ProcessStates


def pause_before_restart(failures: int, longest: float) -> float:
    """Return the seconds to wait before a process is started again.

    None after the first failure, then a `Backoff` up to `longest`.

    Args:
        failures: Failures in a row, this one included.
        longest: Upper bound, seconds.
    """
    return Backoff(FIRST_PAUSE, longest).pause(failures - 1) if failures > 1 else 0.0


@dataclass(eq=False)
class Restart:
    """The restart of one process, in its turn.

    Attributes:
        process: Which.
        ended: Whether it is over.
        problem: Why it failed, in words.
    """

    process: SupervisedProcess
    ended: bool = False
    problem: str | None = None


class SupervisedProcess(Subprocess):  # type: ignore[misc]
    """A process that is restarted for ever.

    Attributes:
        pause: Seconds that its latest failure is followed by.
        restarts: Starts after the first one.
        last_exit: How it ended last, in words; None when it never has.
        pool: The pool's figures of its last heartbeat.
        work: What it is busy with for longer, in words, as of then.
        able: Whether it can do its work, as far as it has said; strangers always can.
        complaint: Why it cannot, in words.
    """

    end_with_main = signal.SIGKILL
    """What the kernel sends it when main is gone; what has nothing to lose needs no more."""

    awaited = True
    """Whether the service is ready, and a reload goes on, only when it runs."""

    laststart: float  # Supervisor starts both at the integer 0
    delay: float
    metrics: TreeMetrics | None = None
    backoff_max = 30.0
    ready_timeout = 30.0
    heartbeat_timeout = 4.0

    def __init__(self, config: ProcessConfig) -> None:
        super().__init__(config)
        self.failures = 0
        self.pause = 0.0
        self.restarts = -1
        self.last_exit: str | None = None
        self.pool: dict[str, Any] = {}
        self.work: tuple[str, ...] = ()
        self.able = True
        self.complaint: str | None = None
        self.ready_since: float | None = None
        self.last_beat = 0.0
        self.replaced_for: str | None = None
        self.replaced_as = ""

    @property
    def name(self) -> str:
        """Return its name, `api_00`."""
        return str(self.config.name)

    @property
    def serves(self) -> bool:
        """Tell whether it runs and can do its work."""
        return bool(self.state == States.RUNNING) and self.able

    # Starting ----------------------------------------------------------------------------------

    def spawn(self) -> int | None:
        """Start it, with a clean slate."""
        self.ready_since = None
        self.last_beat = clock.now()
        self.replaced_for = None
        self.pool = {}
        self.work = ()
        self.restarts += 1
        if self.metrics is not None and self.restarts:
            self.metrics.started_again(self.name)
        pid: int | None = super().spawn()
        if self.spawnerr:
            log.process_not_started(child=self.name, reason=self.spawnerr)
        elif pid:
            log.process_started(child=self.name, pid=pid)
        return pid

    def _spawn_as_parent(self, pid: int) -> int:
        """Keep the child's output without colours.

        Replaces stock behaviour: `supervisorctl tail` fails on a log with control characters,
        which XML cannot carry.
        """
        for dispatcher in self.dispatchers.values():
            if getattr(dispatcher, "childlog", None) is not None:
                dispatcher.childlog = PlainLog(dispatcher.childlog)
        return int(super()._spawn_as_parent(pid))

    def inherits(self, name: str) -> bool:
        """Tell whether a variable of main's environment is this process's as well."""
        return not self.config.options.hidden(name)

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        """Become the program, without the variables that are main's own business.

        Replaces stock behaviour: a child sees all of supervisord's environment, secrets included.
        What the program's own `environment=` says is added after this, and stays.
        """
        for name in list(os.environ):
            if not self.inherits(name):
                del os.environ[name]
        super()._spawn_as_child(filename, argv)

    def set_uid(self) -> str | None:
        """Drop privileges, and ask the kernel to end this process together with main.

        Runs in the child, between fork and exec. Replaces stock behaviour: children of a killed
        supervisord live on, keep the socket, and the next start fails. After setuid, because
        that clears the request.
        """
        message: str | None = super().set_uid()
        _libc.prctl(_PR_SET_PDEATHSIG, int(self.end_with_main), 0, 0, 0)
        return message

    # Being ready -------------------------------------------------------------------------------

    def is_ready(self) -> bool:
        """Tell whether a started process serves: a stranger does when it outlives startsecs."""
        return clock.now() - self.laststart > float(self.config.startsecs)

    def note_ready(self) -> None:
        """Take a started process as serving.

        Replaces stock behaviour: RUNNING means that a timer has run out.
        """
        if self.state == States.STARTING:
            self.ready_since = clock.now()
            self.delay = 0
            self.backoff = 0
            self.change_state(States.RUNNING)
            seconds = round(self.ready_since - self.laststart, 3)
            log.process_ready(child=self.name, pid=self.pid, seconds=seconds)

    def transition(self) -> None:
        """Go on to the next state if it is time."""
        if self.state == States.STARTING:
            if self.is_ready():
                self.note_ready()
        else:
            super().transition()
        self.watch()

    def watch(self) -> None:
        """Replace it if it hangs; strangers are not watched."""

    # Ending ------------------------------------------------------------------------------------

    def finish(self, pid: int, sts: int) -> None:
        """Note how it ended, and let the next start come at once or after a pause.

        Replaces stock behaviour: whether a start failed is told by the time it took, so a child
        that dies late in its start, or soon after it was ready, is taken for the other kind, and
        one that serves for a moment and dies is restarted without any pause, for ever.
        """
        code, words = decode_wait_status(sts)
        asked = self.killing
        now = clock.now()
        served = 0.0 if self.ready_since is None else now - self.ready_since
        self.last_exit = self.replaced_for or words
        if self.metrics is not None:
            how = "stopped" if asked else self.replaced_as if self.replaced_for else words
            self.metrics.ended(self.name, how)
        # Steer the stock method, which compares these two.
        starting = self.state == States.STARTING
        self.laststart = now - (0.001 if starting else float(self.config.startsecs) + 1)
        if served >= LASTING:
            self.failures = 0
        super().finish(pid, sts)
        self.ready_since = None
        self.pool = {}
        if asked:
            self.failures = 0
            log.process_stopped(child=self.name, pid=pid, how=words)
            return
        if self.state == States.EXITED and self._restarts_after(code):
            self.change_state(States.BACKOFF)
        log.process_exited(
            child=self.name,
            pid=pid,
            how=self.last_exit,
            code=code if code >= 0 else None,
            served_seconds=round(served, 3),
            again_in_seconds=round(self.pause, 3) if self.state == States.BACKOFF else None,
        )

    def _restarts_after(self, code: int) -> bool:
        if self.config.autorestart is RestartWhenExitUnexpected:
            return code not in self.config.exitcodes
        return bool(self.config.autorestart)

    def change_state(self, new_state: int, expected: bool = True) -> None:
        """Change the state; a failure is followed by our pause.

        Replaces stock behaviour: the pause grows by a second each time, without a bound.
        """
        super().change_state(new_state, expected)
        if new_state == States.BACKOFF:
            self.failures += 1
            self.pause = pause_before_restart(self.failures, self.backoff_max)
            self.delay = clock.now() + self.pause

    def give_up(self) -> None:
        """Stop trying, which happens only when the whole tree stops."""
        if self.config.options.mood < SupervisorStates.RUNNING:
            super().give_up()

    def replace(self, reason: str, kind: str) -> None:
        """Kill it so that it is started again: unlike a stop, this is a failure.

        Args:
            reason: In words, for people.
            kind: The same without figures, to count it by.
        """
        self.replaced_for = reason
        self.replaced_as = kind
        log.process_replaced(child=self.name, pid=self.pid, reason=reason)
        self.config.options.kill(self.pid, signal.SIGKILL)

    def hasten(self) -> None:
        """Pass on a second request to stop."""
        if self.state == States.STOPPING and self.pid:
            self.config.options.kill(self.pid, self.config.stopsignal)

    def _check_and_adjust_for_system_clock_rollback(self, test_time: float) -> None:
        """Do nothing: our clock has no rollback, and the check would undo our pauses."""

    @property
    def next_change(self) -> float | None:
        """Return when, by `clock.now`, something will have to be done about it; None for never."""
        if self.state in {States.BACKOFF, States.STOPPING}:
            return float(self.delay)
        if self.state == States.STARTING:
            return clock.now() + 0.1
        return None
