"""Killing, stopping and misconfiguring the installed service."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest

from autogpt_db.database.provisioning.migration import LOCK
from guest import CREDENTIALS, PORT, Guest, GuestWriters
from load import lost
from waiting import wait_for

ROUNDS = int(os.environ.get("AUTOGPT_DB_TEST_ROUNDS", "3"))
APIS = ("api:api_00", "api:api_01")
OUTSIDE_URL = "postgresql://outside:outside@127.0.0.1/outside?schema=platform"
PSQL = ("runuser", "-u", "postgres", "--", "psql", "-qAt", "-d")
ALLOWED = 5
"""Seconds a start may take in the tests where it takes longer."""


SEND = """
import concurrent.futures, contextlib, urllib.request
body = open("/root/body.json", "rb").read()
def send(number):
    request = urllib.request.Request("http://127.0.0.1:8005/set_execution_kv_data", body)
    request.add_header("content-type", "application/json")
    with contextlib.suppress(OSError):
        urllib.request.urlopen(request, timeout=60).read()
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    list(pool.map(send, range(8)))
"""


def restarts(guest: Guest) -> int:
    return int(guest.property("NRestarts"))


def starts_since(guest: Guest, since: str) -> int:
    """Return how often systemd has started the unit."""
    text = guest.run("journalctl", "-u", "autogpt-db", "--since", since, "-o", "cat")
    return text.count("Starting autogpt-db.service")


def test_killing_main_loses_nothing_acknowledged_and_refuses_nobody(service: Guest) -> None:
    slowest_return = 0.0
    orphans = 0
    with GuestWriters(service) as writers:
        for _ in range(ROUNDS):
            writers.wait_for_more()
            main = service.main_pid()
            children = [service.child_pid(name) for name in (*APIS, "worker:worker_00")]
            killed = time.monotonic()
            service.run("kill", "-KILL", str(main))
            wait_for(lambda main=main: service.main_pid() not in {0, main}, what="another main")
            service.wait_serving()
            slowest_return = max(slowest_return, time.monotonic() - killed)
            orphans += sum(service.path(f"/proc/{pid}").exists() for pid in children)
    history = writers.history
    missing = lost(service.database_url(), history.acknowledged)
    print(
        f"{ROUNDS} kills of main: {history}; {len(missing)} acknowledged writes lost; "
        f"back within {slowest_return:.2f} s; {orphans} orphans"
    )
    assert missing == []
    assert history.outcomes["refused"] == 0
    assert history.outcomes["failed"] <= 32 * ROUNDS  # what was in flight
    assert orphans == 0


def test_killing_a_child_refuses_nobody(service: Guest) -> None:
    with GuestWriters(service) as writers:
        for name in (*APIS, "worker:worker_00", "postgresql"):
            writers.wait_for_more()
            pid = service.child_pid(name)
            service.run("kill", "-KILL", str(pid))
            wait_for(lambda name=name, pid=pid: service.child_pid(name) not in {0, pid}, what=name)
            service.wait_serving()
        writers.wait_for_more()
    history = writers.history
    missing = lost(service.database_url(), history.acknowledged)
    print(f"a kill of each child: {history}; {len(missing)} acknowledged writes lost")
    assert missing == []
    assert history.outcomes["refused"] == 0


def test_at_its_memory_limit_it_heals_and_loses_nothing_acknowledged(service: Guest) -> None:
    if not service.limits_memory():
        pytest.skip("this machine hands the guest's systemd no control over memory")
    body = json.dumps(
        {"user_id": "big", "node_exec_id": "big", "key": "k", "data": ["x" * 50] * 400_000}
    )
    service.path("/root/body.json").write_text(body)
    service.path("/root/send.py").write_text(SEND)
    service.run("systemctl", "set-property", "--runtime", "autogpt-db", "MemoryMax=400M")
    since, main = service.now(), service.main_pid()
    try:
        with GuestWriters(service, clients=8) as writers:
            writers.wait_for_more()

            def killed() -> list[dict[str, Any]]:
                service.attempt("python3", "/root/send.py")
                return service.records("EVENT=process_exited", since=since)

            exits = wait_for(killed, what="a process killed for its memory")
            service.wait_serving()
            writers.wait_for_more()
    finally:
        service.run("systemctl", "set-property", "--runtime", "autogpt-db", "MemoryMax=infinity")
    history = writers.history
    missing = lost(service.database_url(), history.acknowledged)
    names = ", ".join(record["CHILD"] for record in exits)
    print(f"memory limit: {names} killed; {history}; {len(missing)} acknowledged writes lost")
    assert missing == []
    assert history.outcomes["refused"] == 0
    assert service.main_pid() == main
    assert "SIGKILL" in exits[0]["HOW"]


def test_a_frozen_main_is_restarted_by_the_watchdog_while_children_serve(service: Guest) -> None:
    before, main = restarts(service), service.main_pid()
    with GuestWriters(service, clients=8) as writers:
        writers.wait_for_more()
        frozen = time.monotonic()
        service.run("kill", "-STOP", str(main))
        writers.wait_for_more(1000)
        wait_for(lambda: restarts(service) > before, what="the watchdog")
        seconds = time.monotonic() - frozen
        service.wait_serving()
    print(f"main frozen: restarted after {seconds:.1f} s; {writers.history}")
    assert writers.history.outcomes["refused"] == 0


def test_a_frozen_child_is_replaced(service: Guest) -> None:
    pid = service.child_pid("api:api_00")
    since = service.now()
    frozen = time.monotonic()
    service.run("kill", "-STOP", str(pid))
    wait_for(lambda: service.child_pid("api:api_00") not in {0, pid}, what="another")
    service.wait_serving()
    seconds = time.monotonic() - frozen
    (record,) = service.records("EVENT=process_replaced", since=since)
    print(f"child frozen: replaced and serving after {seconds:.1f} s: {record['MESSAGE']}")
    assert record["CHILD"] == "api_00"
    assert record["PRIORITY"] == "3"


def assert_failed_without_a_storm(guest: Guest, since: str) -> None:
    # A waiting client must not start it again: its connection is refused, which is the truth.
    probe = f"import socket; socket.create_connection(('127.0.0.1', {PORT}))"
    for _ in range(5):
        guest.attempt("/opt/autogpt-db/bin/python", "-c", probe)
    wait_for(lambda: guest.property("ActiveState") == "failed", what="a failed unit")
    wait_for(
        lambda: guest.property("ActiveState", "autogpt-db.socket") == "inactive",
        what="a closed socket",
    )
    starts = starts_since(guest, since)
    print(f"{starts} start(s), {guest.property('Result')}, {guest.property('ExecMainStatus')}")
    assert starts == 1


def test_a_wrong_credential_ends_with_78_and_is_not_tried_again(service: Guest) -> None:
    since = service.now()
    with service.credential("database_url", "postgresql://127.0.0.1/nobody?nonsense=1&port=x"):
        assert service.attempt("systemctl", "restart", "autogpt-db").returncode != 0
        assert_failed_without_a_storm(service, since)
        assert service.property("ExecMainStatus") == "78"
    service.wait_serving()


def test_a_missing_credential_keeps_it_from_starting_without_a_storm(service: Guest) -> None:
    since = service.now()
    service.drop_in(
        "credential.conf",
        f"[Service]\nLoadCredential=database_url:{CREDENTIALS}/database_url\n",
    )
    try:
        assert service.attempt("systemctl", "restart", "autogpt-db").returncode != 0
        assert_failed_without_a_storm(service, since)
    finally:
        service.drop_in("credential.conf", None)
        service.run("systemctl", "start", "autogpt-db")
    service.wait_serving()


def outside_postgresql(guest: Guest) -> None:
    """Start the distribution's own PostgreSQL, with a role and a database for the service."""
    guest.run("systemctl", "start", "postgresql")
    for statement in (
        "CREATE ROLE outside SUPERUSER LOGIN PASSWORD 'outside'",
        "CREATE DATABASE outside OWNER outside",
    ):
        guest.attempt(*PSQL, "postgres", "-c", statement)
    guest.run("env", f"DATABASE_URL={OUTSIDE_URL}", "autogpt-db", "migrate", "--create")


