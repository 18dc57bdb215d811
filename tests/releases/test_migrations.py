"""AutoGPT migrates its database while clients play runs on it: nothing is lost, all is right again.

AutoGPT's migrations are taken from the difference of two catalogues. As Prisma does, each is
written down before it begins and after it has ended.
"""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import psycopg
import pytest

from daemon_process import DaemonProcess
from releases.catalogues import STATES, catalogue
from releases.difference import statements
from releases.reading import comparable, differences, read
from releases.runs import (
    ALL,
    Client,
    Heard,
    WrongAnswerError,
    around,
    daemon_on,
    imported,
    play,
    reviewed,
)
from waiting import BUSY, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

CLIENTS = 16
SETTLED = 5.0
"""Seconds after a migration within which every method is right again."""
STEPS = list(pairwise(STATES))
FEW = [("v0.6.50", "v0.6.51")]
"""Played with every test run; the way through all states by `make test-releases`."""
_DEADLOCK_TRIES = 20


class Players:
    """Clients that play runs without end, each in a thread of its own."""

    def __init__(self, base: str, user: str) -> None:
        self.heard = Heard()
        self.failures: list[tuple[float, str]] = []
        self._base = base
        self._user = user
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._play) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            assert not thread.is_alive(), "a call was never answered"

    def _play(self) -> None:
        with Client(self._base, self.heard) as call:
            while not self._stop.wait(0.05):
                try:
                    play(call, self._user)
                except (WrongAnswerError, AssertionError) as error:
                    self.failures.append((time.monotonic(), str(error)[:600]))

    def wait_for_more(self, number: int = 2) -> None:
        """Wait until so many more runs are through."""
        before = len(self.heard.runs)
        wait_for(lambda: len(self.heard.runs) >= before + number, what="runs to end")


def migrated(connection: psycopg.Connection[Any], before: str, state: str) -> None:
    """Do as AutoGPT's `prisma migrate deploy` would to bring the database to `state`."""
    name = catalogue(state)["last_migration"]
    connection.execute(
        "INSERT INTO platform._prisma_migrations (id, checksum, migration_name)"
        " VALUES (gen_random_uuid(), '', %s)",
        (name,),
    )
    connection.execute("SELECT set_config('search_path', 'platform, public, extensions', false)")
    for statement in statements(catalogue(before), catalogue(state)):
        _executed(connection, statement)
    connection.execute("RESET search_path")
    connection.execute(
        "UPDATE platform._prisma_migrations SET finished_at = now(), applied_steps_count = 1"
        " WHERE migration_name = %s",
        (name,),
    )


def _executed(connection: psycopg.Connection[Any], statement: str) -> None:
    for _ in range(_DEADLOCK_TRIES):
        try:
            connection.execute(statement.encode())
        except psycopg.errors.DeadlockDetected:
            continue  # of two that wait for each other PostgreSQL ends either
        return
    raise AssertionError(f"deadlocks without end: {statement}")


def right_again(daemon: DaemonProcess, user: str) -> None:
    """Assert that within `SETTLED` seconds every call of a whole run is answered with 200."""
    last: list[str] = []

    def all_right() -> bool:
        with Client(daemon.base, Heard(), patience=SETTLED) as call:
            try:
                for part in (play, reviewed, around):
                    part(call, user)
            except (WrongAnswerError, AssertionError) as error:
                last[:] = [str(error)]
                return False
        return True

    began = time.monotonic()
    # A round takes a while itself under load: it has to begin within the time.
    while not all_right():
        assert time.monotonic() < began + SETTLED * BUSY, last


def lost(connection: psycopg.Connection[Any], heard: Heard) -> tuple[list[str], list[str]]:
    """Return finished runs and written keys that are not in the database."""
    runs = connection.execute(
        "SELECT asked.id FROM unnest(%s::text[]) AS asked (id) WHERE NOT EXISTS ("
        ' SELECT FROM platform."AgentGraphExecution" AS run'
        " WHERE run.id = asked.id AND run.\"executionStatus\" = 'COMPLETED')",
        (heard.runs,),
    ).fetchall()
    keys = connection.execute(
        "SELECT asked.key FROM unnest(%s::text[]) AS asked (key) WHERE NOT EXISTS ("
        ' SELECT FROM platform."AgentNodeExecutionKeyValueData" AS stored'
        " WHERE stored.key = asked.key)",
        (heard.keys,),
    ).fetchall()
    return [row[0] for row in runs], [row[0] for row in keys]


def played_through(url: str, steps: list[tuple[str, str]]) -> None:
    with (
        daemon_on(url) as daemon,
        psycopg.connect(url, autocommit=True) as autogpt,
    ):
        user = imported(daemon)
        right_again(daemon, user)
        with Players(daemon.base, user) as players:
            for before, state in steps:
                players.wait_for_more()
                wrong = len(players.heard.wrong)
                migrated(autogpt, before, state)
                right_again(daemon, user)
                players.wait_for_more()
                print(f"{before} to {state}: {players.heard.statuses}")
                assert players.heard.wrong[wrong:] == [], (before, state)
        heard = players.heard
        assert players.failures == []
        assert set(heard.statuses) <= {200, 404, 503}, heard.statuses
        assert lost(autogpt, heard) == ([], [])
        wanted = comparable(catalogue(steps[-1][1]))
        assert differences(wanted, read(autogpt), ordered=False) == []
        print(f"{len(heard.runs)} runs, {len(heard.keys)} values, statuses {heard.statuses}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("before", "state"), FEW)
def test_a_migration_under_load_loses_nothing(
    release_database: Callable[..., str], before: str, state: str
) -> None:
    played_through(release_database(before), [(before, state)])


@pytest.mark.timeout(int(os.environ.get("AUTOGPT_DB_TEST_CHAIN_SECONDS", "1800")))
@pytest.mark.skipif(not ALL, reason="make test-releases plays it")
def test_the_way_through_all_states_under_load_loses_nothing(
    release_database: Callable[..., str],
) -> None:
    played_through(release_database(STATES[0]), STEPS)
