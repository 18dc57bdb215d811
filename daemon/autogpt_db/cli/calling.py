"""`autogpt-db call`: a method of the running daemon."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from autogpt_db.cli import completing
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.parameters import idempotency_key, seconds
from autogpt_db.cli.printing import say
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from autogpt_db.cli.sources import Sources

_OK, _NOT_FOUND, _UNFIT = 200, 404, 422


class MethodCall(click.Command):
    """`call`: with a method named, `--help` is that method's."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Read the command line; print a method's help where that is asked for."""
        if not context.resilient_parsing:
            asks = self.get_help_option(context)
            given, _, _ = self.make_parser(context).parse_args(list(args))
            if asks and given.get(str(asks.name)) and isinstance(given.get("method"), str):
                say(help_of(given["method"]))
                context.exit()
        return super().parse_args(context, args)


def help_of(method: str) -> str:
    """Return a method's help.

    Args:
        method: Its name.

    Raises:
        UsageError: There is no such method here.
    """
    from autogpt_db.cli.method_help import describe_method, unknown_method
    from autogpt_db.operations import served_operations

    operation = served_operations().get(method)
    if operation is None:
        raise click.UsageError(unknown_method(method))
    return describe_method(operation)


@click.command(cls=MethodCall)
@click.argument("method", shell_complete=completing.methods)
@click.argument(
    "arguments", nargs=-1, metavar="[KEY=VALUE]...", shell_complete=completing.arguments
)
@click.option(
    "--timeout",
    callback=seconds,
    default=70.0,
    show_default=True,
    help="Seconds to wait for the reply.",
)
@click.option(
    "--field",
    "fields",
    multiple=True,
    metavar="PATH",
    help="Print only this member of the reply, such as id or node_executions.0.node_exec_id; "
    "text without quotes. May be repeated.",
)
@click.option(
    "--key",
    callback=idempotency_key,
    metavar="KEY",
    help="Idempotency key: the same call with the same key has no further effect and prints the "
    "first reply.",
)
@click.pass_obj
def call(
    sources: Sources,
    method: str,
    arguments: tuple[str, ...],
    timeout: float,
    fields: tuple[str, ...],
    key: str | None,
) -> None:
    """Call a method of the running daemon and print its JSON.

    A VALUE is taken as text where the method expects text, else as JSON. `call METHOD --help` says
    what a method does, and what its parameters are; `methods` lists them.
    """
    from autogpt_db.cli.agents import call_method, pick
    from autogpt_db.cli.method_help import unknown_method

    if not (method.isascii() and method.isidentifier()):
        raise click.UsageError(unknown_method(printable(method)))
    with friendly():
        settings = sources.load().settings
        status, text = call_method(settings, method, arguments, timeout=timeout, key=key)
        if status == _OK and fields:
            for field in fields:
                say(pick(text, field), exact=True)
        else:
            say(text)
        if status == _NOT_FOUND:
            _explain(method)
        if status == _UNFIT:
            say(f"autogpt-db: `autogpt-db call {method} --help` says what it takes.", error=True)
        if status != _OK:
            sys.exit(1)


def _explain(method: str) -> None:
    """Say what may have been meant by a method that nobody serves."""
    from autogpt_db.cli.method_help import unknown_method
    from autogpt_db.operations import served_operations

    if method not in served_operations():
        say(f"autogpt-db: {unknown_method(method)}", error=True)
