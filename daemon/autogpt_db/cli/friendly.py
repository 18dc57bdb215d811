"""Failures as people on a command line want to read them."""

from __future__ import annotations

import sys

from autogpt_db.cli.printing import say
from autogpt_db.errors import (
    EXIT_CONFIGURATION,
    EXIT_UNAVAILABLE,
    AutogptDbError,
    ConfigurationError,
    RightMissingError,
    SchemaObjectMissingError,
    ServiceUnavailableError,
)


class friendly:  # noqa: N801 - reads as a statement
    """Print an error of ours, or of the database's, as its sentence, and exit with its code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        failure = error if isinstance(error, AutogptDbError) else _of_database(error)
        if failure is None:
            return
        problems = failure.problems if isinstance(failure, ConfigurationError) else (str(failure),)
        for problem in problems:
            say(f"autogpt-db: {problem}", error=True)
        sys.exit(_code_of(failure))


def _code_of(failure: AutogptDbError) -> int:
    """Return the exit code; what a call's failure is to its caller doesn't say it."""
    if isinstance(failure, ServiceUnavailableError):
        return EXIT_UNAVAILABLE
    if isinstance(failure, RightMissingError | SchemaObjectMissingError):
        return EXIT_CONFIGURATION
    return failure.exit_code


def _of_database(error: BaseException | None) -> AutogptDbError | None:
    """Return what a driver's error stands for; None for any other, and where it is a bug."""
    if error is None or "psycopg" not in sys.modules:
        return None  # importing it costs more than most commands that do without it
    import psycopg

    from autogpt_db.database.command_failures import command_failure

    return command_failure(error) if isinstance(error, psycopg.Error) else None
