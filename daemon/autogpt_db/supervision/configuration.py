"""The tree in Supervisor's own language, rendered into the runtime directory.

`etc/supervisord.conf` is the tree; its numbers and paths come in as `%(ENV_AUTOGPT_DB_TREE_…)s`.
What is rendered has none of them left, because the `[supervisorctl]` section expands no
environment and because an operator's shell doesn't have ours: `supervisorctl -c` works on it.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from autogpt_db.database.provisioning.embedded import EmbeddedServer
    from autogpt_db.settings import Settings

FILE_NAME = "supervisord.conf"
CONTROL_SOCKET = "supervisor.sock"

_LONGEST_SOCKET_PATH = 107  # unix(7): sun_path has 108 bytes, one of them the final zero
_VARIABLE = re.compile(r"%\(ENV_AUTOGPT_DB_TREE_(\w+)\)s")

_POSTGRESQL = """
[program:postgresql]
; The private PostgreSQL. It is running already when Supervisor starts: main has proven the database
; with it, and Supervisor adopts it. First to start, last to stop.
command={command}
environment={environment}
{user}directory={directory}
priority=10
autorestart=true
startsecs=1
startretries=1000000000
stopsignal=INT
stopwaitsecs=60
redirect_stderr=true
stdout_events_enabled=true
stdout_logfile={log}
stdout_logfile_maxbytes=1MB
stdout_logfile_backups=1
"""


def packaged_text() -> str:
    """Return `etc/supervisord.conf` as installed with the program, or from the source tree."""
    installed = resources.files("autogpt_db").joinpath("etc", FILE_NAME)
    if installed.is_file():
        return installed.read_text("utf-8")
    return Path(__file__).parents[3].joinpath("etc", FILE_NAME).read_text("utf-8")


def render(settings: Settings, address: str, embedded: EmbeddedServer | None) -> str:
    """Return the effective configuration of the tree.

    Args:
        settings: Numbers and directories.
        address: `host:port` of the listening socket.
        embedded: The private server, if there is one.
    """
    runtime = settings.paths.runtime
    values = {
        "ADDRESS": address,
        "API_PROCESSES": str(settings.api.processes),
        # Supervisor kills a child that takes longer; its own bound comes first.
        "API_STOP_SECONDS": str(int(settings.api.drain_timeout) + 5),
        "PROGRAM": shlex.join([sys.executable, "-P", "-m", "autogpt_db"]),
        "RUNTIME": str(runtime),
        "WORKER_PROCESSES": str(settings.worker.processes),
        "WORKER_STOP_SECONDS": str(int(settings.worker.stop_timeout) + 10),
    }
    text = _VARIABLE.sub(lambda found: _escaped(values[found[1]]), packaged_text())
    if settings.worker.processes == 0:
        # Supervisor reads numprocs=0 as a program without processes, and shows an empty group.
        text = _without("worker", text)
    if not settings.admin.enabled:
        text = _without("admin", text)
    if embedded is not None:
        text += _POSTGRESQL.format(
            command=_escaped(shlex.join(embedded.command)),
            environment=_escaped(
                ",".join(f'{name}="{value}"' for name, value in embedded.environment.items())
            ),
            user="" if embedded.user_id is None else f"user={embedded.user_id}\n",
            directory=_escaped(str(embedded.directory)),
            log=_escaped(str(runtime / "postgresql.log")),
        )
    return text


def write_configuration(text: str, runtime: Path) -> Path:
    """Write the rendered configuration where `supervisorctl -c` finds it; the owner alone reads it.

    Raises:
        ConfigurationError: The directory's path is too long for a socket, or has a percent sign.
    """
    if "%" in str(runtime):
        # Supervisor expands some values once and others twice, so no way of writing it is right.
        raise ConfigurationError(
            f"runtime_directory: {runtime} has a percent sign, which Supervisor cannot bear. "
            "Choose another."
        )
    socket_path = str(runtime / f"{CONTROL_SOCKET}.new")  # what it is called at first
    if len(socket_path.encode()) > _LONGEST_SOCKET_PATH:
        raise ConfigurationError(
            f"runtime_directory: {runtime} is too long a path: the control socket's would have "
            f"more than {_LONGEST_SOCKET_PATH} bytes. Choose a shorter one."
        )
    target = runtime / FILE_NAME
    temporary = runtime / f".{FILE_NAME}"
    temporary.touch(0o600)
    temporary.write_text(text, "utf-8")
    temporary.replace(target)
    return target


def _without(program: str, text: str) -> str:
    return re.sub(rf"\[program:{program}\]\n(?:.+\n)+", "", text)


def _escaped(value: str) -> str:
    if "\n" in value or " ;" in value:
        raise ConfigurationError(
            f"{value!r} cannot stand in Supervisor's configuration: choose a path without it."
        )
    return value.replace("%", "%%")
