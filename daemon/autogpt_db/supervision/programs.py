"""Programs that are not ours: started after us, stopped before us, restarted and logged like us."""

from __future__ import annotations

import os

from autogpt_db.supervision.process import States, SupervisedProcess

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

    awaited = False
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
