"""Failures as people on a command line want to read them."""

from __future__ import annotations

import sys

import click

from autogpt_db.errors import AutogptDbError, ConfigurationError


class friendly:  # noqa: N801 - reads as a statement
    """Print an error of ours as its sentence, and exit with its code."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ConfigurationError):
            for problem in error.problems:
                click.echo(f"autogpt-db: {problem}", err=True)
            sys.exit(error.exit_code)
        if isinstance(error, AutogptDbError):
            click.echo(f"autogpt-db: {error}", err=True)
            sys.exit(error.exit_code)
