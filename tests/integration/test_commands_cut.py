"""Commands whose database goes away, at each of their messages: words, and no traceback."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from autogpt_db.cli.commands import commands
from cutting_proxy import CuttingProxy
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import with_schema
from releases.building import ENCRYPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from click.testing import Result

    from postgres_server import PostgresServer

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
UNREACHABLE, FOUND_WRONG = 69, 1


class Command(NamedTuple):
    """What is tried.

    Attributes:
        words: After the program's name.
        step: Of its messages to the server every so manieth is where the connection is cut.
        copes: Exit codes of those that do without, or say it in their own way.
    """

    words: str
    step: int = 1
    copes: tuple[int, ...] = ()


COMMANDS = (
    Command("check", 2),
    Command("doctor", 7, (FOUND_WRONG,)),
    Command("methods"),
    Command("executions stuck"),
    Command("user show alice"),
    Command("user list"),
    Command("jobs list"),
    Command("jobs history"),
    Command("jobs run measure_blocks"),
    Command("jobs requeue --all"),
    Command("rotate-key --dry-run"),
    Command(f"import {EXAMPLE} --user ada@example.com", 2),
)


class Ways(NamedTuple):
    """The ways to a database that a test may cut.

    Attributes:
        proxy: Stands right before the server.
        urls: What leads through it: `direct`, and `pooled` where there is a pooler.
    """

    proxy: CuttingProxy
    urls: dict[str, str]


@pytest.fixture(scope="module")
def ways(postgres_server: PostgresServer, seeded_database_url_for_module: str) -> Iterator[Ways]:
    with CuttingProxy(postgres_server.directory) as proxy:
        proxy.word = b""  # any message
        (proxy.directory / ".s.PGSQL.5432").chmod(0o777)
        owner = postgres_server.directory.stat()
        os.chown(proxy.directory, owner.st_uid, owner.st_gid)  # as whom the pooler runs
        direct = with_schema(proxy.url(seeded_database_url_for_module))
        if PGBOUNCER is None:
            yield Ways(proxy, {"direct": direct})
            return
        with PgBouncer(direct, pool_size=2) as pooler:
            yield Ways(proxy, {"direct": direct, "pooled": pooler.url})


@pytest.mark.timeout(300)
@pytest.mark.parametrize("route", ["direct", "pooled"])
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.words.split("/")[0])
def test_a_command_whose_database_goes_away_says_so(
    ways: Ways, tmp_path: Path, command: Command, route: str
) -> None:
    if route not in ways.urls:
        pytest.skip("pgbouncer (Debian: pgbouncer) is missing")
    file = tmp_path / "autogpt-db.toml"
    file.write_text(f'state_directory = "{tmp_path}"\nruntime_directory = "{tmp_path}/run"\n')
    environment = {
        "DATABASE_URL": ways.urls[route],
        "AUTOGPT_DB_CONFIG": str(file),
        "AUTOGPT_DB_INTEGRATIONS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY": ENCRYPTION_KEY,
    }

    def run() -> Result:
        return CliRunner().invoke(commands, command.words.split(" "), env=environment)

    ways.proxy.cuts.clear()
    usual = run()
    assert usual.exit_code in {0, *command.copes}, usual.output
    said = 0
    for place in range(0, 500, command.step):
        ways.proxy.cuts[:] = ["pass"] * place + ["after" if place % 4 else "before"]
        done = run()
        if ways.proxy.cuts:
            break  # it has ended before that
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
        assert "Traceback" not in done.output
        if done.exit_code == UNREACHABLE:
            said += 1
            assert re.search("PostgreSQL|database connection", done.output), done.output
        else:
            assert done.exit_code in {0, *command.copes}, (place, done.output)
    else:
        pytest.fail("it never came to its end")
    ways.proxy.cuts.clear()
    # A pooler, and a read that is sent again, hide what was cut.
    assert said or command.copes or route == "pooled" or command.words == "methods", "never met"
