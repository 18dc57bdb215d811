"""`autogpt-db ctl`: the running daemon's tree, from any shell of its owner or root."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from autogpt_db.cli import completing
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.layout import SectionedGroup
from autogpt_db.cli.parameters import seconds
from autogpt_db.cli.printing import say
from autogpt_db.cli.runtime import runtime_of

if TYPE_CHECKING:
    from autogpt_db.cli.runtime import Loads

SECTIONS = {
    "Beyond Supervisor": ("reload", "rolling-restart", "drain", "resume"),
    "Supervisor's own, on this daemon": (
        "status", "restart", "start", "stop", "signal", "pid", "tail", "clear", "fg",
        "reread", "update", "avail", "add", "remove", "version", "shutdown",
    ),
    "Help": ("help",),
}  # fmt: skip


@click.group(
    cls=SectionedGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
def ctl() -> None:
    """Control the running daemon's processes.

    Plain supervisorctl does what is Supervisor's as well: `supervisorctl -c
    /run/autogpt-db/supervisord.conf`.
    """


@ctl.command("help")
@click.argument("command", required=False)
@click.pass_context
def help_(context: click.Context, command: str | None) -> None:
    """Print the commands, or what one of them does."""
    above = context.parent
    assert above is not None
    assert isinstance(above.command, click.Group)
    if command is None:
        say(above.get_help())
        return
    name, found, _ = above.command.resolve_command(above, [command])
    assert found is not None
    with click.Context(found, info_name=name, parent=above) as inside:
        say(inside.get_help())


@ctl.command()
@click.option("--wait", is_flag=True, help="Return when it is done; fail when it is refused.")
@click.option(
    "--timeout", default=300.0, callback=seconds, show_default=True, help="Seconds to wait."
)
@click.pass_obj
def reload(sources: Loads, *, wait: bool, timeout: float) -> None:
    """Read the settings anew and restart one process after the other; nobody is refused."""
    from autogpt_db.supervision.commands import roll

    with friendly():
        roll(runtime_of(sources), wait=wait, seconds=timeout)


@ctl.command("rolling-restart")
@click.option(
    "--timeout", default=300.0, callback=seconds, show_default=True, help="Seconds to wait."
)
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


def _pass_on(name: str, arguments: str, meaning: str) -> None:
    """Take over a command of Supervisor's.

    Not taken over are `maintail`, for main's log is the journal, and what belongs to
    supervisorctl's own prompt.

    Args:
        name: The command.
        arguments: What it takes, for its help.
        meaning: What it does, for people.
    """
    complete = {
        "signal": completing.signals_then_processes,
        "reread": None, "avail": None, "version": None, "shutdown": None,
    }.get(name, completing.processes)  # fmt: skip

    @click.command(name, help=meaning, context_settings={"ignore_unknown_options": True})
    @click.argument(
        "words", nargs=-1, type=click.UNPROCESSED, metavar=arguments, shell_complete=complete
    )
    @click.pass_obj
    def command(sources: Loads, words: tuple[str, ...]) -> None:
        from autogpt_db.supervision.commands import supervisorctl

        with friendly():
            supervisorctl(runtime_of(sources), (name, *words))

    ctl.add_command(command)


_pass_on("status", "[NAME]...", "Show state, pid and uptime of the processes, or of some of them.")
_pass_on(
    "restart",
    "NAME...",
    "Restart processes; those of the API one after the other, so that nobody is refused. "
    "`api:` is a group, `all` every process. Settings aren't read anew: that is `reload`.",
)
_pass_on("start", "NAME...", "Start processes, groups (`api:`) or `all`; return when they run.")
_pass_on(
    "stop",
    "NAME...",
    "Stop processes, groups (`api:`) or `all`, until they are started again.",
)
_pass_on("signal", "SIGNAL NAME...", "Send a signal, such as HUP or USR2, to processes.")
_pass_on("pid", "[NAME]", "Print the pid of the daemon, of a process, or of `all` processes.")
_pass_on(
    "tail",
    "[-f] [-BYTES] NAME [stdout|stderr]",
    "Show the last of a process's output; -f goes on showing it.",
)
_pass_on("clear", "NAME...", "Empty processes' log files.")
_pass_on("fg", "NAME", "Follow a process's output and type into it; Ctrl-C ends that.")
_pass_on(
    "reread",
    "",
    "Read the files of programs.d anew, and say what has changed; start nothing.",
)
_pass_on(
    "update",
    "[GROUP]...",
    "Read the files of programs.d anew, start what is new, stop what is gone, and restart "
    "what has changed.",
)
_pass_on("avail", "", "Show every process that is configured.")
_pass_on("add", "GROUP...", "Start programs that `reread` has found.")
_pass_on("remove", "GROUP...", "Forget stopped programs until the next `update`.")
_pass_on("version", "", "Print Supervisor's version.")
_pass_on(
    "shutdown",
    "",
    "Stop the daemon. systemd starts its service again; `systemctl stop` stops it for good.",
)
