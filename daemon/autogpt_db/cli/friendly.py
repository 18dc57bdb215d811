"""Failures as people on a command line want to read them."""

from __future__ import annotations

import sys

from autogpt_db.cli.printing import say
from autogpt_db.errors import AutogptDbError, ConfigurationError


class friendly:  # noqa: N801 - reads as a statement
    """Print an error of ours as its sentence, and exit with its code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ConfigurationError):
            for problem in error.problems:
                say(f"autogpt-db: {problem}", error=True)
            sys.exit(error.exit_code)
        if isinstance(error, AutogptDbError):
            say(f"autogpt-db: {error}", error=True)
            sys.exit(error.exit_code)
