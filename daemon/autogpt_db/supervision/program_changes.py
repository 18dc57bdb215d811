"""What a reload changes among the programs that are not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.logs.events import processes as log
from autogpt_db.supervision.process import States
from autogpt_db.supervision.program_files import ProgramGroup

if TYPE_CHECKING:
    from autogpt_db.supervision.process_table import ProcessTable


class ProgramChanges:
    """Bring the programs that run in line with the files, at a reload.

    A program that is as it was is left alone.

    Args:
        table: The processes.
    """

    def __init__(self, table: ProcessTable) -> None:
        self._table = table
        self._leaving: list[str] = []

    def begin(self) -> None:
        """Stop what is gone or has changed; start what is new."""
        wanted = self._wanted()
        groups = self._table.groups
        programs = [
            name for name, group in groups.items() if isinstance(group.config, ProgramGroup)
        ]
        self._leaving = [name for name in programs if wanted.get(name) != groups[name].config]
        for name in self._leaving:
            (log.program_changed if name in wanted else log.program_removed)(child=name)
        for name, config in wanted.items():
            if name not in groups:
                log.program_added(child=name)
                self._table.add_group(config)

    def step(self) -> bool:
        """Go on; tell whether everything is done."""
        wanted = self._wanted()
        for name in list(self._leaving):
            group = self._table.groups.get(name)
            for process in group.processes.values() if group is not None else ():
                if process.state in {States.RUNNING, States.STARTING, States.BACKOFF}:
                    process.stop()
            if group is None or self._table.remove_group(name):
                self._leaving.remove(name)
                if name in wanted:
                    self._table.add_group(wanted[name])
        return not self._leaving

    def _wanted(self) -> dict[str, ProgramGroup]:
        configs = self._table.options.process_group_configs
        return {config.name: config for config in configs if isinstance(config, ProgramGroup)}
