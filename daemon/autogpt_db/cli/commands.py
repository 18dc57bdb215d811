"""The subcommands; each imports what it needs when it runs."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from autogpt_db import __version__
from autogpt_db.cli import completing, shells
from autogpt_db.cli.admin import admin
from autogpt_db.cli.calling import call
from autogpt_db.cli.chats import chats
from autogpt_db.cli.children import admin_listener, api, worker
from autogpt_db.cli.cluster import backup, restore, upgrade_cluster, verify_backup
from autogpt_db.cli.control import ctl
from autogpt_db.cli.doctor import doctor
from autogpt_db.cli.events import events
from autogpt_db.cli.executions import executions
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.jobs import jobs
from autogpt_db.cli.layout import SectionedGroup, complete_help
from autogpt_db.cli.logs import logs
from autogpt_db.cli.parameters import release as known_release
from autogpt_db.cli.printing import say
from autogpt_db.cli.psql import psql
from autogpt_db.cli.runtime import runtime_of
from autogpt_db.cli.sources import Sources
from autogpt_db.cli.top import top
from autogpt_db.cli.topics import help_
from autogpt_db.cli.users import user
from autogpt_db.loading import loading

SECTIONS = {
    "The service": (
        "run",
        "status",
        "top",
        "check",
        "doctor",
        "config",
        "ctl",
        "admin",
        "logs",
    ),
    "What it serves": (
        "call",
        "methods",
        "jobs",
        "executions",
        "events",
        "user",
        "chats",
        "import",
    ),
    "The database": ("psql", "dsn", "migrate", "rotate-key"),
    "The private PostgreSQL": ("backup", "verify-backup", "restore", "upgrade-cluster"),
    "Documentation": ("help",),
}


def main() -> None:
    """Run the program; its exit code is documented in docs/reference/exit-codes.md."""
    from autogpt_db.lifecycle import restore_signals

    restore_signals()
    shells.register()
    commands(prog_name="autogpt-db")


@click.group(
    cls=SectionedGroup,
    sections=SECTIONS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="autogpt-db")
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration file. Default: $AUTOGPT_DB_CONFIG, else /etc/autogpt-db/autogpt-db.toml.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="SECTION.NAME=VALUE",
    shell_complete=completing.assignments,
    help="Set one option; may be repeated. Wins over environment and file.",
)
@click.pass_context
def commands(context: click.Context, file: Path | None, assignments: tuple[str, ...]) -> None:
    """AutoGPT's database service: one daemon that owns the connections to PostgreSQL."""
    context.obj = Sources(file, assignments)


@commands.command()
@click.pass_obj
def run(sources: Sources) -> None:
    """Run the service in the foreground: database, API and worker processes."""
    with loading():
        from autogpt_db.main import main as page

    sys.exit(page(sources.settings))


@commands.command()
@click.option(
    "--here",
    is_flag=True,
    help="As this account, with this shell's environment, and not as the service would.",
)
@click.pass_obj
def check(sources: Sources, *, here: bool) -> None:
    """Check configuration, connection, schema and key, and change nothing.

    In root's shell, where systemd has the service's unit and neither command line nor environment
    configures anything, the check is made as the service would make it: under its account, in its
    sandbox, with its credentials. The first line of the output says how it was made.
    """
    from autogpt_db.cli.as_service import check_as_service, how_here
    from autogpt_db.cli.inspect import check_everything, describe_credentials

    with friendly():
        checked = None if here or sources.given else check_as_service()
        if checked is not None:
            say(checked.how)
            for line in (*checked.said, *describe_credentials(sources)):
                say(line)
            for problem in checked.problems:
                say(problem, error=True)
            sys.exit(checked.code)
        say(how_here())
        for line in describe_credentials(sources):
            say(line)
        for line in check_everything(sources.load().settings):
            say(line)


@commands.command()
@click.option("--changed", is_flag=True, help="Only what is not at its default.")
@click.pass_obj
def config(sources: Sources, *, changed: bool) -> None:
    """Print the effective configuration and where each value came from; secrets masked."""
    from autogpt_db.cli.inspect import describe_settings

    with friendly():
        for line in describe_settings(sources.load(), changed=changed):
            say(line)


