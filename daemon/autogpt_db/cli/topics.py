"""`autogpt-db help`: the how-tos and reference pages, on the machine that they are about."""

from __future__ import annotations

import difflib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from autogpt_db.cli.printing import say

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_KINDS = {"howto": "How to", "reference": "Reference"}


def topics(kind: str) -> dict[str, str]:
    """Return the pages of a kind: each page's name, and its text.

    Args:
        kind: `howto` or `reference`.
    """
    installed: Traversable = resources.files("autogpt_db").joinpath("docs", kind)
    if not installed.is_dir():
        installed = Path(__file__).parents[3] / "docs" / kind
    pages = sorted(
        (page for page in installed.iterdir() if page.name.endswith(".md")),
        key=lambda page: page.name,
    )
    return {page.name.removesuffix(".md"): page.read_text("utf-8") for page in pages}


def _complete(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    names = [name for kind in _KINDS for name in topics(kind)]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command("help")
@click.argument("topic", required=False, shell_complete=_complete)
@click.pass_context
def help_(context: click.Context, topic: str | None) -> None:
    """Print a page of the documentation, the help of a command, or what there is.

    The pages are those of docs/howto and docs/reference, as of this version.
    """
    if topic is None:
        for kind, title in _KINDS.items():
            pages = topics(kind)
            width = max(map(len, pages))
            say(f"{title}:")
            for name, text in pages.items():
                say(f"  {name:<{width}}  {text.partition(chr(10))[0].lstrip('# ')}")
        say("Print one: autogpt-db help TOPIC. Commands: autogpt-db --help.")
        return
    for kind in _KINDS:
        if topic in (pages := topics(kind)):
            say(pages[topic].rstrip("\n"))
            return
    parent = context.parent
    assert parent is not None
    assert isinstance(parent.command, click.Group)
    command = parent.command.get_command(parent, topic)
    if command is not None:
        with click.Context(command, info_name=topic, parent=parent) as inside:
            say(command.get_help(inside))
        return
    known = [*(name for kind in _KINDS for name in topics(kind)), *parent.command.commands]
    near = difflib.get_close_matches(topic, known, n=1)
    hint = f" Did you mean {near[0]}?" if near else " `autogpt-db help` lists what there is."
    raise click.UsageError(f"There is no page and no command {topic}.{hint}")
