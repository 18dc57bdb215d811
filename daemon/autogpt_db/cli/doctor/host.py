"""Is the machine fit: credentials, permissions, room, clock, limits?"""

from __future__ import annotations

import difflib
import os
import pwd
import resource
import stat
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.cli.directories import refuse_unusable
from autogpt_db.cli.doctor.findings import Finding
from autogpt_db.database.provisioning.embedded.account import EVERYBODYS
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings.catalog import options
from autogpt_db.settings.sources import DEFAULT_FILE, SYSTEM_CREDENTIALS
from autogpt_db.supervision.credentials import changed_credentials
from autogpt_db.supervision.unit import has_socket_unit, systemctl_show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.doctor.findings import Situation

_LEAST_FREE, _LITTLE_FREE = 256 * 1024 * 1024, 2 * 1024**3
_LEAST_SHARE, _LITTLE_SHARE = 0.02, 0.10
_LARGEST_SKEW = 5.0
_CLIENTS = 4096
"""Connections of clients that each API process should be able to have."""
_FULL = 0.9


def credentials(situation: Situation) -> Iterator[Finding]:
    """Look at the files of secrets: known names, content, and nobody else's to read."""
    directory = SYSTEM_CREDENTIALS
    names = {option.path.replace(".", "_") for option in options().values() if option.secret}
    try:
        files = sorted(directory.iterdir())
        for path in files:
            yield from _credential(path, names)
        if files:
            yield Finding("ok", "credentials", f"{len(files)} in {directory}")
    except FileNotFoundError:
        pass
    except PermissionError:
        text = f"{directory} is closed to you, so its secrets are not seen here"
        yield Finding("warn", "credentials", text, "Run this as root.")
    changed = changed_credentials(situation.tree) if situation.tree else []
    if changed:
        text = f"{', '.join(changed)} changed since the service was started, and it has the old one"
        yield Finding("warn", "credentials", text, "systemctl restart autogpt-db")
    origins = situation.loaded.origins
    for option in options().values():
        if not option.secret:
            continue
        origin = origins.get(option.path, "")
        path = Path(origin)
        if path.is_absolute() and path.exists() and path.stat().st_mode & 0o004:
            text = f"{option.path} is a secret, and everybody may read {path}"
            remedy = f"Move it to {directory}/{option.path.replace('.', '_')}, or: chmod 640 {path}"
            yield Finding("fail", "credentials", text, remedy)
        elif origin == "command line":
            text = f"{option.path} stands on the command line, which everybody may read"
            yield Finding("warn", "credentials", text, "Give it as a credential or in a file.")


