"""Supervisor, run inside main: its loop, with ours of what it does at each turn."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from supervisor import events
from supervisor.medusa import asyncore_25 as asyncore
from supervisor.process import FastCGIProcessGroup, ProcessGroup
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from autogpt_db.logs.events import processes as log
from autogpt_db.supervision import clock
from autogpt_db.supervision.beats import HeartbeatReceiver, Source
from autogpt_db.supervision.kinds import (
    ApiProcess,
    PostgresqlProcess,
    ReportingProcess,
    WorkerProcess,
)
from autogpt_db.supervision.options import Listeners
from autogpt_db.supervision.process import Restart, States, SupervisedProcess
from autogpt_db.supervision.programs import Program

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator, Mapping

    from supervisor.options import ProcessConfig, ProcessGroupConfig

    from autogpt_db.database.provisioning.embedded import EmbeddedServer
    from autogpt_db.settings import Settings
    from autogpt_db.supervision.counting import TreeMetrics
    from autogpt_db.supervision.options import Options

_CLASSES: dict[str, type[SupervisedProcess]] = {
    "api": ApiProcess,
    "worker": WorkerProcess,
    "postgresql": PostgresqlProcess,
}

_TO_BE_HEARD = frozenset({States.STARTING, States.RUNNING, States.BACKOFF})


class Tree(Supervisor):  # type: ignore[misc]
    """The tree of processes.

    Attributes:
        settings: What is in effect; a reload replaces it.
        started_with: What was in effect at the start: not all of it can be reloaded.
        embedded: The private PostgreSQL, if there is one.
        inherited: Whether the listening sockets are systemd's.
        database: The database's address.
        each_turn: What is called at each turn of the loop.
        subscriptions: Kinds of Supervisor's events, and who is called for them.
        notice: What an operator should know of the last reload.
        words: Returns the tree's state in a sentence.
        request_reload: Asks for a rolling restart and returns its number.
        request_restart: Asks for one process to be restarted in its turn; returns how that goes.
        reload_outcome: Returns what went wrong with the one of that number; None: not done yet.
        refuse_reload: Logs why one is refused, and shows it in the words given.
        stop_reason: The signal that asked to stop.
        metrics: Where starts and ends are counted.
        served: Everything of ours has been ready once, so that others may start.
    """

    def __init__(
        self,
        options: Options,
        settings: Settings,
        listeners: list[socket.socket],
        embedded: EmbeddedServer | None,
    ) -> None:
        super().__init__(options)
        self.settings = self.started_with = settings
        self.embedded = embedded
        self.listeners = listeners
        self.inherited = False
        self.database = ""
        self.stop_groups: list[Group] | None = None
        self.stop_signals = 0
        self.stop_reason: str | None = None
        self.served = False
        self.metrics: TreeMetrics | None = None
        self.each_turn: list[Callable[[], None]] = []
        self.subscriptions: list[tuple[type, Callable[[Any], None]]] = []
        self.notice: str | None = None
        self.words: Callable[[], str] = str
        self.request_reload: Callable[[], int] = int
        self.request_restart: Callable[[ReportingProcess], Restart] = Restart
        self.reload_outcome: Callable[[int], list[str] | None] = lambda _number: None
        self.refuse_reload: Callable[[tuple[str, ...], str], None] = lambda _problems, _notice: None
        options.poller.next_due = self._next_due
        self._heartbeats = HeartbeatReceiver(settings.paths.runtime, options.pidhistory)
        self._wake_reader, self._wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    # Life --------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run until everything has stopped."""
        wake = Source(self._wake_reader, self._drain_wake)
        sources = {source.fd: source for source in (wake, self._heartbeats.source)}
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
            self._heartbeats.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    def runforever(self) -> None:
        """Subscribe, now that Supervisor has cleared all subscriptions, and turn the loop."""
        for kind, callback in self.subscriptions:
            events.subscribe(kind, callback)
        # Replaces stock behaviour: the first start waits until the first poll has timed out.
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()

    def processes(self) -> Iterator[SupervisedProcess]:
        """Yield every process, in the order of their start."""
        for group in sorted(self.process_groups.values()):
            for name in sorted(group.processes):
                yield group.processes[name]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """Return what a child says of AutoGPT's schema; None where none does."""
        told = (getattr(process, "schema", None) for process in self.processes())
        return next(filter(None, told), None)

    def release_programs(self) -> None:
        """Start what has waited until everything of ours was ready."""
        for process in self.processes():
            if isinstance(process, Program):
                process.held = False
                process.transition()

    def hears_nobody(self, *, before: bool) -> bool:
        """Tell whether children live and not one has been heard for longer than that can be.

        A single one that hangs is replaced within that time, so it is main that cannot hear.

        Args:
            before: What was told last; it takes a beat to change that.
        """
        supervision = self.settings.supervision
        now = clock.now()
        children = [
            each
            for each in self.processes()
            if isinstance(each, ReportingProcess) and each.state in _TO_BE_HEARD
        ]
        if not children:  # all are draining, or were stopped by an operator
            self._heartbeats.last_heard = now
        longest = supervision.heartbeat_timeout + supervision.ready_timeout
        return now - self._heartbeats.last_heard > longest and (
            before
            or any(
                child.pid and now - child.laststart > supervision.heartbeat_timeout
                for child in children
            )
        )

    @property
    def stopping_now(self) -> bool:
        """Tell whether the tree was asked to stop."""
        return bool(self.options.mood < SupervisorStates.RUNNING)

    # Groups ------------------------------------------------------------------------------------

    def add_process_group(self, config: ProcessGroupConfig) -> bool:
        """Add a group, made of our own kinds of process."""
        if config.name in self.process_groups:
            return False
        config.after_setuid()
        group = _GROUPS.get(config.name, Group)(config, self)
        self.process_groups[config.name] = group
        events.notify(events.ProcessGroupAddedEvent(config.name))
        return True

    def make_process(self, group: ProcessGroup, config: ProcessConfig) -> SupervisedProcess:
        """Return a new process of the kind that its group is of."""
        kind = _CLASSES.get(group.config.name, Program)
        process = kind(config)
        process.group = group
        if isinstance(process, Program):
            process.held = not self.served
        process.metrics = self.metrics
        self.apply_settings(process)
        if isinstance(process, PostgresqlProcess) and self.embedded is not None:
            process.status_file = self.embedded.directory / "postmaster.pid"
            process.adopt(self.embedded.pid)
        return process

    def apply_settings(self, process: SupervisedProcess) -> None:
        """Give a process the bounds that are in effect."""
        supervision = self.settings.supervision
        process.backoff_max = supervision.backoff_max
        process.ready_timeout = supervision.ready_timeout
        process.heartbeat_timeout = supervision.heartbeat_timeout

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


class Group(ProcessGroup):  # type: ignore[misc]
    """Processes of one program."""

    def __init__(self, config: ProcessGroupConfig, tree: Tree) -> None:
        self.config = config
        self.processes: dict[str, Any] = {
            process.name: tree.make_process(self, process) for process in config.process_configs
        }

    def get_unstopped_processes(self) -> list[SupervisedProcess]:
        """Return those that still run; one that waits for its restart has stopped when asked."""
        return [
            process
            for process in self.processes.values()
            if process.state not in {States.STOPPED, States.EXITED, States.FATAL, States.UNKNOWN}
        ]


class ApiGroup(Group, FastCGIProcessGroup):  # type: ignore[misc]
    """Processes that share the listening sockets."""

    def __init__(self, config: ProcessGroupConfig, tree: Tree) -> None:
        self.socket_manager = Listeners(tree.listeners)
        Group.__init__(self, config, tree)


_GROUPS: dict[str, type[Group]] = {"api": ApiGroup}
