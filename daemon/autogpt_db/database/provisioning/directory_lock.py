"""One daemon per directory: a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING, Self

from autogpt_db.errors import ConfigurationError, ResourceTakenError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType


class DirectoryLock:
    """Hold a directory of the daemon's, making it where it is missing.

    The descriptor is closed on exec: children never keep the lock of a dead main alive.

    Args:
        directory: The directory.
        option: The option that says which it is: `state_directory` or `runtime_directory`.

    Raises:
        ConfigurationError: The directory cannot be made or written to.
        ResourceTakenError: Another live process holds it.
    """

    def __init__(self, directory: Path, option: str = "state_directory") -> None:
        self._directory = directory
        self._option = option
        self._descriptor: int | None = None

    def __enter__(self) -> Self:
        try:
            make_directory(self._directory)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            descriptor = os.open(self._directory / "lock", flags, 0o600)
        except OSError as error:
            raise unusable(self._directory, error, self._option) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise ResourceTakenError(
                f"The {self._option.replace('_', ' ')} {self._directory} is held by another "
                f"running autogpt-db (pid {holder or 'unknown'}). Stop that one, or give this one "
                f"a directory of its own: {self._option}."
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise unusable(self._directory, error, self._option) from None
        self._descriptor = descriptor
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            # The file stays: were it removed, a waiting daemon could lock a file without a name.
            os.close(self._descriptor)
            self._descriptor = None


def make_directory(directory: Path) -> None:
    """Make a directory of the daemon's, with the parents that are missing.

    As root they may be passed, though not listed, by other accounts: the embedded PostgreSQL runs
    under one, and a strict umask must not lock it out. Otherwise they are the user's alone.
    """
    mode = 0o711 if os.geteuid() == 0 else 0o700
    for missing in reversed([one for one in (directory, *directory.parents) if not one.exists()]):
        missing.mkdir(mode, exist_ok=True)
        missing.chmod(mode)


def unusable(
    directory: Path, error: OSError, option: str = "state_directory"
) -> ConfigurationError:
    """Return the error for a directory of the daemon's that cannot be used."""
    place = f" ({error.filename})" if error.filename else ""
    return ConfigurationError(
        f"{option}: {directory} cannot be used: {error.strerror}{place}. Make it writable for "
        f"the account that runs autogpt-db, or set {option} to one that is."
    )
