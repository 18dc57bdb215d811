"""Every command behind a real PgBouncer in transaction mode: its work, and its words on failure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.fernet import Fernet

from autogpt_db.cli.chats import chats
from autogpt_db.cli.commands import commands
from autogpt_db.cli.executions import executions
from autogpt_db.cli.jobs import jobs
from autogpt_db.cli.users import user
from daemon_process import DaemonProcess
from pgbouncer import PGBOUNCER, PgBouncer
from postgres_server import with_schema
from releases.building import ENCRYPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

pytestmark = pytest.mark.skipif(
    PGBOUNCER is None, reason="pgbouncer (Debian: pgbouncer) is missing"
)

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
ROTATED = {
    "AUTOGPT_DB_INTEGRATIONS_ENCRYPTION_KEY": Fernet.generate_key().decode(),
    "AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY": ENCRYPTION_KEY,
}
# In this order, beside a daemon behind the pooler: the exit code, and what is said.
WORK: list[tuple[str, int, str]] = [
    ("migrate", 0, "The schema is up to date"),
    ("check", 0, "schema: complete"),
    ("doctor", 0, r"ok +database +PostgreSQL(.*\n)*ok +pooler +transactions are pooled"),
    ("status", 0, "api_00 +RUNNING"),
    ("top --once", 0, "api_00 +RUNNING"),
    ("help", 0, "troubleshoot"),
    ("config --changed", 0, r"database.url = \"\*\*\*\""),
    ("dsn", 0, "postgresql://postgres@127.0.0.1:"),
    ("methods", 0, "get_graph_execution"),
    ("call get_user_by_id user_id=alice --field email", 0, "alice@example.com"),
    ("import {example} --user ada@example.com", 0, "ada@example.com"),
    ("rotate-key --dry-run", 0, "Nothing was changed"),
    ("rotate-key", 0, "All are of the new key"),
    ("admin token", 78, "set admin.enabled"),
    ("admin open", 78, "set admin.enabled"),
    ("logs --file {example}", 0, "Greeter"),
    ("events --last 5", 0, "What comes next: --after"),
    ("executions stuck --json", 0, "Looked at what was made within"),
    ("executions stuck --days 3000 --dry-run", 0, "kind +execution"),
    ("user show alice@example.com", 0, "id +alice"),
    ("user list --limit 1", 0, "The first 1 of"),
    # The tables of this database are older than chats.
    ("chats list alice@example.com", 78, "lacks what this method needs: .*ChatSession"),
    ("chats show nowhere", 78, "lacks what this method needs: .*ChatSession"),
    ("jobs list", 0, "refresh_store_views"),
    ("jobs run refresh_store_views --wait", 0, "succeeded: refreshed True"),
    ("jobs history", 0, "refresh_store_views"),
    ("jobs pause measure_blocks", 0, "is paused"),
    ("jobs resume measure_blocks", 0, "runs again"),
    ("jobs failed", 0, "number +job"),
    ("jobs requeue --all", 0, "0 queued again"),
    ("psql -Atc 'SELECT 6 * 7'", 0, "^42$"),
    ("ctl status", 0, "api:api_00 +RUNNING"),
    ("ctl rolling-restart", 0, ""),
    # These are for the private PostgreSQL; what they say is what to do instead.
    ("backup {directory}", 78, "pg_dump"),
    ("restore {directory}", 78, "that server with its own tools"),
    ("upgrade-cluster", 78, "private"),
    ("verify-backup {directory}", 65, ""),
]  # fmt: skip
CHILDREN = {"run", "api", "worker", "admin-listener"}
"""What the daemon itself runs; all but the last behind the pooler all the while."""


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str) -> Iterator[DaemonProcess]:
    with (
        PgBouncer(with_schema(seeded_database_url_for_module), pool_size=6) as pooler,
        DaemonProcess(
            database_url=pooler.url,
            assignments=["api.processes=1", "worker.processes=1"],
            environment=ROTATED,
        ) as running,
    ):
        yield running


def names(group: click.Group, prefix: str = "") -> set[str]:
    return {prefix + name for name in group.commands}


def test_no_command_is_left_out() -> None:
    tried = {words.partition(" ")[0] for words, *_ in WORK} | CHILDREN
    assert tried == names(commands)
    tried = {" ".join(words.split(" ")[:2]) for words, *_ in WORK}
    groups = {"jobs ": jobs, "executions ": executions, "user ": user, "chats ": chats}
    for prefix, group in groups.items():
        assert names(group, prefix) <= tried


@pytest.mark.parametrize(("words", "code", "said"), WORK, ids=[words for words, *_ in WORK])
def test_a_command_does_its_work_behind_a_pooler(
    daemon: DaemonProcess, tmp_path: Path, words: str, code: int, said: str
) -> None:
    given = words.format(example=EXAMPLE, directory=tmp_path)
    done = daemon.run(*(word.strip("'") for word in re.findall(r"'[^']*'|\S+", given)))
    assert done.returncode == code, done.stdout + done.stderr
    assert re.search(said, done.stdout + done.stderr, re.MULTILINE), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
