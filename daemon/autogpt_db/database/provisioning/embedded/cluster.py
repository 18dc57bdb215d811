"""The data directory: made whole or not at all."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.embedded.programs import run
from autogpt_db.database.url import EMBEDDED_NAME
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.events import embedded as log

if TYPE_CHECKING:
    from autogpt_db.database.provisioning.embedded.binaries import Binaries
    from autogpt_db.database.provisioning.embedded.programs import Account

_UNFINISHED = "data.unfinished-"
_BUILTIN_LOCALE_SINCE = 17


def data_version(data: Path) -> int | None:
    """Return the major version that made the data, or None where there is none yet.

    Raises:
        ConfigurationError: The directory holds something else.
    """
    try:
        return int((data / "PG_VERSION").read_text("utf-8").strip())
    except FileNotFoundError:
        if data.is_dir() and any(data.iterdir()):
            raise ConfigurationError(
                f"state_directory: {data} is not empty, yet it is no PostgreSQL data directory "
                "(it has no PG_VERSION). Move it away, or restore what is missing."
            ) from None
        return None
    except ValueError:
        raise ConfigurationError(
            f"state_directory: {data / 'PG_VERSION'} holds no version: the data is damaged. "
            "Restore it from a backup."
        ) from None


def initialise(binaries: Binaries, account: Account | None, data: Path) -> None:
    """Make the data directory with its superuser and database, in one step as others see it.

    It is built beside its place, written to the disk, then renamed: an interruption leaves a
    directory that the next start removes.

    Raises:
        ConfigurationError: It cannot be made; the message holds PostgreSQL's reason.
    """
    began = time.monotonic()
    log.embedded_initialising(version=binaries.version, directory=str(data))
    for unfinished in data.parent.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(unfinished, ignore_errors=True)
    fresh = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=data.parent))  # with mode 0700
    try:
        make_empty(binaries, account, fresh)
        _checked(
            [
                *(str(binaries.directory / "postgres"), "--single", "-D", str(fresh)),
                *("-c", "fsync=off", "-c", "exit_on_error=on", "-c", "log_checkpoints=off"),
                "postgres",
            ],
            account,
            fresh,
            text=f"CREATE DATABASE {EMBEDDED_NAME};\n",
        )
        sync_data(binaries, account, fresh)
        fresh.rename(data)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    sync_directory(data.parent)
    log.embedded_initialised(
        version=binaries.version,
        directory=str(data),
        seconds=round(time.monotonic() - began, 2),
    )


def make_empty(binaries: Binaries, account: Account | None, fresh: Path) -> None:
    """Run initdb in an empty directory; nothing is synced yet, and no database of ours is in it.

    Raises:
        ConfigurationError: It fails; the message holds PostgreSQL's reason.
    """
    if account is not None:
        os.chown(fresh, account.user_id, account.group_id)
    _initdb(
        binaries,
        account,
        fresh,
        "--username",
        EMBEDDED_NAME,
        # Whoever reaches the socket may come in. That is right because nobody else does: the
        # socket's directory is 0700 and owned by PostgreSQL's account, so that account and
        # root alone pass. `peer` would have to know who the daemon is in each start, and
        # would refuse root's daemon when PostgreSQL runs under another account. On TCP, where
        # nothing listens, everybody is refused.
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--data-checksums",
        "--no-sync",
        "--no-instructions",
        *_locale(binaries),
    )


def sync_data(binaries: Binaries, account: Account | None, data: Path) -> None:
    """Write a data directory to the disk as a whole.

    Raises:
        ConfigurationError: It fails.
    """
    _initdb(binaries, account, data, "--sync-only")


def sync_directory(directory: Path) -> None:
    """Write a directory's entries to the disk, so that a rename in it outlives a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locale(binaries: Binaries) -> list[str]:
    # Sorts by code point everywhere, knows every letter's case, and no update of the system's C
    # library can change it under our indexes.
    if binaries.major >= _BUILTIN_LOCALE_SINCE:
        return ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    return ["--locale=C.UTF-8"]


def _initdb(binaries: Binaries, account: Account | None, data: Path, *options: str) -> None:
    command = [str(binaries.directory / "initdb"), "--pgdata", str(data), *options]
    _checked(command, account, data)


def _checked(command: list[str], account: Account | None, data: Path, *, text: str = "") -> None:
    try:
        code, _, errors = run(command, account, text=text)
    except subprocess.TimeoutExpired as late:
        code, errors = -1, f"it took longer than {late.timeout:g} s"
    if code != 0:
        lines = [line.strip() for line in errors.splitlines() if line.strip()]
        telling = [line for line in lines if "error:" in line or "FATAL" in line or "PANIC" in line]
        reason = (telling or lines or [f"exit code {code}"])[0]
        raise ConfigurationError(
            f"state_directory: PostgreSQL's data cannot be made in {data.parent}: {reason}."
        )
