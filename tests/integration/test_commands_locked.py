"""Commands while somebody holds a table that they need: words soon, and no wait without an end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from click.testing import CliRunner
from cryptography.fernet import Fernet

from autogpt_db.cli.commands import commands
from postgres_server import with_schema
from releases.building import ENCRYPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from click.testing import Result

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
UNREACHABLE = 69

# What is typed, and the table that somebody holds.
COMMANDS = (
    ("jobs list", "autogpt_db.job_run"),
    ("jobs history", "autogpt_db.job_run"),
    ("jobs failed", "autogpt_db.procrastinate_jobs"),
    ("jobs run measure_blocks", "autogpt_db.procrastinate_jobs"),
    ("jobs pause measure_blocks", "autogpt_db.job_pause"),
    ("jobs resume measure_blocks", "autogpt_db.job_pause"),
    ("jobs requeue --all", "autogpt_db.procrastinate_jobs"),
    ("check", 'platform."User"'),
    ("check", "autogpt_db.migration"),
    (f"import {EXAMPLE} --user ada@example.com", 'platform."AgentGraph"'),
    ("events", "autogpt_db.live_event"),
    ("rotate-key --dry-run", 'platform."User"'),
    ("executions stuck", 'platform."AgentGraphExecution"'),
    ("user show alice", 'platform."User"'),
    ("user list", 'platform."User"'),
)


@pytest.fixture
def types(seeded_database_url_for_module: str, tmp_path: Path) -> Callable[[str], Result]:
    file = tmp_path / "autogpt-db.toml"
    file.write_text(f'state_directory = "{tmp_path}"\nruntime_directory = "{tmp_path}/run"\n')
    environment = {
        "DATABASE_URL": with_schema(seeded_database_url_for_module),
        "AUTOGPT_DB_CONFIG": str(file),
        "AUTOGPT_DB_DATABASE_LOCK_TIMEOUT": "0.1",
        "AUTOGPT_DB_EVENTS_ENABLED": "true",
        "AUTOGPT_DB_INTEGRATIONS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY": ENCRYPTION_KEY,
    }
    return lambda words: CliRunner().invoke(commands, words.split(" "), env=environment)


@pytest.mark.parametrize(
    ("words", "table"), COMMANDS, ids=lambda one: one.replace(str(EXAMPLE.parent), "")
)
def test_a_table_that_somebody_holds_is_not_waited_for_without_end(
    types: Callable[[str], Result], seeded_database_url_for_module: str, words: str, table: str
) -> None:
    with psycopg.connect(seeded_database_url_for_module) as holder:
        holder.execute(f"LOCK TABLE {table}".encode())
        done = types(words)
    assert done.exit_code == UNREACHABLE, done.output
    assert "database.lock_timeout" in done.stderr
    assert "Traceback" not in done.output


def test_a_check_takes_no_bound_of_its_own_for_one_that_is_too_short(
    types: Callable[[str], Result],
) -> None:
    done = types("check")
    assert (done.exit_code, done.stderr) == (0, ""), done.output
