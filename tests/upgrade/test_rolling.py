"""Two versions on one database, as in an upgrade host by host: nothing is lost, nobody refused."""

from __future__ import annotations

import json
import os
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db import __version__
from chaos.checker import check
from chaos.clients import Clients
from chaos.history import OK, History
from chaos.proxy import Proxy
from chaos.stages import ROWS
from chaos.work import BALANCE, Work
from daemon_process import DaemonProcess
from earlier import VERSION
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("AUTOGPT_DB_TEST_ROUNDS", "3"))
CLIENTS = 24
STEP = 300
"""Calls that succeed between two steps of the upgrade."""
ASSIGNMENTS = (
    "credits.enabled=true",
    # The accounts are filled, so that nothing but what clients spend is in the ledger.
    "credits.monthly_refill=false",
    "worker.oauth_cleanup_schedule=* * * * * *",
    "worker.idempotency_cleanup_schedule=* * * * * *",
    "worker.top_ups_schedule=* * * * * *",
)
UNKNOWN_TO_0_1_0 = ("worker.top_ups_schedule=* * * * * *",)
NAMES = """
SELECT name, program_version FROM autogpt_db.migration ORDER BY number, name
"""
OUTCOMES = """
SELECT DISTINCT outcome FROM autogpt_db.job_run WHERE ended_at IS NOT NULL
"""
QUEUED = """
SELECT DISTINCT status::text FROM autogpt_db.procrastinate_jobs
"""


@pytest.fixture
def url(empty_database: str, earlier_program: Path) -> str:
    """Return the URL of a database that 0.1.0 has made, with the clients' rows."""
    with serving(empty_database, earlier_program):
        pass
    with psycopg.connect(empty_database) as connection:
        connection.execute(ROWS.encode())
    return empty_database


def serving(url: str, program: Path | None = None) -> DaemonProcess:
    """Return a daemon on the database: of the version before where its program is given."""
    if program is None:
        return DaemonProcess(database_url=url, assignments=ASSIGNMENTS)
    known = [one for one in ASSIGNMENTS if one not in UNKNOWN_TO_0_1_0]
    return DaemonProcess(database_url=url, assignments=known, program=program)


class Hosts:
    """What stands before the hosts: a way to each, led elsewhere when its host is taken out.

    Attributes:
        ways: The ports that clients call.
    """

    def __init__(self, exits: ExitStack, *daemons: DaemonProcess) -> None:
        self._proxies = [
            exits.enter_context(Proxy(daemon.port, str(place)))
            for place, daemon in enumerate(daemons)
        ]
        self.ways = [proxy.port for proxy in self._proxies]

    def lead(self, *daemons: DaemonProcess) -> None:
        """Lead new connections to these, one for each way."""
        for proxy, daemon in zip(self._proxies, daemons, strict=True):
            proxy.target = daemon.port


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(sql.encode()).fetchall()


@pytest.mark.timeout(900)
def test_an_upgrade_host_by_host_loses_nothing(url: str, earlier_program: Path) -> None:
    history = History()
    with ExitStack() as exits:
        first, second = (exits.enter_context(serving(url, earlier_program)) for _ in range(2))
        hosts = Hosts(exits, first, second)
        clients = exits.enter_context(
            Clients(hosts.ways, history, "upgrade", count=CLIENTS, work=Work)
        )

        def some_more() -> None:
            enough = history.acknowledged() + STEP
            wait_for(
                lambda: history.acknowledged() > enough or not clients.working, what="more calls"
            )
            assert clients.working, history.violations

        some_more()
        # The first host is taken out, stopped, and comes back as the new version.
        hosts.lead(second, second)
        assert first.stop() == 0
        some_more()
        third = exits.enter_context(serving(url))
        hosts.lead(third, second)
        some_more()
        for round_ in range(ROUNDS):  # both versions, and their processes die now and then
            for daemon in (third, second):
                name = f"api:api_{round_ % 2:02}"
                pid = daemon.pid_of(name)
                os.kill(pid, signal.SIGKILL)
                wait_for(
                    lambda daemon=daemon, name=name, pid=pid: daemon.pid_of(name) not in {0, pid},
                    what=f"{name} to come back",
                )
                some_more()
        # And so does the other.
        hosts.lead(third, third)
        assert second.stop() == 0
        some_more()
        fourth = exits.enter_context(serving(url))
        hosts.lead(third, fourth)
        some_more()
        clients.stop()
        daemons = {VERSION: (first, second), __version__: (third, fourth)}
        logged = [
            (version, json.dumps(record))
            for version, both in daemons.items()
            for daemon in both
            for record in daemon.events()
            if "exception" in record or record.get("level") == "error"
        ]
    calls = history.calls["calm"]
    print(f"\n{history.total:,} calls: {dict(calls)}, statuses {dict(history.answers)}")
    assert history.violations == []
    assert check(history, url) == []
    assert set(history.answers) == {200}, history.words
    assert calls[OK] == history.total - calls["unknown"], "nobody was refused"
    # A kill takes the calls along that its process had in hand.
    assert calls["unknown"] <= 2 * ROUNDS * CLIENTS
    assert logged == []
    assert rows(url, OUTCOMES) == [("succeeded",)], "both versions' workers share the jobs"
    assert {status for (status,) in rows(url, QUEUED)} <= {"todo", "doing", "succeeded"}
    assert {version for _, version in rows(url, NAMES)} == {VERSION, __version__}


def test_a_repeat_is_known_to_the_other_version(url: str, earlier_program: Path) -> None:
    spend = {"user_id": "user-0", "cost": 7, "metadata": {}}
    with serving(url, earlier_program) as old, serving(url) as new:
        for number, (one, other) in enumerate(((old, new), (new, old)), 1):
            key = {"idempotency-key": f"upgrade-{number}"}
            first = one.client.post("/spend_credits", json=spend, headers=key)
            again = other.client.post("/spend_credits", json=spend, headers=key)
            assert (first.status_code, first.json()) == (200, BALANCE - 7 * number)
            assert again.headers["idempotency-replayed"] == "true"
            assert again.content == first.content
            # One whose single statement keeps its reply now; before, it had a transaction as well.
            value: dict[str, Any] = {
                "user_id": "u",
                "node_exec_id": "n",
                "key": "k",
                "data": {"ä": [number]},
            }
            first = one.client.post("/set_execution_kv_data", json=value, headers=key)
            again = other.client.post("/set_execution_kv_data", json=value, headers=key)
            assert (first.status_code, first.json()) == (200, value["data"])
            assert again.headers["idempotency-replayed"] == "true"
            assert again.content == first.content
            value["data"] = 0
            for each in (one, other):
                reply = each.client.post("/set_execution_kv_data", json=value, headers=key)
                assert reply.status_code == 422, reply.text


def test_the_version_before_serves_on_and_says_what_to_do_when_it_is_restarted(
    url: str, earlier_program: Path
) -> None:
    with serving(url, earlier_program) as old:
        with serving(url) as new:
            assert new.events("schema_migrated")
        assert old.call("get_credits", user_id="user-0") == BALANCE, "the schema is newer now"
        assert old.stop() == 0
        old.launch()
        assert old.exit_code() == 78
        (last, _) = rows(url, NAMES)[-1]
        told = f"The database was migrated by autogpt-db {__version__} (to {last})"
        assert told in old.log()
        assert f"Install {__version__} or newer." in old.log()
