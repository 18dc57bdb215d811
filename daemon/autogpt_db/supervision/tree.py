"""Supervisor, run inside main: its loop, with ours of what it does at each turn."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from autogpt_db.logs.events import processes as log
from autogpt_db.supervision import clock
from autogpt_db.supervision.beats import Source
from autogpt_db.supervision.systemd import notify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from supervisor.options import ProcessGroupConfig

    from autogpt_db.supervision.announcing import Announcer
    from autogpt_db.supervision.embedded_log import EmbeddedLog
    from autogpt_db.supervision.kinds import ReportingProcess
    from autogpt_db.supervision.output import ChildOutput
    from autogpt_db.supervision.process import Restart, SupervisedProcess
    from autogpt_db.supervision.process_table import Group, ProcessTable
    from autogpt_db.supervision.rolling import RollingRestart


class Tree(Supervisor):  # type: ignore[misc]
    """Supervisor's loop over the table of processes.

    Attributes:
        table: The processes.
        announcer: Tells the outside how they are.
        rolling: Restarts them one by one.
        database: The database's address.
        each_turn: What is called at each turn of the loop; Supervisor's own interface adds to it.
        stop_reason: The signal that asked to stop.
    """

    def __init__(
        self,
        table: ProcessTable,
        announcer: Announcer,
        rolling: RollingRestart,
        output: ChildOutput,
        *,
        database: str,
        embedded_log: EmbeddedLog | None = None,
    ) -> None:
        """Take what the loop turns.

        Args:
            table: The processes.
            announcer: Tells the outside how they are.
            rolling: Restarts them one by one.
            output: Takes what they write.
            database: The database's address.
            embedded_log: Follows what the private PostgreSQL writes, if there is one.
        """
        self.table = table  # Supervisor's own constructor asks for its groups
        super().__init__(table.options)
        self.announcer = announcer
        self.rolling = rolling
        self.database = database
        self.stop_groups: list[Group] | None = None
        self.stop_signals = 0
        self.stop_reason: str | None = None
        self.each_turn: list[Callable[[], None]] = [rolling, announcer, table.show]
        if embedded_log is not None:
            self.each_turn.append(embedded_log)
        self._subscriptions = (
            (events.ProcessLogStdoutEvent, output.take),
            (events.ProcessLogStderrEvent, output.take),
            (events.SupervisorStoppingEvent, lambda _event: notify("STOPPING=1")),
        )
        table.options.poller.next_due = self._next_due
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    @property
    def process_groups(self) -> dict[str, Any]:
        """Return the groups, by name."""
        return self.table.groups

    @process_groups.setter
    def process_groups(self, groups: dict[str, Any]) -> None:
        # Supervisor starts with none, and says so twice.
        self.table.groups = groups

    def processes(self) -> Iterator[SupervisedProcess]:
        """Yield every process, in the order of their start."""
        return self.table.processes()

    def request_restart(self, process: ReportingProcess) -> Restart:
        """Ask for one process to be restarted in its turn; return how that goes."""
        return self.rolling.restart(process)

    # Life --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until everything has stopped."""
        wake = Source(self._wake_reader, self._drain_wake)
        sources = {source.fd: source for source in (wake, self.table.beats.source)}
        asyncore.socket_map.update(sources)
        # Replaces stock behaviour: Python restarts an interrupted poll (PEP 475), so a signal is
        # seen up to a second late, and a child that exits is taken for one that stays up.
        before = signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        try:
            super().run()
        except asyncore.ExitNow:
            pass
        finally:
            signal.set_wakeup_fd(before)
            self.options.close_httpservers()
            for descriptor in sources:
                asyncore.socket_map.pop(descriptor, None)
            self.table.beats.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    def runforever(self) -> None:
        """Subscribe, now that Supervisor has cleared all subscriptions, and turn the loop."""
        for kind, callback in self._subscriptions:
            events.subscribe(kind, callback)
        # Replaces stock behaviour: the first start waits until the first poll has timed out.
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()

    # Groups ------------------------------------------------------------------------------------

    def add_process_group(self, config: ProcessGroupConfig) -> bool:
        """Add a group, made of our own kinds of process."""
        return self.table.add_group(config)

    def remove_process_group(self, name: str) -> bool:
        """Remove a group whose processes have all stopped."""
        return self.table.remove_group(name)

    # The loop ----------------------------------------------------------------------------------

    def reap(self, once: bool = False, recursionguard: int = 0) -> None:
        """Take note of the dead, and start their successors at once.

        Replaces stock behaviour: the successor waits for the next turn, up to a second.
        """
        before = len(self.options.pidhistory)
        super().reap(once, recursionguard)
        if recursionguard == 0 and len(self.options.pidhistory) < before:
            for group in list(self.process_groups.values()):
                group.transition()

    def handle_signal(self) -> None:
        """Act on a signal; a second one that asks to stop hastens the stop.

        Replaces stock behaviour: the second one changes nothing.
        """
        number = self.options.get_signal()
        if number in {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}:
            self.stop_signals += 1
            name = signal.Signals(number).name
            self.stop_reason = self.stop_reason or name
            if self.stop_signals == 1:
                log.stopping(signal=name)
                self.options.mood = SupervisorStates.SHUTDOWN
            else:
                log.stop_hastened(signal=name)
                for process in self.processes():
                    process.hasten()
        elif number == signal.SIGHUP:
            self.options.mood = SupervisorStates.RESTARTING
        elif number == signal.SIGUSR2:
            for group in self.process_groups.values():
                group.reopenlogs()

    def tick(self, now: float | None = None) -> None:
        """Do what is done at each turn."""
        super().tick(now)
        for action in self.each_turn:
            action()

    def ordered_stop_groups_phase_1(self) -> None:
        """Stop the groups that are next, those of one priority together.

        Replaces stock behaviour: one group at a time, so that the drains of API and worker add
        up. On a second signal they are asked again.
        """
        if self.stop_groups:
            last = self.stop_groups[-1].config.priority
            for group in self.stop_groups:
                if group.config.priority == last:
                    group.stop_all()

    def ordered_stop_groups_phase_2(self) -> None:
        """Forget the groups that have stopped."""
        groups = self.stop_groups or []
        self.stop_groups = [group for group in groups if group.get_unstopped_processes()]

    def _next_due(self) -> float | None:
        changes = [process.next_change for process in self.processes()]
        # While a request of supervisorctl waits for its outcome, it is asked for often.
        if any(getattr(channel, "delay", 0) for channel in asyncore.socket_map.values()):
            changes.append(clock.now() + 0.05)
        return min((change for change in changes if change is not None), default=None)

    def _drain_wake(self) -> None:
        try:
            while os.read(self._wake_reader, 4096):
                pass
        except BlockingIOError:
            pass
