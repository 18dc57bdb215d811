"""How `--help` is laid out: commands below headings, summaries whole, examples at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.examples import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_WIDE = 10_000
"""Characters: a summary is a sentence, however long."""


class SectionedGroup(click.Group):
    """A group whose commands are listed below headings.

    Args:
        sections: Each heading, and the commands below it in order.
    """

    def __init__(
        self, *given: Any, sections: Mapping[str, Sequence[str]] | None = None, **options: Any
    ) -> None:
        super().__init__(*given, **options)
        self.sections = dict(sections or {})

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the lists of commands."""
        for heading, names in self.sections.items():
            rows = [
                (name, command.get_short_help_str())
                for name in names
                if (command := self.get_command(context, name)) and not command.hidden
            ]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)


def every_command(group: click.Group, *before: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command of a group, with the words that call it, in the order of their names.

    Args:
        group: The program, or a group of it.
        before: The words that call the group.
    """
    for name, command in sorted(group.commands.items()):
        words = (*before, name)
        yield " ".join(words), command
        if isinstance(command, click.Group):
            yield from every_command(command, *words)


def complete_help(group: click.Group) -> None:
    """Give every command of a group its whole summary, and its examples.

    Args:
        group: The program.
    """
    for words, command in every_command(group):
        command.short_help = command.get_short_help_str(_WIDE)
        if words in EXAMPLES:
            command.epilog = _epilog(EXAMPLES[words])


def _epilog(examples: Sequence[tuple[str, str]]) -> str:
    """Return examples as click prints them: with a mark that keeps it from filling lines."""
    return "\n".join(
        ("\b", "Examples:", *(f"  {line}\n      {meaning}" for line, meaning in examples))
    )
