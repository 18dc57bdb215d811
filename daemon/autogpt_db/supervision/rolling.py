"""A rolling restart: new settings, one process at a time, nobody refused."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError
from autogpt_db.listening import address_of, serves
from autogpt_db.logs import copy_records
from autogpt_db.logs.events import processes as log
from autogpt_db.logs.events import starting
from autogpt_db.settings import Settings, write_effective
from autogpt_db.supervision.configuration import render, write_configuration
from autogpt_db.supervision.kinds import ReportingProcess
from autogpt_db.supervision.process import Restart, States
from autogpt_db.supervision.program_changes import ProgramChanges
from autogpt_db.supervision.program_files import ProgramGroup
from autogpt_db.supervision.systemd import notify, notify_reloading

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from autogpt_db.supervision.process import SupervisedProcess
    from autogpt_db.supervision.process_table import ProcessTable

_NEEDS_RESTART = (
    "state_directory",
    "runtime_directory",
    "database.url",
    "api.host",
    "api.port",
)
_ADDRESS = ("api.host", "api.port")

_REMEMBERED = 20


class RollingRestart:
    """Reload when asked, at each turn of Supervisor's loop.

    Replaces stock behaviour: a reload stops everything, closes the sockets, and starts again.

    Args:
        table: The processes.
        reload: Reads the settings anew; raises `ConfigurationError`.
        address: `host:port` of the listening socket, for the configuration.
    """

    def __init__(self, table: ProcessTable, reload: Callable[[], Settings], address: str) -> None:
        self._table = table
        self._reload = reload
        self._address = address
        self._waiting: list[SupervisedProcess] = []
        self._before: dict[str, int] = {}
        self._current: SupervisedProcess | None = None
        self.running = False
        self._begun = 0
        self._beyond: tuple[str, ...] = ()
        self._outcomes: dict[int, list[str]] = {}
        self._programs = ProgramChanges(table)
        self._restarts: deque[Restart] = deque()
        self._restart: Restart | None = None

    def request(self) -> int:
        """Ask for a reload; return the number by which `outcome` knows it."""
        self._table.options.reload_requested = True
        return self._begun + 1

    def restart(self, process: ReportingProcess) -> Restart:
        """Ask for one process to be restarted, after those before it; the settings stay."""
        restart = Restart(process)
        self._restarts.append(restart)
        return restart

    def outcome(self, number: int) -> list[str] | None:
        """Return why a reload failed, nothing where it did not; None while it goes on."""
        return self._outcomes.get(number)

    def refuse(self, problems: tuple[str, ...], notice: str) -> None:
        """Log why a reload is refused; the words are shown until one succeeds.

        Args:
            problems: A sentence each.
            notice: Words for the state.
        """
        for problem in problems:
            starting.configuration_invalid(problem=problem)
        log.reload_refused(reason="the settings before stay in effect")
        self._table.notice = notice

    def __call__(self) -> None:
        """Take the next step, if there is one."""
        options = self._table.options
        if self._table.stopping_now:
            return
        if options.reload_requested and not self.running:
            options.reload_requested = False
            self._begin()
        elif self.running:
            self._go_on()
        elif self._restarts:
            self._restart = self._restarts.popleft()
            self.running = True
            self._await([self._restart.process])
            self._names = {self._restart.process.name}

    def _begin(self) -> None:
        self._begun += 1
        notify_reloading()
        log.reloading()
        try:
            self._take(self._reload())
        except ConfigurationError as error:
            self.refuse(error.problems, "the last reload was refused (see the log)")
            self._note([*error.problems])
            notify("READY=1")
            return
        self.running = True
        self._await([p for p in self._table.processes() if isinstance(p, ReportingProcess)])

    def _await(self, processes: Sequence[SupervisedProcess]) -> None:
        """Have processes restarted one after the other, those that run as they are now."""
        self._waiting = [*processes]
        self._before = {process.name: process.pid for process in processes}

    def _take(self, settings: Settings) -> None:
        table = self._table
        changed = [
            path
            for path in _NEEDS_RESTART
            if _value(settings, path) != _value(table.started_with, path)
            and not (table.inherited and path in _ADDRESS)
        ]
        warn_of_unused_address(table, settings)
        for path in changed:
            log.restart_needed(option=path, reason="a reload cannot change it")
        self._beyond = tuple(changed)
        runtime = table.settings.paths.runtime
        text = render(settings, self._address, table.embedded)
        write_configuration(text, runtime)
        write_effective(settings, runtime)
        if settings.admin.enabled:
            copy_records(runtime)  # who looks at the log live sees main's, too
        table.options.supervision = settings.supervision
        table.options.process_config(do_usage=False)
        table.settings = settings
        self._programs.begin()
        for config in table.options.process_group_configs:
            if isinstance(config, ProgramGroup):
                continue
            group = table.groups.get(config.name)
            if group is None:
                table.add_group(config)
                continue
            group.config = config
            wanted = {process.name: process for process in config.process_configs}
            for name, process_config in wanted.items():
                if name in group.processes:
                    group.processes[name].config = process_config
                    table.apply_settings(group.processes[name])
                else:
                    group.processes[name] = table.make_process(group, process_config)
        self._names = {
            process.name
            for config in table.options.process_group_configs
            for process in config.process_configs
        }

    def _go_on(self) -> None:
        process = self._current
        if process is None and self._waiting:
            process = self._current = self._waiting.pop(0)
            # One that is to stay, and was started meanwhile, has the new settings.
            is_new = process.name in self._names and process.pid != self._before[process.name]
            if process.state in {States.RUNNING, States.STARTING} and not is_new:
                process.stop()
        if process is not None:
            self._follow(process)
        elif self._restart is not None:
            self._end_restart(self._restart)
        elif self._programs.step():
            faults = self._table.options.programs.faults.items()
            left_out = [f"{path}: {fault}" for path, fault in faults]
            left_out += [
                f"{path}: changed, and a reload cannot change it; the rest was reloaded. Restart "
                "the service (`systemctl restart autogpt-db`)."
                for path in self._beyond
            ]
            self._finish(left_out=left_out)

    def _follow(self, process: SupervisedProcess) -> None:
        """Start the one that has stopped, and see what becomes of it."""
        if process.serves or self._nothing_lost_by(process):
            self._current = None
        elif process.state == States.STOPPED:
            if process.name in self._names:
                process.spawn()
            else:
                del process.group.processes[process.name]
                self._current = None
        elif process.state == States.BACKOFF and process.failures > 1 and not process.awaited:
            self._current = None  # those behind it serve without it
        elif process.state == States.BACKOFF and process.failures > 1:
            # The others keep serving with what they have; this one is tried again for ever.
            reason = f"its new process fails ({process.last_exit}); the others were left alone"
            if self._restart is not None:
                self._end_restart(self._restart, f"{process.name}: {reason}")
                return
            log.reload_stopped(child=process.name, reason=reason)
            self._table.notice = f"the last reload stopped at {process.name} (see the log)"
            self._finish(f"{process.name}: {reason}")

    def _nothing_lost_by(self, process: SupervisedProcess) -> bool:
        """Tell whether one that is up and cannot work is no worse than the others: an outage."""
        others = [p for p in self._table.processes() if isinstance(p, ReportingProcess)]
        return (
            isinstance(process, ReportingProcess)
            and process.state in {States.STARTING, States.RUNNING}
            and process.up
            and not any(other.serves for other in others)
        )

    def _end_restart(self, restart: Restart, problem: str | None = None) -> None:
        """End the restart of one process; a failure ends those that wait behind it as well."""
        ended = [restart]
        if problem is not None:
            ended += self._restarts
            self._restarts.clear()
        for each in ended:
            each.ended, each.problem = True, problem
        self._restart = self._current = None
        self._waiting = []
        self.running = False

    def _finish(self, *problems: str, left_out: Sequence[str] = ()) -> None:
        self.running = False
        self._current = None
        self._waiting = []
        if not problems:
            named = ", ".join(self._beyond)
            self._table.notice = f"{named} changed, which needs a restart" if named else None
            log.reloaded()
        self._note([*problems, *left_out])
        notify("READY=1")

    def _note(self, problems: list[str]) -> None:
        self._outcomes[self._begun] = problems
        self._outcomes.pop(self._begun - _REMEMBERED, None)


def warn_of_unused_address(table: ProcessTable, settings: Settings) -> None:
    """Say that the socket's unit decides where systemd listens, if the settings say otherwise."""
    api, usual = settings.api, Settings().api
    unused = [
        path
        for path, given, default in (
            ("api.host", api.host, usual.host),
            ("api.port", api.port, usual.port),
        )
        if given != default
    ]
    listening = [address_of(listener) for listener in table.listeners]
    if table.inherited and unused and not any(serves(one, api.host, api.port) for one in listening):
        log.address_not_used(
            options=", ".join(unused),
            address=", ".join(listening),
            remedy="systemd listens: systemctl edit autogpt-db.socket, and ListenStream=",
        )


def _value(settings: Settings, path: str) -> object:
    value: object = settings
    for name in path.split("."):
        value = getattr(value, name)
    return value
