"""Which daemon a command is about: the directory that it runs in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from autogpt_db.settings import LoadedSettings

SYSTEM_RUNTIME = Path("/run/autogpt-db")


class Loads(Protocol):
    """What knows where the settings are."""

    @property
    def given(self) -> bool:
        """Tell whether command line or environment configure anything."""

    def load(self) -> LoadedSettings:
        """Read and validate the settings."""


def runtime_of(sources: Loads) -> Path:
    """Return the runtime directory of the daemon that is meant.

    A faulty configuration must not keep anybody from looking at what runs with the one before.
    Without a daemon of the user's own the system's is meant.
    """
    from autogpt_db.errors import ConfigurationError
    from autogpt_db.settings import Settings

    try:
        runtime = sources.load().settings.paths.runtime
    except ConfigurationError:
        runtime = Settings().paths.runtime
    try:
        return runtime if runtime.exists() or not SYSTEM_RUNTIME.exists() else SYSTEM_RUNTIME
    except PermissionError:
        return runtime


def runs_elsewhere(runtime: Path) -> bool:
    """Tell whether the system's daemon runs, and none of this account's.

    Args:
        runtime: The runtime directory of a daemon of this account's.
    """
    from autogpt_db.settings.paths import is_there

    return is_there(SYSTEM_RUNTIME) and not is_there(runtime)