def test_a_rotated_credential_takes_effect_with_a_restart_under_load(service: Guest) -> None:
    outside_postgresql(service)
    password = "ALTER ROLE outside PASSWORD '{}'"
    try:
        with service.credential("database_url", OUTSIDE_URL) as credential:
            service.run("systemctl", "restart", "autogpt-db")
            with GuestWriters(service, clients=8) as writers:
                writers.wait_for_more()
                credential.write_text(OUTSIDE_URL.replace("outside@", "another@"))
                service.run(*PSQL, "postgres", "-c", password.format("another"))
                service.run("systemctl", "restart", "autogpt-db")
                writers.wait_for_more()
            counted = """SELECT count(*) FROM platform."AgentNodeExecutionKeyValueData" """
            written = int(service.run(*PSQL, "outside", "-c", counted))
    finally:
        service.run(*PSQL, "postgres", "-c", password.format("outside"))
        service.run("systemctl", "stop", "postgresql")
    print(f"a rotated password: {writers.history}; {written} written")
    assert set(writers.history.outcomes) == {"ok"}
    assert written == writers.ok


def test_postgresql_absent_at_boot_is_awaited_in_words_and_may_arrive_later(
    service: Guest,
) -> None:
    outside_postgresql(service)
    service.run("systemctl", "disable", "--now", "postgresql")
    # Less than it will have to wait: it asks systemd for more time while it does.
    service.drop_in("start.conf", f"[Service]\nTimeoutStartSec={ALLOWED}\n")
    since = service.now()
    with service.credential("database_url", OUTSIDE_URL):
        service.reboot(wait=False)
        began = time.monotonic()
        status = wait_for(
            lambda: (
                service.property("StatusText").startswith("waiting for PostgreSQL")
                and service.property("StatusText")
            ),
            what="the word",
        )
        print(f"after the boot: {status}")
        assert status.endswith("at 127.0.0.1:5432: Connection refused")
        wait_for(lambda: time.monotonic() > began + ALLOWED + 2, what="the time a start may take")
        assert service.property("ActiveState") == "activating"
        assert starts_since(service, since) == 1
        arrived = time.monotonic()
        service.run("systemctl", "start", "postgresql")
        service.wait_serving()
        seconds = time.monotonic() - arrived
        print(f"serving {seconds:.1f} s after PostgreSQL was started")
        assert "at 127.0.0.1" in service.property("StatusText")
        assert starts_since(service, since) == 1
    service.drop_in("start.conf", None)
    service.run("systemctl", "stop", "postgresql")
    service.wait_serving()


