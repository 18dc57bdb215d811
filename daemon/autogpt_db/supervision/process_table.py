"""What the tree is made of: its processes, and what is in effect for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from supervisor import events
from supervisor.process import FastCGIProcessGroup, ProcessGroup
from supervisor.states import SupervisorStates

from autogpt_db.supervision import clock
from autogpt_db.supervision.beats import HeartbeatReceiver
from autogpt_db.supervision.kinds import (
    AdminProcess,
    ApiProcess,
    PostgresqlProcess,
    ReportingProcess,
    WorkerProcess,
)
from autogpt_db.supervision.options import Listeners
from autogpt_db.supervision.process import States, SupervisedProcess
from autogpt_db.supervision.programs import Program

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Mapping, Sequence

    from supervisor.options import ProcessConfig, ProcessGroupConfig

    from autogpt_db.database.provisioning.embedded import EmbeddedServer
    from autogpt_db.settings import Settings
    from autogpt_db.supervision.counting import TreeMetrics
    from autogpt_db.supervision.options import Options

_CLASSES: dict[str, type[SupervisedProcess]] = {
    "api": ApiProcess,
    "worker": WorkerProcess,
    "admin": AdminProcess,
    "postgresql": PostgresqlProcess,
}

_TO_BE_HEARD = frozenset({States.STARTING, States.RUNNING, States.BACKOFF})


class ProcessTable:
    """The processes of the tree, by groups.

    Attributes:
        options: What Supervisor was told.
        settings: What is in effect; a reload replaces it.
        started_with: What was in effect at the start: not all of it can be reloaded.
        listeners: The listening sockets.
        inherited: Whether they are systemd's.
        embedded: The private PostgreSQL, if there is one.
        metrics: Where starts and ends are counted.
        beats: Where children are heard.
        groups: The groups, by name.
        served: Everything of ours has been ready once, so that others may start.
        notice: What an operator should know of the last reload.
    """

    def __init__(
        self,
        options: Options,
        settings: Settings,
        listeners: Sequence[socket.socket],
        metrics: TreeMetrics,
        *,
        inherited: bool,
        embedded: EmbeddedServer | None,
    ) -> None:
        """Begin without a process.

        Args:
            options: What Supervisor was told.
            settings: What is in effect.
            listeners: The listening sockets.
            metrics: Where starts and ends are counted.
            inherited: Whether the sockets are systemd's.
            embedded: The private PostgreSQL, if there is one.
        """
        self.options = options
        self.settings = self.started_with = settings
        self.listeners = listeners
        self.inherited = inherited
        self.embedded = embedded
        self.metrics = metrics
        self.beats = HeartbeatReceiver(settings.paths.runtime, options.pidhistory)
        self.groups: dict[str, Any] = {}
        self.served = False
        self.notice: str | None = None

    def processes(self) -> Iterator[SupervisedProcess]:
        """Yield every process, in the order of their start."""
        for group in sorted(self.groups.values()):
            for name in sorted(group.processes):
                yield group.processes[name]

    @property
    def schema(self) -> Mapping[str, Any] | None:
        """Return what a child says of AutoGPT's schema; None where none does."""
        told = (getattr(process, "schema", None) for process in self.processes())
        return next(filter(None, told), None)

    def show(self) -> None:
        """Say in the figures which processes there are, and which run."""
        self.metrics.show({each.name: each.state == States.RUNNING for each in self.processes()})

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
            self.beats.last_heard = now
        longest = supervision.heartbeat_timeout + supervision.ready_timeout
        return now - self.beats.last_heard > longest and (
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

    def add_group(self, config: ProcessGroupConfig) -> bool:
        """Add a group, made of our own kinds of process; tell whether there was none."""
        if config.name in self.groups:
            return False
        config.after_setuid()
        self.groups[config.name] = _GROUPS.get(config.name, Group)(config, self)
        events.notify(events.ProcessGroupAddedEvent(config.name))
        return True

    def remove_group(self, name: str) -> bool:
        """Remove a group, unless one of its processes still runs; tell whether it is gone."""
        if self.groups[name].get_unstopped_processes():
            return False
        self.groups.pop(name).before_remove()
        events.notify(events.ProcessGroupRemovedEvent(name))
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


class Group(ProcessGroup):  # type: ignore[misc]
    """Processes of one program."""

    def __init__(self, config: ProcessGroupConfig, table: ProcessTable) -> None:
        self.config = config
        self.processes: dict[str, Any] = {
            process.name: table.make_process(self, process) for process in config.process_configs
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

    def __init__(self, config: ProcessGroupConfig, table: ProcessTable) -> None:
        self.socket_manager = Listeners(list(table.listeners))
        Group.__init__(self, config, table)


_GROUPS: dict[str, type[Group]] = {"api": ApiGroup}
