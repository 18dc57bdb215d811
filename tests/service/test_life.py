"""Starting, restarting, reloading and upgrading the installed service."""

from __future__ import annotations

import os
import time
from pathlib import Path

from autogpt_db.helpers.process import NICENESS
from guest import Guest, GuestWriters
from load import lost
from waiting import wait_for

ROUNDS = int(os.environ.get("AUTOGPT_DB_TEST_ROUNDS", "3"))


def assert_nothing_failed(guest: Guest, writers: GuestWriters, what: str) -> None:
    history = writers.history
    missing = lost(guest.database_url(), history.acknowledged)
    print(f"{what}: {history}; {len(missing)} acknowledged writes lost")
    assert set(history.outcomes) == {"ok"}, history.first_failures
    assert missing == []


def test_after_two_commands_it_serves_and_the_first_request_is_in_the_journal(
    service: Guest,
) -> None:
    assert service.run("systemctl", "is-enabled", "autogpt-db") == "enabled"
    status = service.property("StatusText")
    print(status)
    assert status.startswith("serving: 2/2 api, 1/1 worker, PostgreSQL ")
    since = service.now()
    service.call("get_execution_kv_data", "user_id=u", "key=k")
    records = service.records("EVENT=request", since=since)
    assert [record["METHOD"] for record in records] == ["get_execution_kv_data"]


def test_an_idle_main_costs_next_to_nothing(service: Guest) -> None:
    main = service.main_pid()
    shares = []

    def share() -> float:
        """Return the percent of one CPU that main takes over five seconds."""
        began, before = time.monotonic(), service.cpu_seconds(main)
        wait_for(lambda: time.monotonic() >= began + 5, what="five seconds")
        return (service.cpu_seconds(main) - before) / (time.monotonic() - began) * 100

    def is_idle() -> bool:
        shares.append(share())
        return shares[-1] <= 0.2

    wait_for(is_idle, what="an idle main")
    print(f"idle main: {', '.join(f'{each:.2f}' for each in shares)} % CPU")


def test_a_reboot_brings_it_back_with_its_data(service: Guest) -> None:
    with GuestWriters(service, clients=8) as writers:
        writers.wait_for_more()
    began = time.monotonic()
    service.reboot()
    service.wait_serving()
    missing = lost(service.database_url(), writers.history.acknowledged)
    print(
        f"a reboot: serving again {time.monotonic() - began:.1f} s after it was asked for; "
        f"{len(missing)} of {writers.ok} acknowledged writes lost"
    )
    assert missing == []


def test_ready_comes_after_every_child_is_ready(service: Guest) -> None:
    service.run("systemctl", "restart", "autogpt-db")  # returns at READY
    rows = service.run("autogpt-db", "ctl", "status").splitlines()
    print("\n".join(rows))
    assert len(rows) == 4
    assert all(" RUNNING " in row for row in rows)
    (last,) = service.records("EVENT=serving")[-1:]
    ready = service.records("EVENT=process_ready")[-3:]
    assert all(record["__CURSOR"] and record["_PID"] == last["_PID"] for record in ready)
    assert max(int(r["__MONOTONIC_TIMESTAMP"]) for r in ready) <= int(last["__MONOTONIC_TIMESTAMP"])


def test_the_unit_is_clean_and_shut_tight(service: Guest) -> None:
    names = ["/lib/systemd/system/autogpt-db.service", "/lib/systemd/system/autogpt-db.socket"]
    done = service.attempt("systemd-analyze", "verify", "--man=no", *names)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    exposure = service.run("systemd-analyze", "security", "--no-pager", "autogpt-db.service")
    figure = float(exposure.rpartition("service: ")[2].split()[0])
    print(f"exposure {figure}")
    assert figure <= 1.2


def test_restarts_under_load_fail_no_request(service: Guest) -> None:
    with GuestWriters(service) as writers:
        writers.wait_for_more()
        for _ in range(ROUNDS):
            service.run("systemctl", "restart", "autogpt-db")
            writers.wait_for_more()
    assert_nothing_failed(service, writers, f"{ROUNDS} restarts")


def test_reloads_under_load_fail_no_request_and_return_when_done(service: Guest) -> None:
    with GuestWriters(service) as writers:
        writers.wait_for_more()
        for _ in range(ROUNDS):
            before = {name: service.child_pid(name) for name in ("api:api_00", "api:api_01")}
            service.run("systemctl", "reload", "autogpt-db")
            after = {name: service.child_pid(name) for name in before}
            assert all(before[name] != after[name] != 0 for name in before)
            writers.wait_for_more()
    assert_nothing_failed(service, writers, f"{ROUNDS} reloads")


