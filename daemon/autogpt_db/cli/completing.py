"""What may stand at a place of the command line, for the shell's completion.

A completer says nothing rather than fail, or than make somebody wait who has pressed a key.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

from autogpt_db.cli.sources import Sources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import click

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
    Found = Iterable[tuple[str, str]]
    """What there is, each with its meaning in a line."""

SIGNALS = ("HUP", "INT", "KILL", "QUIT", "TERM", "USR1", "USR2")
PATIENCE = 1.0
"""Seconds that a running daemon has to say what it runs."""


def completer(find: Callable[[click.Context, str], Found]) -> Completer:
    """Make a completer of what finds all that there is.

    Args:
        find: Gets the command's context and what has been typed of the word.
    """

    def complete(
        context: click.Context, _parameter: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        try:
            found = list(find(context, incomplete))
        except Exception:  # noqa: BLE001 - see above
            return []
        return [
            CompletionItem(name, help=meaning or None)
            for name, meaning in found
            if name.startswith(incomplete)
        ]

    return complete


def _methods(_context: click.Context, _incomplete: str) -> Found:
    from autogpt_db.operations import served_operations
    from autogpt_db.signatures.docstring import first_sentence

    for name, operation in served_operations().items():
        yield name, first_sentence(operation.description)


def _arguments(context: click.Context, incomplete: str) -> Found:
    """Yield the parameters that the method has and the call hasn't yet; then their values."""
    from autogpt_db.cli.method_help import choices, type_words
    from autogpt_db.operations import served_operations
    from autogpt_db.signatures.docstring import first_sentence, read_docstring

    operation = served_operations()[context.params["method"]]
    meanings = read_docstring(operation.description).arguments
    given = {word.partition("=")[0] for word in context.params.get("arguments") or ()}
    key, separator, _ = incomplete.partition("=")
    for parameter in operation.parameters:
        if separator and parameter.name == key:
            yield from ((f"{key}={value}", "") for value in choices(parameter.schema))
        elif not separator and parameter.name not in given:
            meaning = first_sentence(meanings.get(parameter.name, ""))
            yield f"{parameter.name}=", f"{type_words(parameter.schema)}: {meaning}"


def _jobs(_context: click.Context, _incomplete: str) -> Found:
    from autogpt_db.signatures.docstring import first_sentence
    from autogpt_db.worker.registry import discover

    for name, job in discover().items():
        yield name, first_sentence(job.function.__doc__ or "")


def _processes(context: click.Context, _incomplete: str) -> Found:
    """Return what the running daemon runs: `all`, groups as `api:`, processes as `api:api_00`.

    A group of one process has that one's name.
    """
    from autogpt_db.cli.runtime import runtime_of
    from autogpt_db.supervision.status import read_status

    socket.setdefaulttimeout(PATIENCE)
    sources = Sources.of(context.find_root().params)
    found = {"all": "every process"}
    for each in read_status(runtime_of(sources))["processes"]:
        name, group = each["name"], each["group"]
        if name != group:
            found.setdefault(f"{group}:", f"every process of {group}")
        found[name if name == group else f"{group}:{name}"] = each["state"]
    return found.items()


def _signals_then_processes(context: click.Context, incomplete: str) -> Found:
    if not context.params.get("words"):
        return ((name, "") for name in SIGNALS)
    return _processes(context, incomplete)


def _releases(_context: click.Context, _incomplete: str) -> Found:
    from autogpt_db.database.releases import RELEASES

    return ((release.name, "") for release in RELEASES)


def _assignments(_context: click.Context, _incomplete: str) -> Found:
    from autogpt_db.settings.catalog import options
    from autogpt_db.signatures.docstring import first_sentence

    for option in options().values():
        yield f"{option.path}=", first_sentence(option.help)


def _topics(context: click.Context, _incomplete: str) -> Found:
    from autogpt_db.cli.pages import KINDS, heading, topics

    if context.params.get("words"):
        return
    for kind in KINDS:
        for name, text in topics(kind).items():
            yield name, heading(text)
    yield from _commands(context)
    yield from _methods(context, "")


def _commands(context: click.Context) -> Iterator[tuple[str, str]]:
    root = context.find_root()
    commands: dict[str, click.Command] = getattr(root.command, "commands", {})
    for name, command in commands.items():
        if not command.hidden:
            yield name, command.get_short_help_str()


methods = completer(_methods)
arguments = completer(_arguments)
jobs = completer(_jobs)
processes = completer(_processes)
signals_then_processes = completer(_signals_then_processes)
releases = completer(_releases)
assignments = completer(_assignments)
topics = completer(_topics)
