"""argv to one subcommand."""

from autogpt_db.loading import loading


def main() -> None:
    """Run the program; its exit code is documented in docs/reference/exit-codes.md."""
    with loading():
        from autogpt_db.cli import commands
    commands.main()


__all__ = ["main"]
