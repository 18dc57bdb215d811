"""argv to one subcommand."""

from autogpt_db.cli.commands import main

__all__ = ["main"]
