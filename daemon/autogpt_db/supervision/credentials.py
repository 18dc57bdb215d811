"""Credentials that have changed since systemd gave them to the running service.

systemd copies them when it starts a service (`LoadCredential=`), and at no reload. The service may
not read the files themselves, root may; so whoever asks for a reload as root compares them.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.settings.catalog import options
from autogpt_db.settings.sources import DIRECTORY_CREDENTIAL
from autogpt_db.supervision.unit import UNIT, systemctl_show, unit_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

_SECONDS = 10.0


def changed_credentials(tree: Mapping[str, Any]) -> list[str]:
    """Return the names of the credentials that a restart would change, as far as one may look.

    Args:
        tree: The running daemon's status; it says where systemd put what it was started with.

    Returns:
        Names as in /etc/autogpt-db/credentials: `api_token`. Nothing for an account that may read
        neither side.
    """
    directory = _given(tree)
    if directory is None:
        return []
    found: set[str] = set()
    try:
        for setting in ("LoadCredential", "LoadCredentialEncrypted"):
            encrypted = setting.endswith("Encrypted")
            for value in unit_settings(setting, unit=directory.name):
                name, _, source = value.partition(":")
                if source.startswith("/"):
                    found.update(_changed(directory, name, Path(source), encrypted=encrypted))
    except PermissionError:
        return []
    return sorted(found)


def _given(tree: Mapping[str, Any]) -> Path | None:
    """Return where the service has its credentials; None where there are none, or one may not look.

    It need not be there: systemd 255 removes it, or names none, where nothing is to be put into it.
    """
    place = tree.get("credentials")
    if not place:
        if systemctl_show("MainPID").get("MainPID") != str(tree["pid"]):
            return None
        place = f"/run/credentials/{UNIT}"
    # As the service sees it: its unit's commands (ExecReload=) find /run/credentials closed.
    root = Path(f"/proc/{tree['pid']}/root")
    try:
        (root / "proc").stat()
    except OSError:
        return None
    return root / str(place).lstrip("/")


def changed_sentence(names: Sequence[str]) -> str:
    """Return what has changed and what takes it, for people.

    Args:
        names: What `changed_credentials` returned.
    """
    return (
        f"credentials: {', '.join(names)}: changed since the service was started, and systemd "
        "hands credentials over at a start alone, never at a reload. `systemctl restart "
        "autogpt-db` takes them: the sockets stay open, connections wait and none is refused."
    )


def _changed(directory: Path, name: str, source: Path, *, encrypted: bool) -> Iterator[str]:
    secrets = {option.path.replace(".", "_") for option in options().values() if option.secret}
    if source.is_dir():
        for secret in secrets:
            # systemd puts the directory's name before each file's.
            copy = directory / f"{name}_{secret}"
            if _text(copy) != _source_text(source / secret, copy.name, encrypted=encrypted):
                yield secret
        return
    secret = name.removeprefix(f"{DIRECTORY_CREDENTIAL}_")
    if secret not in secrets or source.is_socket():
        return
    if _text(directory / name) != _source_text(source, name, encrypted=encrypted):
        yield secret


def _source_text(path: Path, name: str, *, encrypted: bool) -> bytes | None:
    """Return what systemd would hand over, None where there is nothing."""
    if not encrypted:
        return _text(path)
    if not path.exists():
        return None
    try:
        return subprocess.run(
            ["systemd-creds", "decrypt", f"--name={name}", str(path), "-"],
            capture_output=True, timeout=_SECONDS, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return b""  # none that the service could have been started with


def _text(path: Path) -> bytes | None:
    try:
        return path.read_bytes().strip()
    except FileNotFoundError:
        return None
