"""`autogpt-db events`: what was recorded, and what comes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from autogpt_db.cli.commands import commands
from autogpt_db.live_events.trimming import trim
from autogpt_db.settings import CreditsSettings, EventsSettings
from daemon_process import PROGRAM
from postgres_server import with_schema
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from click.testing import Result


@pytest.fixture
def service(seeded_database_url: str) -> Iterator[Service]:
    accounts = CreditsSettings(enabled=True, refill=1000, monthly_refill="on")
    with Service(
        seeded_database_url, credits=accounts, events=EventsSettings(enabled=True)
    ) as running:
        yield running


@pytest.fixture
def environment(service: Service, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "autogpt-db.toml"
    file.write_text(f'state_directory = "{tmp_path}"\nruntime_directory = "{tmp_path}/run"\n')
    return {
        "DATABASE_URL": with_schema(service.url),
        "AUTOGPT_DB_CONFIG": str(file),
        "AUTOGPT_DB_EVENTS_ENABLED": "true",
    }


def types(environment: dict[str, str], *words: str) -> Result:
    return CliRunner().invoke(commands, ["events", *words], env=environment)


def told(environment: dict[str, str], *words: str) -> list[dict[str, Any]]:
    done = types(environment, "--json", *words)
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.stdout.splitlines()]


def change(service: Service) -> None:
    service.call("get_credits", user_id="alice")
    service.call("update_graph_execution_start_time", graph_exec_id="e3")
    service.call("update_graph_execution_stats", graph_exec_id="e4", status="FAILED")


def test_what_was_recorded_is_shown_as_text_and_as_json(
    service: Service, environment: dict[str, str]
) -> None:
    change(service)
    first, second, third = told(environment)
    assert first.keys() == {"id", "event", "at", "user_id", "balance"}
    assert (first["event"], first["user_id"], first["balance"]) == ("balance", "alice", 1000)
    assert (second["graph_execution_id"], second["status"]) == ("e3", "RUNNING")
    assert told(environment, "--after", first["id"]) == [second, third]
    assert told(environment, "--last", "1") == [third]
    assert told(environment, "--user", "bob") == told(environment, "--graph", "g3") == [third]
    assert told(environment, "--run", "e3") == [second]

    done = types(environment)
    lines = done.stdout.splitlines()
    assert lines[0].split() == [first["at"], "balance", "1000", "user", "alice"]
    assert lines[1].split()[1:] == ["graph", "execution", "RUNNING", "run", "e3,", "user", "alice"]
    following = done.stderr.rpartition("--after ")[2].strip()
    assert told(environment, "--after", following) == []
    service.call("spend_credits", user_id="alice", cost=1, metadata={})
    assert [one["balance"] for one in told(environment, "--after", following)] == [999]


def test_who_asks_for_what_is_gone_is_told_and_gets_the_rest(
    service: Service, environment: dict[str, str]
) -> None:
    change(service)
    first, _, third = told(environment)
    service.rows("""UPDATE autogpt_db.live_event SET at = at - interval '2 hours'
                     WHERE user_id = 'alice'""")
    service.run(trim(service.pool.call("trim", reads=False), EventsSettings(enabled=True)))
    done = types(environment, "--json", "--after", first["id"])
    assert "events are missing: the log does not reach back" in done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [third]
    elsewhere = "00000000" + third["id"][8:]
    done = types(environment, "--json", "--after", elsewhere)
    assert "another server's" in done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [third], "all that is kept"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--after", "yesterday"), "no event's id"),
        (("--after", "0f3a9c21-1-1", "--last", "3"), "exclude each other"),
        (("--last", "10001"), "0<=x<=10000"),
    ],
)
def test_a_mistake_is_named(environment: dict[str, str], words: tuple[str, ...], said: str) -> None:
    done = types(environment, *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_where_nothing_is_recorded_that_is_said(environment: dict[str, str]) -> None:
    done = types(environment | {"AUTOGPT_DB_EVENTS_ENABLED": "false"})
    assert done.exit_code == 0
    assert "events.enabled is false" in done.stderr


def test_who_follows_gets_each_as_it_comes(service: Service, environment: dict[str, str]) -> None:
    change(service)
    last = told(environment, "--last", "1")
    following = subprocess.Popen(
        [PROGRAM, "events", "--follow", "--json", "--last", "1"],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with following:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline()) == last[0], "it is there now"
        for cost in (1, 2):
            service.call("spend_credits", user_id="alice", cost=cost, metadata={})
            came = json.loads(following.stdout.readline())
            assert came["balance"] == {1: 999, 2: 997}[cost]
        following.send_signal(signal.SIGINT)
        rest, said = following.communicate(timeout=60)
    assert (following.returncode, rest) == (0, "")
    assert f"--after {came['id'].rpartition('-')[0].partition('-')[0]}-" in said
