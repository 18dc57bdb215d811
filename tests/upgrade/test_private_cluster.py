"""A private cluster that 0.1.0 has made and written: the new version serves it, with all of it."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db import __version__
from daemon_process import DaemonProcess, processes_of
from earlier import VERSION
from load import Writers, lost
from private_cluster import SEED
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITES = 500
COLUMNS = """
SELECT relation.relname, array_agg(field.attname::text ORDER BY field.attnum)
  FROM pg_catalog.pg_class AS relation
  JOIN pg_catalog.pg_attribute AS field ON field.attrelid = relation.oid
 WHERE relation.relnamespace = 'platform'::regnamespace
   AND relation.relkind = 'r'
   AND field.attnum > 0
   AND NOT field.attisdropped
 GROUP BY relation.relname
"""
LEFT_BEHIND = {"StoreListing": {"agentGraphVersion"}}
"""Columns that AutoGPT's later releases have no more."""

Tables = dict[str, list[str]]


@pytest.fixture
def old(earlier_program: Path) -> Iterator[DaemonProcess]:
    """Run 0.1.0 with a private cluster that has the contract's rows."""
    with DaemonProcess(program=earlier_program) as daemon:
        with connected(daemon) as connection:
            connection.execute("SET search_path = platform")
            connection.execute(SEED.read_bytes())
        yield daemon


def url_of(daemon: DaemonProcess) -> str:
    return daemon.run("dsn", "--reveal").stdout.strip()


def connected(daemon: DaemonProcess) -> psycopg.Connection[Any]:
    return psycopg.connect(url_of(daemon))


def columns(daemon: DaemonProcess) -> Tables:
    with connected(daemon) as connection:
        return dict(connection.execute(COLUMNS).fetchall())


def contents(daemon: DaemonProcess, tables: Tables) -> dict[str, Counter[str]]:
    """Return the tables' rows, of each what stands in these columns."""
    with connected(daemon) as connection:
        return {
            table: Counter(
                json.dumps({name: row[name] for name in names}, sort_keys=True)
                for (row,) in connection.execute(
                    f'SELECT to_jsonb(one) FROM platform."{table}" AS one'.encode()
                )
            )
            for table, names in tables.items()
        }


def lose_power(daemon: DaemonProcess) -> None:
    """Kill everything: nobody is asked to stop."""
    for line in processes_of(daemon.directory):
        os.kill(int(line.split()[0]), signal.SIGKILL)
    assert daemon.exit_code() == -signal.SIGKILL
    wait_for(lambda: not processes_of(daemon.directory), what="everything to be dead")


@pytest.mark.timeout(600)
def test_what_0_1_0_has_written_is_served_and_the_way_back_is_open(
    old: DaemonProcess, earlier_program: Path
) -> None:
    with Writers(old.port, clients=8) as writers:
        wait_for(lambda: writers.ok > WRITES, what="writes")
        lose_power(old)
    acknowledged = writers.history.acknowledged
    old.start()
    before = columns(old)
    saved = old.run("backup", str(old.directory / "by-hand"))
    assert saved.returncode == 0, saved.stderr
    kept = {table: {*names} - LEFT_BEHIND.get(table, set()) for table, names in before.items()}
    tables = {table: sorted(names) for table, names in kept.items()}
    expected = contents(old, tables)
    assert expected["AgentNodeExecutionKeyValueData"].total() >= WRITES
    lose_power(old)

    new = DaemonProcess(directory=old.directory)
    with new:
        *_, migrated = new.events("schema_migrated")  # the log of both versions is one file
        assert {"0009_settings", "platform_0008_new_tables"} <= {*migrated["applied"]}
        after = columns(new)
        left = {table: {*names} - {*after[table]} for table, names in before.items()}
        assert {table: names for table, names in left.items() if names} == LEFT_BEHIND
        assert contents(new, tables) == expected
        assert lost(url_of(new), acknowledged) == []
        assert new.events("rows_kept_aside") == []
        *_, backup = new.events("backed_up")

    # What 0.1.0 says of it, and the way back: with the data from before, and forward again.
    again = DaemonProcess(directory=old.directory, program=earlier_program)
    with_new = len(again.log())
    again.launch()
    assert again.exit_code() == 78
    told = re.sub(r"\s+", " ", again.log()[with_new:])
    assert f"The database was migrated by autogpt-db {__version__}" in told
    assert f"Install {__version__} or newer." in told
    restored = again.run("restore", "--replace", backup["directory"])
    assert restored.returncode == 0, restored.stderr
    with again:
        assert contents(again, tables) == expected
        assert lost(url_of(again), acknowledged) == []
    (made,) = re.findall(r"^\S*/by-hand\S*$", saved.stdout, re.MULTILINE)
    restored = new.run("restore", "--replace", made)
    assert restored.returncode == 0, restored.stderr
    forward = DaemonProcess(directory=old.directory)
    with forward:
        assert contents(forward, tables) == expected
        with connected(forward) as connection:
            rows = connection.execute("SELECT program_version FROM autogpt_db.migration").fetchall()
        assert {version for (version,) in rows} == {VERSION, __version__}
