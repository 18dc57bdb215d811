"""What systemd knows of the service's unit, asked from any shell."""

from __future__ import annotations

import subprocess
from pathlib import Path

UNIT = "autogpt-db.service"
_SECONDS = 5.0


def systemctl_show(*properties: str, unit: str = UNIT) -> dict[str, str]:
    """Return properties of a unit; nothing where there is no systemd, or it doesn't answer.

    Args:
        properties: Their names, as systemctl(1) prints them.
        unit: The unit's name.
    """
    text = _systemctl("show", unit, f"--property={','.join(properties)}")
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def unit_settings(name: str, *, section: str = "Service", unit: str = UNIT) -> list[str]:
    """Return what a unit's files, those of `systemctl edit` included, give a list-like setting.

    Args:
        name: The setting: `LoadCredential`. systemd 252 shows some by their text alone.
        section: The section that it stands in.
        unit: The unit's name.

    Returns:
        The values in their order; an empty one has reset those before it, as in systemd.unit(5).
    """
    values: list[str] = []
    here = ""
    for line in _systemctl("cat", unit).replace("\\\n", " ").splitlines():
        text = line.strip()
        if text.startswith("["):
            here = text.strip("[]")
        key, separator, value = text.partition("=")
        if here == section and separator and key.strip() == name:
            values = [*values, value.strip()] if value.strip() else []
    return values


def _systemctl(*words: str) -> str:
    if not Path("/run/systemd/system").is_dir():
        return ""
    try:
        return subprocess.run(
            ["systemctl", *words], capture_output=True, text=True, timeout=_SECONDS, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
