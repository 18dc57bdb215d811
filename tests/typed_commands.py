"""Commands that are typed in this process: to start the program takes longer than most of them."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner

from autogpt_db.cli.commands import commands
from postgres_server import with_schema

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

    from daemon_process import DaemonProcess


def typed(daemon: DaemonProcess, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a subcommand with a daemon's configuration, as its `run` does by the program."""
    arguments = [*daemon.set_arguments(), *words]
    environment = dict.fromkeys(os.environ) | daemon.environment
    done = CliRunner().invoke(commands, arguments, env=environment, catch_exceptions=False)
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)


class TypedCommands:
    """Types the commands of one group, which look something up in a database.

    Args:
        group: Its name.
        url: The database.
        directory: Where the settings and the state are.
    """

    def __init__(self, group: str, url: str, directory: Path) -> None:
        file = directory / "autogpt-db.toml"
        file.write_text(f'state_directory = "{directory}"\nruntime_directory = "{directory}/run"\n')
        self.group, self.url = group, url
        self._environment = {"DATABASE_URL": with_schema(url), "AUTOGPT_DB_CONFIG": str(file)}

    def types(self, *words: str) -> Result:
        return CliRunner().invoke(commands, [self.group, *words], env=self._environment)

    def reads(self, *words: str) -> Any:
        """Return the JSON that a command prints."""
        done = self.types(*words, "--json")
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)
