"""`check` as the service would make it: systemd starts it with what the unit says."""

from __future__ import annotations

import os
import pwd
import re
import subprocess
from contextlib import suppress
from typing import NamedTuple

from autogpt_db.supervision.unit import UNIT, all_settings, systemctl_show, unit_settings

_SECONDS = 150.0
_REFUSED = 1
"""Exit code of systemd-run itself, where it starts nothing."""
_OF_SYSTEMD = range(200, 244)
"""Exit codes for what happens before a program begins: systemd.exec(5)."""
_LIFE = re.compile(
    r"Type|NotifyAccess|Exec\w+|Timeout\w+|KillMode|WatchdogSec|Restart\w*|OOMPolicy|Standard\w+"
    r"|(State|Runtime|Logs|Configuration|Cache)Directory\w*|LogRateLimit\w+|Sockets|PIDFile"
    r"|FileDescriptorStoreMax|SuccessExitStatus|RemainAfterExit|GuessMainPID|NonBlocking"
)
"""Settings of how a service lives, and of directories that systemd would make, or remove."""


class Checked(NamedTuple):
    """What a check said that was made as the service.

    Attributes:
        how: How it was made, for people.
        said: What it found, a line each.
        problems: What would keep the service from serving, a line each.
        code: Its exit code.
    """

    how: str
    said: list[str]
    problems: list[str]
    code: int


def check_as_service() -> Checked | None:
    """Return what the service itself would find; None where nobody can be it from here.

    That takes root, and the service's unit.
    """
    if os.geteuid() != 0 or not _has_unit():
        return None
    command = unit_settings("ExecStart")
    if not command:
        return None
    properties = [
        f"--property={name}={value}" for name, value in all_settings() if not _LIFE.fullmatch(name)
    ]
    try:
        done = subprocess.run(
            [
                "systemd-run", "--quiet", "--pipe", "--wait", "--collect", "--service-type=exec",
                *properties, "--", command[-1].lstrip("@-:+!").split()[0], "check", "--here",
            ],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return None
    if done.returncode == _REFUSED and not done.stdout:
        return None
    problems = done.stderr.splitlines()
    if done.returncode in _OF_SYSTEMD:
        problems.append(
            f"autogpt-db: systemd cannot start a program as {UNIT}: exit code {done.returncode} "
            "(systemd.exec(5) says what that means). What its unit and its drop-ins say is shown "
            "by: systemctl cat autogpt-db."
        )
    how = f"checked as {UNIT} would: its account, its sandbox, its credentials"
    return Checked(how, done.stdout.splitlines()[1:], problems, done.returncode)


def how_here() -> str:
    """Return how a check is made that isn't made as the service, for people."""
    name = str(os.geteuid())
    with suppress(KeyError):
        name = pwd.getpwuid(os.geteuid()).pw_name
    outside = f", and not as {UNIT} would" if _has_unit() else ""
    return f"checked as {name}, in this environment{outside}"


def _has_unit() -> bool:
    return systemctl_show("LoadState").get("LoadState") == "loaded"