def test_a_migration_may_take_longer_than_a_start(service: Guest) -> None:
    outside_postgresql(service)
    # Another host's migration: it holds the lock that ours waits for.
    hold = f"SELECT pg_advisory_lock({LOCK}), pg_sleep(300)"
    service.run("systemd-run", "--unit=migration", *PSQL, "outside", "-c", hold)
    holders = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
        " WHERE locktype = 'advisory' AND granted"
    )
    held = holders.replace("count(pg_terminate_backend(pid))", "count(*)")
    wait_for(lambda: service.run(*PSQL, "outside", "-c", held) == "1", what="the lock")
    service.drop_in("start.conf", f"[Service]\nTimeoutStartSec={ALLOWED}\n")
    since = service.now()
    try:
        with service.credential("database_url", OUTSIDE_URL):
            began = time.monotonic()
            service.run("systemctl", "restart", "--no-block", "autogpt-db")
            wait_for(
                lambda: service.property("StatusText") == "checking the schema",
                what="the word",
            )
            wait_for(lambda: time.monotonic() > began + ALLOWED + 2, what="the allowed time")
            assert service.property("ActiveState") == "activating"
            assert service.run(*PSQL, "outside", "-c", holders) == "1"
            service.wait_serving()
            starts = starts_since(service, since)
            print(f"a migration of {time.monotonic() - began:.1f} s: {starts} start(s)")
            assert starts == 1
    finally:
        service.drop_in("start.conf", None)
        service.attempt("systemctl", "stop", "migration", "postgresql")
    service.wait_serving()


def test_a_taken_port_is_named(service: Guest) -> None:
    service.run("systemctl", "stop", "autogpt-db", "autogpt-db.socket")
    taker = "import socket,time; s=socket.create_server(('127.0.0.1',8005)); time.sleep(600)"
    service.run("systemd-run", "--unit=taker", "--service-type=exec", "python3", "-c", taker)
    try:
        wait_for(lambda: ":8005" in service.run("ss", "-ltn"), what="a stranger on the port")
        since = service.now()
        assert service.attempt("systemctl", "start", "autogpt-db.socket").returncode != 0
        service.run("systemctl", "start", "--no-block", "autogpt-db")
        record = wait_for(
            lambda: service.records("EVENT=cannot_go_on", since=since), what="a record"
        )[0]
        print(record["MESSAGE"])
        assert "8005 is taken" in record["MESSAGE"]
    finally:
        service.run("systemctl", "stop", "taker")
        service.run("systemctl", "stop", "autogpt-db")
    service.run("systemctl", "reset-failed", check=False)
    service.run("systemctl", "start", "autogpt-db.socket")
