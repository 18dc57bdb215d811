"""Whom PostgreSQL runs as: it refuses to be root, so root's daemon hands it to another account."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import embedded as log

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EVERYBODYS = "nobody"
"""The account that anything may run as; no good owner of data."""
_CANDIDATES = ("autogpt-db", "postgres", EVERYBODYS)
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Account(NamedTuple):
    """An unprivileged account.

    Attributes:
        name: As in the account database, or the number where it has no entry.
        user_id: Its user.
        group_id: Its only group.
    """

    name: str
    user_id: int
    group_id: int


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


def start_process(
    command: Sequence[str],
    account: Account | None,
    *,
    death_signal: signal.Signals,
    **options: Any,
) -> subprocess.Popen[bytes]:
    """Start a program under `account`, to get `death_signal` when this process dies.

    Call it in the main thread: the kernel sends the signal when the thread that forked ends.

    Raises:
        OSError: It cannot be started.
    """
    parent = os.getpid()

    def tie() -> None:
        # After the change of account, which clears it.
        _libc.prctl(_PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os._exit(1)  # the parent died before the signal was armed

    if account is not None:
        options |= {
            "user": account.user_id,
            "group": account.group_id,
            "extra_groups": [account.group_id],
        }
    return subprocess.Popen(
        command,
        preexec_fn=tie,  # noqa: PLW1509 - main has no thread when it forks (architecture, rule 3)
        **options,
    )


def run(
    command: Sequence[str],
    account: Account | None,
    *,
    text: str = "",
    cwd: Path | None = None,
    seconds: float = 300,
) -> tuple[int, str, str]:
    """Run a program under `account` and return its exit code, output and errors.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It took longer than `seconds`; it has been killed.
    """
    with start_process(
        command,
        account,
        death_signal=signal.SIGTERM,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=cwd or "/",
        env=environment(),
    ) as process:
        try:
            output, errors = process.communicate(text.encode(), seconds)
        except BaseException:
            process.kill()
            raise
    return process.returncode, output.decode("utf-8", "replace"), errors.decode("utf-8", "replace")


def environment() -> dict[str, str]:
    """Return what PostgreSQL's programs see: nothing that a PG… variable of ours could bend."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


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
