"""Programs that are not ours: started after us, stopped before us, restarted and logged like us."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from autogpt_db.logs.events import processes as log
from autogpt_db.supervision.process import States, SupervisedProcess
from autogpt_db.supervision.program_files import ProgramGroup

if TYPE_CHECKING:
    from autogpt_db.supervision.tree import Tree

# What systemd or libpq say to the daemon, and what would mislead anybody else.
_PREFIXES = ("AUTOGPT_DB_", "PG")
_NAMES = frozenset(
    {
        "CACHE_DIRECTORY",
        "CONFIGURATION_DIRECTORY",
        "JOURNAL_STREAM",
        "LOGS_DIRECTORY",
        "MAINPID",
        "MANAGERPID",
        "RUNTIME_DIRECTORY",
        "STATE_DIRECTORY",
        "SYSTEMD_EXEC_PID",
    }
)


class Program(SupervisedProcess):
    """A process of `[program:x]` in programs.d.

    Attributes:
        held: The service isn't ready yet, so neither may this be started.
    """

    held = True
    umask = 0o022
    """As main found it: what others write is theirs to share."""

    def _spawn_as_child(self, filename: str, argv: list[str]) -> None:
        """Become the program, with the umask that main was started with."""
        os.umask(self.umask)
        super()._spawn_as_child(filename, argv)

    def transition(self) -> None:
        """Go on to the next state if it is time; start only once the service serves."""
        if not (self.held and self.state == States.STOPPED):
            super().transition()

    def inherits(self, name: str) -> bool:
        """Tell whether a variable of main's is for this process as well: no secret of ours is."""
        return super().inherits(name) and not name.startswith(_PREFIXES) and name not in _NAMES

    @property
    def idle_by_design(self) -> bool:
        """Tell whether it is right that this doesn't run: held, not to be started, or finished."""
        if self.state == States.STOPPED and not self.laststart:
            return self.held or not self.config.autostart
        return self.state == States.EXITED and self.exitstatus in self.config.exitcodes


class ProgramChanges:
    """Bring the programs that run in line with the files, at a reload.

    A program that is as it was is left alone.

    Args:
        tree: The tree of processes.
    """

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._leaving: list[str] = []

    def begin(self) -> None:
        """Stop what is gone or has changed; start what is new."""
        wanted = self._wanted()
        groups = self._tree.process_groups
        programs = [
            name for name, group in groups.items() if isinstance(group.config, ProgramGroup)
        ]
        self._leaving = [name for name in programs if wanted.get(name) != groups[name].config]
        for name in self._leaving:
            (log.program_changed if name in wanted else log.program_removed)(child=name)
        for name, config in wanted.items():
            if name not in groups:
                log.program_added(child=name)
                self._tree.add_process_group(config)

    def step(self) -> bool:
        """Go on; tell whether everything is done."""
        wanted = self._wanted()
        for name in list(self._leaving):
            group = self._tree.process_groups.get(name)
            for process in group.processes.values() if group is not None else ():
                if process.state in {States.RUNNING, States.STARTING, States.BACKOFF}:
                    process.stop()
            if group is None or self._tree.remove_process_group(name):
                self._leaving.remove(name)
                if name in wanted:
                    self._tree.add_process_group(wanted[name])
        return not self._leaving

    def _wanted(self) -> dict[str, ProgramGroup]:
        configs = self._tree.options.process_group_configs
        return {config.name: config for config in configs if isinstance(config, ProgramGroup)}
