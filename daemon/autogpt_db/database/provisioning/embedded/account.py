"""Whom PostgreSQL runs as: it refuses to be root, so root's daemon hands it to another account."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.embedded.programs import Account, run
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import embedded as log

if TYPE_CHECKING:
    from pathlib import Path

EVERYBODYS = "nobody"
"""The account that anything may run as; no good owner of data."""
_CANDIDATES = ("autogpt-db", "postgres", EVERYBODYS)


def choose_account(wanted: str | None, data: Path) -> Account | None:
    """Return the account to run under, or None when that is our own.

    Args:
        wanted: `embedded.user`.
        data: The data directory. Where it exists, its owner is taken unless `wanted` says
            otherwise: which of the candidates exist may change with the packages installed.

    Raises:
        ConfigurationError: There is no such account, or the data belongs to another.
    """
    owner = data.stat().st_uid if (data / "PG_VERSION").exists() else None
    if os.geteuid() != 0:
        if owner not in {None, os.geteuid()}:
            assert owner is not None
            raise ConfigurationError(
                f"state_directory: the data in {data} belongs to {_name(owner)}, but autogpt-db "
                f"runs as {_name(os.geteuid())}. Run it as before, or: "
                f"chown -R {_name(os.geteuid())} {data.parent}."
            )
        return None
    if wanted is None and owner:
        return Account(_name(owner), owner, data.stat().st_gid)
    for name in (wanted,) if wanted else _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid == 0:
            break
        if owner not in {None, entry.pw_uid}:
            assert owner is not None
            raise ConfigurationError(
                f"embedded.user: the data in {data} belongs to {_name(owner)}, not to {name}. "
                f"Set embedded.user to {_name(owner)}, or: chown -R {name} {data}."
            )
        if name == EVERYBODYS and wanted is None:
            log.embedded_account_shared(
                account=name,
                remedy="useradd --system autogpt-db, before the first start: what others run as "
                "this account may read the data",
            )
        return Account(name, entry.pw_uid, entry.pw_gid)
    if wanted == "root":
        raise ConfigurationError("embedded.user: PostgreSQL refuses to run as root; name another.")
    raise ConfigurationError(
        f"embedded.user: there is no account {wanted or ' or '.join(_CANDIDATES)} for PostgreSQL, "
        "which refuses to run as root. Make one (useradd --system autogpt-db), or name one."
    )


def check_passage(account: Account | None, directory: Path) -> None:
    """Check that `account` can enter `directory`.

    Raises:
        ConfigurationError: It cannot (the message names what is closed to it), or we cannot become
            that account.
    """
    if account is None:
        return
    try:
        code, _, _ = run(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], account)
    except PermissionError:
        raise ConfigurationError(
            f"embedded.user: autogpt-db runs as root, yet may not become {account.name} (the "
            "capabilities CAP_SETUID and CAP_SETGID are missing), and PostgreSQL refuses to run as "
            "root. Run it as an ordinary user."
        ) from None
    if code == 0:
        return
    way = [*reversed(directory.parents), directory]
    closed = next((one for one in way if not _passable(one, account)), directory)
    raise ConfigurationError(
        f"state_directory: PostgreSQL runs under the account {account.name}, which cannot enter "
        f"{closed}. Open it (chmod o+x {closed}), or set state_directory to a place outside, "
        "as /var/lib/autogpt-db."
    )


def _passable(directory: Path, account: Account) -> bool:
    status = directory.stat()
    if status.st_uid == account.user_id:
        return bool(status.st_mode & 0o100)
    return bool(status.st_mode & (0o010 if status.st_gid == account.group_id else 0o001))


def _name(user_id: int) -> str:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return str(user_id)
