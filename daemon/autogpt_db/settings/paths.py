"""The directories of the service, where nothing else is said."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import NamedTuple

SYSTEM_STATE = Path("/var/lib/autogpt-db")
PROGRAMS_DIRECTORY = Path("/etc/autogpt-db/programs.d")


class Paths(NamedTuple):
    """The directories this daemon writes to.

    Attributes:
        state: Data that must outlive a reboot.
        runtime: Sockets and the effective configuration; its content goes with the daemon.
    """

    state: Path
    runtime: Path


def default_state_directory() -> Path:
    """Return the directory for data: systemd's, root's, or the user's own."""
    # systemd may name several, separated by colons; the first is ours.
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if os.geteuid() == 0 or _is_the_service_s():
        return SYSTEM_STATE
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "autogpt-db"


def default_runtime_directory(state: Path) -> Path:
    """Return the directory for sockets, for a daemon with its data in `state`."""
    given = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    if state != default_state_directory():
        # A state directory of one's own gets a runtime directory of its own: two daemons on
        # one machine must not share sockets.
        return state / "run"
    if os.geteuid() == 0 or _is_the_service_s():
        return Path("/run/autogpt-db")
    home = os.environ.get("XDG_RUNTIME_DIR")
    return Path(home) / "autogpt-db" if home else state / "run"


def is_there(path: Path) -> bool:
    """Tell whether there is something, as far as one may look: behind a closed door there may be.

    Who then opens it is told that it may not.

    Args:
        path: A file or a directory.
    """
    try:
        return path.exists()
    except PermissionError:
        return True


def _is_the_service_s() -> bool:
    """Tell whether this account is the one that the system's service runs under."""
    try:
        return Path(pwd.getpwuid(os.geteuid()).pw_dir) == SYSTEM_STATE
    except KeyError:
        return False
