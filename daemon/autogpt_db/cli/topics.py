"""`autogpt-db help`: the how-tos and reference pages, on the machine that they are about."""

from __future__ import annotations

import click

from autogpt_db.cli import completing
from autogpt_db.cli.near import did_you_mean
from autogpt_db.cli.pages import KINDS, heading, topics
from autogpt_db.cli.printing import say


@click.command("help")
@click.argument("words", nargs=-1, metavar="[TOPIC]", shell_complete=completing.topics)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Print a page of the documentation, the help of a command or method, or what there is.

    The pages are those of docs/howto and docs/reference, as of this version.
    """
    if not words:
        _list_topics()
        return
    topic = " ".join(words)
    for kind in KINDS:
        if topic in (pages := topics(kind)):
            say(pages[topic].rstrip("\n"))
            return
    parent = context.parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    if parent.command.get_command(parent, words[0]) is not None:
        say(_help_of_command(parent, words))
        return
    from autogpt_db.cli.calling import help_of
    from autogpt_db.operations import served_operations

    methods = served_operations()
    if topic in methods:
        say(help_of(topic))
        return
    known = [*(name for kind in KINDS for name in topics(kind)), *parent.command.commands, *methods]
    hint = did_you_mean(topic, known, otherwise="`autogpt-db help` lists what there is.")
    raise click.UsageError(f"There is no page, no command and no method {topic}. {hint}")


def _list_topics() -> None:
    for kind, title in KINDS.items():
        pages = topics(kind)
        width = max(map(len, pages))
        say(f"{title}:")
        for name, text in pages.items():
            say(f"  {name:<{width}}  {heading(text)}")
    say(
        "Print one: autogpt-db help TOPIC. Of a command or method: autogpt-db help NAME; they are "
        "listed by autogpt-db --help and autogpt-db methods."
    )


def _help_of_command(above: click.Context, words: tuple[str, ...]) -> str:
    """Return a command's help.

    Args:
        above: The context of the group that it is in.
        words: The command's name, and those of commands in it.
    """
    assert isinstance(above.command, click.Group)
    name, command, _ = above.command.resolve_command(above, [words[0]])
    assert command is not None
    with click.Context(command, info_name=name, parent=above) as inside:
        if len(words) == 1:
            return inside.get_help()
        if isinstance(command, click.Group):
            return _help_of_command(inside, words[1:])
    if name == "call":
        from autogpt_db.cli.calling import help_of

        return help_of(words[1])
    raise click.UsageError(f"{name} has no commands of its own.")
