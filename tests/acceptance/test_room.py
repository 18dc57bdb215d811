"""Fewer connections than the pools want: each process has its share, or it is said with numbers."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import httpx
import psycopg
import pytest

import plain_http
from daemon_process import DaemonProcess
from postgres_server import unique_name
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from postgres_server import PostgresServer

TWO = ["api.processes=2", "database.pool_size=8", "database.create_tables=true"]


@pytest.fixture
def limited(postgres_server: PostgresServer) -> Iterator[str]:
    """Yield the name of a role, and of its database, that the test may limit."""
    name = unique_name("limited")
    postgres_server.execute(f'CREATE ROLE "{name}" LOGIN')
    postgres_server.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
    with psycopg.connect(postgres_server.url(name), autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    yield name
    postgres_server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    postgres_server.execute(f'DROP ROLE "{name}"')


def url_of(server: PostgresServer, name: str) -> str:
    return server.url(name).replace("postgres@", f"{name}@")


def answers(daemon: DaemonProcess, calls: int) -> list[httpx.Response]:
    """Return the replies to calls on a new connection each."""
    found = []
    for _ in range(calls):
        with plain_http.client(base_url=daemon.base, timeout=30) as client:
            found.append(client.post("/get_graph_executions", json={"statuses": ["RUNNING"]}))
    return found


@pytest.mark.parametrize("whose", ["ROLE", "DATABASE"])
def test_pools_are_shrunk_to_what_is_allowed(
    postgres_server: PostgresServer, limited: str, whose: str
) -> None:
    postgres_server.execute(f'ALTER {whose} "{limited}" CONNECTION LIMIT 12')
    with DaemonProcess(database_url=url_of(postgres_server, limited), assignments=TWO) as daemon:
        (told,) = daemon.events("pools_shrunk")
        assert "21 connections" in told["wanted"]
        assert "may have 12" in told["allowed"]
        assert f'ALTER {whose} "{limited}" CONNECTION LIMIT -1;' in told["remedy"]
        assert told["api_pool_size"] == 4

        def sizes() -> set[int]:
            return {each["pool"]["size"] for each in daemon.status()["processes"][:2]}

        wait_for(lambda: sizes() == {4}, what="equal shares")
        assert {reply.status_code for reply in answers(daemon, 30)} == {200}
        assert "2/2 api, 1/1 worker" in daemon.status()["words"]
        assert not daemon.events("connections_refused")


def test_a_limit_without_room_for_each_is_refused_with_the_numbers(
    postgres_server: PostgresServer, limited: str
) -> None:
    postgres_server.execute(f'ALTER ROLE "{limited}" CONNECTION LIMIT 4')
    daemon = DaemonProcess(database_url=url_of(postgres_server, limited), assignments=TWO)
    try:
        daemon.launch()
        assert daemon.exit_code() == 78
        (problem,) = [each["problem"] for each in daemon.events("configuration_invalid")]
        assert "needs 5 connections at least" in problem
        assert f"the role '{limited}' may have 4" in problem
        done = daemon.run("doctor", "--json")
        checks = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
        assert checks["connections"]["level"] == "fail"
        postgres_server.execute(checks["connections"]["remedy"])
        daemon.start()
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()


def test_what_others_have_now_is_waited_for(postgres_server: PostgresServer, limited: str) -> None:
    postgres_server.execute(f'ALTER ROLE "{limited}" CONNECTION LIMIT 8')
    url = url_of(postgres_server, limited)
    others = [psycopg.connect(url) for _ in range(5)]
    daemon = DaemonProcess(database_url=url, assignments=TWO)
    try:
        daemon.launch()
        daemon.wait_notified("waiting for room")
        for other in others:
            other.close()
        daemon.wait_notified("READY=1")
        assert {reply.status_code for reply in answers(daemon, 10)} == {200}
    finally:
        daemon.__exit__()


def test_a_limit_that_changes_later_is_told_and_clients_meet_who_has_connections(
    postgres_server: PostgresServer, limited: str
) -> None:
    with DaemonProcess(database_url=url_of(postgres_server, limited), assignments=TWO) as daemon:
        postgres_server.execute(f'ALTER ROLE "{limited}" CONNECTION LIMIT 1')
        daemon.wait_notified("the service wants 20 connections")
        (told, *_) = daemon.events("connections_short")
        assert re.search(r"may have 1\b", told["reason"])
        process = {each["name"]: each for each in daemon.status()["processes"]}["api_01"]
        daemon.supervisorctl("signal", "KILL", "api:api_01")

        def started_again() -> bool:
            found = {each["name"]: each for each in daemon.status()["processes"]}["api_01"]
            return found["pid"] not in {None, process["pid"]} and bool(found["pool"])

        wait_for(started_again, what="its successor")
        assert "1/2 api" in daemon.status()["words"]
        states = {each["name"]: each["state"] for each in daemon.status()["processes"]}
        assert states["api_01"] == "STARTING"
        assert "STARTING" in daemon.supervisorctl("status", "api:api_01").stdout
        replies = answers(daemon, 30)
        assert sum(reply.status_code == 200 for reply in replies) >= 27, replies
        for reply in replies:
            if reply.status_code != 200:
                assert reply.status_code == 503
                assert reply.headers["connection"] == "close"
                assert reply.elapsed.total_seconds() < 8
        postgres_server.execute(told["remedy"])
        wait_for(
            lambda: "2/2 api" in (words := daemon.status()["words"]) and "wants" not in words,
            seconds=40,
            what="its room",
        )
        assert daemon.events("connections_enough")