def _credential(path: Path, names: set[str]) -> Iterator[Finding]:
    status = path.stat()
    if path.name not in names:
        near = difflib.get_close_matches(path.name, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "Remove it."
        yield Finding("warn", "credentials", f"{path} is named like no secret", hint)
    elif not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        yield Finding("fail", "credentials", f"{path} is empty", "Write the secret, or remove it.")
    elif status.st_mode & 0o077:
        text = f"{path} is open to others (mode {status.st_mode & 0o777:04o})"
        yield Finding("warn", "credentials", text, f"chmod 600 {path}")


def permissions(situation: Situation) -> Iterator[Finding]:
    """Look who owns the directories, and who may write to them and to the configuration."""
    paths = situation.settings.paths
    sound = True
    if not has_socket_unit() and not situation.problems:  # whose unit makes the directories
        try:
            refuse_unusable(situation.settings, embedded=situation.target.embedded)
        except ConfigurationError as error:
            sound = False
            text, _, remedy = str(error).partition(". ")
            yield Finding("fail", "permissions", text, remedy)
    for path in (paths.state, paths.runtime, DEFAULT_FILE):
        try:
            status = path.stat()
        except FileNotFoundError:
            continue
        except PermissionError:
            yield Finding("warn", "permissions", f"{path} is closed to you", "Run this as root.")
            sound = False
            continue
        if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
            sound = False
            yield Finding(
                "fail", "permissions", f"everybody may write to {path}", f"chmod o-w {path}"
            )
        account = systemctl_show("User").get("User")
        if account and path == Path("/var/lib/autogpt-db") and _name(status.st_uid) != account:
            sound = False
            text = f"{path} belongs to {_name(status.st_uid)}, but the service runs as {account}"
            yield Finding("fail", "permissions", text, f"chown -R {account}: {path}")
    data = paths.state / "postgresql" / "data"
    with suppress(OSError):
        owner = _name(data.stat().st_uid)
        if owner == EVERYBODYS:
            sound = False
            text = f"{data} belongs to {owner}: what others run as that account may read it"
            remedy = f"Stop it; useradd --system autogpt-db; chown -R autogpt-db: {data}; start it."
            yield Finding("warn", "permissions", text, remedy)
    if sound:
        yield Finding("ok", "permissions", f"{paths.state}, {paths.runtime}")


def disk_space(situation: Situation) -> Iterator[Finding]:
    """Look how much room is left where the service writes."""
    from autogpt_db.database.provisioning.embedded.directories import human_size

    seen: set[int] = set()
    for directory in (situation.settings.paths.state, situation.settings.paths.runtime):
        place = next(one for one in (directory, *directory.parents) if _exists(one))
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        system = os.statvfs(place)
        free, total = system.f_bavail * system.f_frsize, system.f_blocks * system.f_frsize
        share = free / total if total else 1.0
        inodes = system.f_favail / system.f_files if system.f_files else 1.0
        text = f"{place}: {human_size(free)} free of {human_size(total)} ({share:.0%})"
        if inodes < _LEAST_SHARE:
            text += f", {inodes:.1%} of its inodes"
        small = total < _LITTLE_FREE  # /run and the like
        if min(share, inodes) < _LEAST_SHARE or (free < _LEAST_FREE and not small):
            yield Finding("fail", "disk space", text, "Make room: a full disk stops PostgreSQL.")
        elif share < _LITTLE_SHARE and (free < _LITTLE_FREE or small):
            yield Finding("warn", "disk space", text, "Make room soon.")
        else:
            yield Finding("ok", "disk space", text)


def clock(situation: Situation) -> Iterator[Finding]:
    """Compare the clock with the server's, and ask systemd whether it is set by anybody."""
    sound = True
    if situation.connection is not None:
        row = situation.connection.execute(
            "SELECT extract(epoch FROM clock_timestamp())::float8"
        ).fetchone()
        assert row is not None
        skew = time.time() - float(row[0])
        if abs(skew) > _LARGEST_SKEW:
            sound = False
            text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the database server's"
            yield Finding("warn", "clock", text, "Let NTP set both (timedatectl set-ntp true).")
    if systemctl_show("LoadState"):
        command = ["timedatectl", "show", "--property=NTPSynchronized", "--value"]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=5, check=False
            ).stdout
        except (OSError, subprocess.TimeoutExpired):
            done = ""
        if done.strip() == "no":
            sound = False
            text = "nobody sets it by NTP"
            yield Finding("warn", "clock", text, "timedatectl set-ntp true")
    if sound:
        yield Finding("ok", "clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()))


def limits(situation: Situation) -> Iterator[Finding]:
    """Look at the limits of the running service, or at those it would get from this shell."""
    files, core = _limits(situation.tree["pid"] if situation.tree else None)
    whose = "the service" if situation.tree else "a service started from here"
    own = situation.settings.api_files
    if files is not None and files < own + _CLIENTS:
        text = (
            f"each process of {whose} may open {files} files: {own} for itself, and "
            f"{max(0, files - own)} are left for clients' connections"
        )
        remedy = f"LimitNOFILE= in the unit, or `ulimit -n`: {own + _CLIENTS} or more."
        yield Finding("warn", "limits", text, remedy)
    else:
        many = "any number of" if files is None else files
        text = f"each process of {whose} may open {many} files, and needs {own} for itself"
        yield Finding("ok", "limits", text)
    if situation.tree and core != 0:
        text = "a crash of the service would leave a core dump, with the secrets in it"
        yield Finding("warn", "limits", text, "LimitCORE=0 in the unit, or `ulimit -c 0`.")
    shown = systemctl_show("MemoryCurrent", "MemoryMax", "TasksCurrent", "TasksMax")
    for what in ("Memory", "Tasks"):
        current, most = shown.get(f"{what}Current", ""), shown.get(f"{what}Max", "")
        if current.isdecimal() and most.isdecimal() and int(current) > int(most) * _FULL:
            text = f"the unit is at {int(current) / int(most):.0%} of {what}Max="
            yield Finding("warn", "limits", text, "systemctl edit autogpt-db, and raise it.")


def _limits(pid: int | None) -> tuple[int | None, int | None]:
    """Return the most open files and the largest core dump; None: unlimited, or not to be seen."""
    if pid is None:
        soft = [
            resource.getrlimit(which)[0] for which in (resource.RLIMIT_NOFILE, resource.RLIMIT_CORE)
        ]
        files, core = (None if value == resource.RLIM_INFINITY else value for value in soft)
        return files, core
    found: dict[str, int | None] = {}
    try:
        lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    except OSError:
        return None, 0
    for line in lines:
        name, soft_limit = line[:26].strip(), line[26:].split()[0]
        found[name] = int(soft_limit) if soft_limit.isdecimal() else None
    return found.get("Max open files"), found.get("Max core file size")


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:
        return False


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
