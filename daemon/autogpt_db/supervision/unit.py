"""What systemd knows of the service's unit, asked from any shell."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

UNIT = "autogpt-db.service"
SOCKET = "autogpt-db.socket"
READ_THE_LOG = "journalctl -u autogpt-db"
# systemd.unit(5): of two files of one name the first counts.
_PLACES = tuple(
    Path(each)
    for each in (
        "/etc/systemd/system",
        "/run/systemd/system",
        "/usr/local/lib/systemd/system",
        "/usr/lib/systemd/system",
    )
)
_SECONDS = 5.0


def systemctl_show(*properties: str, unit: str = UNIT) -> dict[str, str]:
    """Return properties of a unit; nothing where there is no systemd, or it doesn't answer.

    Args:
        properties: Their names, as systemctl(1) prints them.
        unit: The unit's name.
    """
    text = _systemctl("show", unit, f"--property={','.join(properties)}")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def unit_settings(name: str, section: str = "Service", *, unit: str = UNIT) -> list[str]:
    """Return what a unit's files, those of `systemctl edit` included, give a list-like setting.

    Args:
        name: The setting: `LoadCredential`. systemd 252 shows some by their text alone.
        section: The section that it stands in.
        unit: The unit's name.

    Returns:
        The values in their order; an empty one has reset those before it, as in systemd.unit(5).
    """
    values: list[str] = []
    for key, value in all_settings(section, unit=unit):
        if key == name:
            values = [*values, value] if value else []
    return values


def all_settings(section: str = "Service", *, unit: str = UNIT) -> list[tuple[str, str]]:
    """Return every setting of a section, as a unit's files have them, in their order.

    Args:
        section: The section.
        unit: The unit's name.
    """
    found: list[tuple[str, str]] = []
    for file in _files(unit):
        here = ""
        with suppress(OSError):
            for line in file.read_text("utf-8", "replace").replace("\\\n", " ").splitlines():
                text = line.strip()
                if text.startswith("["):
                    here = text.strip("[]")
                key, separator, value = text.partition("=")
                if here == section and separator and not text.startswith(("#", ";")):
                    found.append((key.strip(), value.strip()))
    return found


def awaits_daemon_reload(unit: str = UNIT) -> bool:
    """Tell whether a unit's files are others than systemd has read.

    Args:
        unit: The unit's name.
    """
    shown = systemctl_show("NeedDaemonReload", "DropInPaths", unit=unit)
    if not shown:
        return False
    read = {Path(one) for one in shown.get("DropInPaths", "").split()}
    ours = {one for one in read if one.parent.name == f"{unit}.d"}
    # systemd itself doesn't see that a directory of drop-ins is new.
    return shown.get("NeedDaemonReload") == "yes" or ours != set(_drop_ins(unit))


def _files(unit: str) -> list[Path]:
    fragment = systemctl_show("FragmentPath", unit=unit).get("FragmentPath")
    return [Path(fragment), *_drop_ins(unit)] if fragment else []


def _drop_ins(unit: str) -> list[Path]:
    found: dict[str, Path] = {}
    for place in _PLACES:
        for path in (place / f"{unit}.d").glob("*.conf"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def has_socket_unit() -> bool:
    """Tell whether systemd says where the service listens: its files are there, seen by anybody."""
    return any((place / SOCKET).is_file() for place in _PLACES)


def not_answering(place: str, reason: object) -> str:
    """Say that no daemon answers, and how one is started on this machine.

    Args:
        place: Where it was asked.
        reason: What was heard instead.
    """
    start, log = "`autogpt-db run`", "its log"
    if has_unit_file():
        start, log = f"`systemctl start autogpt-db` or {start}", f"{log} (`{READ_THE_LOG}`)"
    return (
        f"No daemon answers at {place} ({reason}). One that still waits for the database says so "
        f"in {log}. Start it with {start}, or say with --config or --set which one you mean."
    )


def has_unit_file() -> bool:
    """Tell whether the service is installed as systemd's: its files are there, seen by anybody."""
    return any((place / UNIT).is_file() for place in _PLACES)


def socket_addresses() -> list[str]:
    """Return where the socket's unit has systemd listen, as `listening.address_of` writes it.

    Nothing where it isn't active.
    """
    shown = systemctl_show("ActiveState", unit=SOCKET).get("ActiveState")
    listens = [
        line.removeprefix("Listen=").partition(" ")[0]
        for line in _systemctl("show", SOCKET, "--property=Listen").splitlines()
    ]
    if shown != "active":
        return []
    return [f"unix:{one}" if one.startswith("/") else f"http://{one}" for one in listens if one]


def _systemctl(*words: str) -> str:
    if not Path("/run/systemd/system").is_dir():
        return ""
    try:
        return subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
