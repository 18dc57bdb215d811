"""`autogpt-db ctl`: the running daemon's tree, from any shell of its owner or root."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click
from click.shell_completion import CompletionItem

from autogpt_db.cli.friendly import friendly

if TYPE_CHECKING:
    from autogpt_db.settings import LoadedSettings

_SUPERVISORCTL = frozenset(
    {"clear", "pid", "reread", "restart", "signal", "start", "status", "stop", "tail", "update"}
)
SYSTEM_RUNTIME = Path("/run/autogpt-db")


class Loads(Protocol):
    """What knows where the settings are."""

    def load(self) -> LoadedSettings:
        """Read and validate the settings."""


def runtime_of(sources: Loads) -> Path:
    """Return the runtime directory of the daemon that is meant.

    A faulty configuration must not keep anybody from looking at what runs with the one before.
    Without a daemon of the user's own the system's is meant.
    """
    from autogpt_db.errors import ConfigurationError
    from autogpt_db.settings import Settings

    try:
        runtime = sources.load().settings.paths.runtime
    except ConfigurationError:
        runtime = Settings().paths.runtime
    try:
        return runtime if runtime.exists() or not SYSTEM_RUNTIME.exists() else SYSTEM_RUNTIME
    except PermissionError:
        return runtime


class _Control(click.Group):
    """A group that passes words it doesn't know to supervisorctl."""

    def get_command(self, context: click.Context, name: str) -> click.Command:
        return super().get_command(context, name) or _supervisorctl(name)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete supervisorctl's words as well."""
        words = [word for word in sorted(_SUPERVISORCTL) if word.startswith(incomplete)]
        return [*super().shell_complete(context, incomplete), *map(CompletionItem, words)]


@click.group(cls=_Control, context_settings={"help_option_names": ["-h", "--help"]})
def ctl() -> None:
    """Control the running daemon's processes.

    Every other word goes to Supervisor's own supervisorctl: status, restart, start, stop, tail,
    pid … (`autogpt-db ctl help`).
    """


@ctl.command()
@click.option("--wait", is_flag=True, help="Return when it is done; fail when it is refused.")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def reload(sources: Loads, *, wait: bool, timeout: float) -> None:
    """Read the settings anew and restart one process after the other; nobody is refused."""
    from autogpt_db.supervision.commands import roll

    with friendly():
        roll(runtime_of(sources), wait=wait, seconds=timeout)


@ctl.command("rolling-restart")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait.")
@click.pass_obj
def rolling_restart(sources: Loads, *, timeout: float) -> None:
    """Restart one process after the other, and wait until the last one is ready."""
    from autogpt_db.supervision.commands import roll

    with friendly():
        roll(runtime_of(sources), wait=True, seconds=timeout)


@ctl.command()
@click.pass_obj
def drain(sources: Loads) -> None:
    """Finish the running requests and accept no more; new connections wait until `resume`."""
    from autogpt_db.supervision.commands import drain

    with friendly():
        drain(runtime_of(sources))


@ctl.command()
@click.pass_obj
def resume(sources: Loads) -> None:
    """Serve again after `drain`."""
    from autogpt_db.supervision.commands import resume

    with friendly():
        resume(runtime_of(sources))


def _supervisorctl(name: str) -> click.Command:
    @click.command(name, context_settings={"ignore_unknown_options": True}, add_help_option=False)
    @click.argument("words", nargs=-1, type=click.UNPROCESSED)
    @click.pass_obj
    def passed_on(sources: Loads, words: tuple[str, ...]) -> None:
        from autogpt_db.supervision.commands import supervisorctl

        with friendly():
            supervisorctl(runtime_of(sources), (name, *words))

    return passed_on
