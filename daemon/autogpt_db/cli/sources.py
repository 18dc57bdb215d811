"""What the command line says about configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from autogpt_db.settings import LoadedSettings, Settings

SUPERVISED = "AUTOGPT_DB_SUPERVISED"
"""Set by supervision for its children: the runtime directory with the effective settings."""


class Sources:
    """What the command line says about configuration; passed to every subcommand.

    Args:
        file: The configuration file, if it names one.
        assignments: What it sets, as `section.name=value`.
    """

    def __init__(self, file: Path | None, assignments: Iterable[str]) -> None:
        self.file = file
        self.assignments = tuple(assignments)

    @classmethod
    def of(cls, parameters: Mapping[str, Any]) -> Sources:
        """Return what the program's own options say, where no command was called with them.

        Args:
            parameters: The options' values by their names.
        """
        return cls(parameters.get("file"), parameters.get("assignments") or ())

    @property
    def given(self) -> bool:
        """Tell whether command line or environment configure anything beside the files."""
        from autogpt_db.settings.sources import is_configuration

        return (
            self.file is not None
            or bool(self.assignments)
            or any(map(is_configuration, os.environ))
        )

    def load(self) -> LoadedSettings:
        """Read and validate the settings."""
        from autogpt_db.database.url import with_url_parameters
        from autogpt_db.settings import load_settings

        loaded = load_settings(file=self.file, assignments=self.assignments)
        return loaded._replace(settings=with_url_parameters(loaded.settings))

    def settings(self) -> Settings:
        """Read the settings, and log what a person should notice about them."""
        from autogpt_db.logs.events import starting as log

        loaded = self.load()
        for notice in loaded.notices:
            log.settings(notice=notice)
        return loaded.settings

    def child_settings(self) -> Settings:
        """Read what main hands its children, or, started by hand, the settings themselves."""
        runtime = os.environ.get(SUPERVISED)
        if runtime is None:
            return self.settings()
        from autogpt_db.settings import read_effective

        return read_effective(Path(runtime))