@commands.command()
@click.option(
    "--create",
    is_flag=True,
    help="Make AutoGPT's tables in a database that has none. AutoGPT's own migrations will not "
    "take such a database over: only for use without AutoGPT's.",
)
@click.option(
    "--platform",
    is_flag=True,
    help="Bring AutoGPT's tables, where autogpt-db made them, to those of AutoGPT v0.6.68. Stop "
    "the service and back the database up first.",
)
@click.pass_obj
def migrate(sources: Sources, *, create: bool, platform: bool) -> None:
    """Bring the schema up to this program's version, as `run` does at start.

    Tables that AutoGPT's own migrations have made are never changed.
    """
    from autogpt_db.cli.migrating import migrate as migrated
    from autogpt_db.logs import configure_logging, hold_records

    with friendly():
        hold_records()
        settings = sources.load().settings
        configure_logging(settings.logging)
        for line in migrated(settings, create=create, upgrade=platform):
            say(line)


@commands.command()
@click.option("--reveal", is_flag=True, help="Show the password.")
@click.pass_obj
def dsn(sources: Sources, *, reveal: bool) -> None:
    """Print the connection string in use, for `psql "$(autogpt-db dsn --reveal)"`."""
    from autogpt_db.database.url import database_url

    with friendly():
        say(database_url(sources.load().settings).display(reveal=reveal))


@commands.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--user", "email", required=True, help="E-mail of the owner; created if unknown.")
@click.pass_obj
def import_(sources: Sources, file: Path, email: str) -> None:
    """Load an agent that AutoGPT exported: user, blocks and graph, in one transaction."""
    from autogpt_db.cli.agents import import_file

    with friendly():
        for line in import_file(sources.load().settings, file, email=email):
            say(line)


@commands.command("rotate-key")
@click.option("--dry-run", is_flag=True, help="Only look: change nothing.")
@click.option(
    "--autogpt-stopped",
    is_flag=True,
    help="AutoGPT's own processes that have the key are stopped, or have the new one: go on though "
    "others are on the database.",
)
@click.pass_obj
def rotate_key(sources: Sources, *, dry_run: bool, autogpt_stopped: bool) -> None:
    """Re-encrypt users' credentials from the previous key to the present one.

    The keys are integrations.encryption_key and integrations.previous_encryption_key, from the
    file, a credential or the environment; never write them on a command line. It may run beside
    the service, and again after it was ended.

    It asks, over the database, which keys each running autogpt-db there has, and changes nothing
    while one would be left without what it needs, or while others are on the database.
    """
    from autogpt_db.cli.keys import rotate_key as rotated

    with friendly():
        settings = sources.load().settings
        for line in rotated(settings, dry_run=dry_run, autogpt_stopped=autogpt_stopped):
            say(line)


@commands.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def status(sources: Sources, *, as_json: bool) -> None:
    """Show the running daemon's processes and pools."""
    from autogpt_db.supervision.status import format_status, read_status

    with friendly():
        tree = read_status(runtime_of(sources))
        say(format_status(tree, as_json=as_json))


@commands.command()
@click.option(
    "--release",
    metavar="NUMBER",
    callback=known_release,
    shell_complete=completing.releases,
    help="What becomes of each method on a database of this AutoGPT release, such as 0.6.59.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def methods(sources: Sources, *, release: str | None, as_json: bool) -> None:
    """List the methods that are served: what they read and write, and what a repeat does.

    Where the database answers, those are named for which it lacks something.
    """
    from autogpt_db.cli.methods import describe_methods, describe_release

    with friendly():
        if release is not None:
            lines = describe_release(release, as_json=as_json)
        else:
            lines = describe_methods(sources.load().settings, as_json=as_json)
        for line in lines:
            say(line)


for command in (
    admin,
    admin_listener,
    api,
    backup,
    call,
    chats,
    ctl,
    doctor,
    events,
    executions,
    help_,
    jobs,
    logs,
    psql,
    restore,
    top,
    upgrade_cluster,
    user,
    verify_backup,
    worker,
):
    commands.add_command(command)
complete_help(commands)