def test_a_bad_reload_fails_and_changes_nothing(service: Guest) -> None:
    file = service.path("/etc/autogpt-db/autogpt-db.toml")
    text = file.read_text()
    before = service.child_pid("api:api_00")
    try:
        file.write_text(f"{text}\n[nonsense]\nanswer = 42\n")
        done = service.attempt("systemctl", "reload", "autogpt-db")
        assert done.returncode != 0
    finally:
        file.write_text(text)
    assert service.child_pid("api:api_00") == before
    assert service.property("ActiveState") == "active"
    (record,) = service.records("EVENT=configuration_invalid")[-1:]
    print(record["MESSAGE"])
    assert "nonsense" in record["MESSAGE"]
    assert "the last reload was refused" in service.property("StatusText")
    service.run("systemctl", "reload", "autogpt-db")
    wait_for(lambda: "refused" not in service.property("StatusText"), what="a plain status")


def test_a_reload_puts_new_settings_into_effect(service: Guest) -> None:
    file = service.path("/etc/autogpt-db/autogpt-db.toml")
    text = file.read_text()
    try:
        file.write_text(text.replace("# processes = 2\n", "processes = 3\n", 1))
        service.run("systemctl", "reload", "autogpt-db")
        wait_for(
            lambda: "serving: 3/3 api" in service.property("StatusText"), what="3 API processes"
        )
    finally:
        file.write_text(text)
        service.run("systemctl", "reload", "autogpt-db")
    wait_for(lambda: "serving: 2/2 api" in service.property("StatusText"), what="2 API processes")


def test_drained_connections_wait_and_are_served_after(service: Guest) -> None:
    with GuestWriters(service) as writers:
        writers.wait_for_more()
        service.run("autogpt-db", "ctl", "drain")
        settled = writers.ok
        assert "STOPPED" in service.run("autogpt-db", "ctl", "status", "api:api_00", check=False)
        assert writers.ok == settled
        service.run("autogpt-db", "ctl", "resume")
        writers.wait_for_more()
    assert_nothing_failed(service, writers, "a drain")


def test_an_upgrade_under_load_fails_no_request(service: Guest, packages: Path) -> None:
    assert (packages / "autogpt-db-next.deb").exists()
    before = service.main_pid()
    with GuestWriters(service) as writers:
        writers.wait_for_more()
        started = time.monotonic()
        service.run("dpkg", "-i", "/packages/autogpt-db-next.deb")
        seconds = time.monotonic() - started
        writers.wait_for_more()
    assert service.main_pid() != before
    assert "+next" in service.run("dpkg-query", "-W", "-f", "${Version}", "autogpt-db")
    assert_nothing_failed(service, writers, f"an upgrade of {seconds:.1f} s")


def test_secrets_are_in_no_command_line_no_environment_and_no_log(service: Guest) -> None:
    secret = "a-token-nobody-may-see"
    credential = service.path("/etc/autogpt-db/credentials/api_token")
    credential.write_text(secret)
    credential.chmod(0o600)
    try:
        service.run("systemctl", "restart", "autogpt-db")
        done = service.attempt("sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline")
        assert secret not in done.stdout
        log = service.log(500)
        assert secret not in log
        seen = done.stdout.count("autogpt_db")
        print(f"no secret beside {seen} mentions of the program, none in {len(log)} bytes of log")
        # The token counts: root's command finds it, another account has none.
        call = ("autogpt-db", "call", "get_execution_kv_data", "user_id=u", "key=nothing")
        assert service.run(*call) == "null"
        refused = service.attempt("runuser", "-u", "nobody", "--", *call)
        assert refused.returncode == 1, refused
        assert "token" in refused.stdout
    finally:
        credential.unlink()
        service.run("systemctl", "restart", "autogpt-db")


READS = """
import json, urllib.request
for size in (100_000, 2_000_000):
    body = json.dumps({"user_id": "u", "key": "large", "node_exec_id": "n", "data": ["x" * size]})
    request = urllib.request.Request(
        "http://127.0.0.1:8005/set_execution_kv_data",
        body.encode(), {"Content-Type": "application/json"},
    )
    urllib.request.urlopen(request).read()
"""


def test_what_reads_bodies_steps_back_in_the_sandbox(service: Guest) -> None:
    service.run("/opt/autogpt-db/bin/python", "-", text=READS)
    rows = service.run("ps", "-u", "autogpt-db", "-o", "cls=,ni=,args=").splitlines()
    ours = {row.split()[-1]: row.split()[:2] for row in rows if "autogpt_db" in row}
    main = int(service.run("ps", "-o", "ni=", "-p", str(service.main_pid())))
    assert ours["quick"] == ["TS", str(min(main + NICENESS, 19))], rows
    assert ours["background"][0] == "IDL", rows
