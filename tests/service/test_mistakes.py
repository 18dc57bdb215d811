"""What operators do wrong, and what each mistake must say: check, doctor and the service alike."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from guest import CREDENTIALS, UNIT
from mistakes import MISTAKES, ONLY_THE_SERVICE_S, URL, WAITS, Mistake
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guest import Guest

FILE = "/etc/autogpt-db/autogpt-db.toml"


@pytest.fixture(scope="module")
def with_main(guest: Guest) -> Iterator[Guest]:
    """Yield the guest with Debian's own cluster running: a database of somebody's."""
    guest.run("systemctl", "start", "postgresql")
    as_postgres = ("runuser", "-u", "postgres", "--", "psql", "-qc")
    guest.run(*as_postgres, "ALTER SYSTEM SET ssl = off")
    guest.run(*as_postgres, "SELECT pg_reload_conf()")
    guest.run(*as_postgres, "CREATE ROLE autogpt LOGIN PASSWORD 'geheim-4711'")
    for statement in (
        "CREATE DATABASE autogpt OWNER autogpt",
        "CREATE DATABASE closed",
        "CREATE DATABASE empty OWNER autogpt",
        "CREATE DATABASE latin OWNER autogpt ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'",
    ):
        guest.run(*as_postgres, statement)
    yield guest
    guest.run("systemctl", "stop", "postgresql")


def administer(guest: Guest, statement: str) -> None:
    """Do something as the administrator of Debian's cluster."""
    if statement:
        guest.run("runuser", "-u", "postgres", "--", "psql", "-qc", statement)


@contextmanager
def made(guest: Guest, mistake: Mistake) -> Iterator[None]:
    """Make a mistake, and mend it."""
    file = guest.path(FILE)
    before = file.read_text()
    try:
        for name, content in mistake.credentials:
            path = guest.path(f"{CREDENTIALS}/{name}")
            path.write_text(content)
            path.chmod(0o600)
        if mistake.configuration:
            file.write_text(mistake.configuration)
        administer(guest, mistake.sql)
        guest.run("sh", "-ec", mistake.root)
        yield
    finally:
        file.write_text(before)
        for name, _ in mistake.credentials:
            guest.path(f"{CREDENTIALS}/{name}").unlink(missing_ok=True)
        administer(guest, mistake.back)
        guest.run("sh", "-ec", mistake.undo)


def failures(guest: Guest) -> str:
    """Return what doctor finds that keeps the service from its work."""
    checks = json.loads(guest.attempt("autogpt-db", "doctor", "--json").stdout)["checks"]
    return "\n".join(f"{c['text']}. {c['remedy']}" for c in checks if c["level"] == "fail")


@pytest.mark.parametrize("name", [*MISTAKES, *ONLY_THE_SERVICE_S])
def test_check_doctor_and_the_service_say_the_same(with_main: Guest, name: str) -> None:
    guest, mistake = with_main, (MISTAKES | ONLY_THE_SERVICE_S)[name]
    guest.run("systemctl", "stop", "autogpt-db.socket", UNIT)
    with made(guest, mistake):
        checked = guest.attempt("autogpt-db", "check")
        print(f"{name}: {checked.stderr.strip()}")
        assert checked.returncode == mistake.code, checked
        assert checked.stdout.startswith("checked as autogpt-db.service would")
        assert mistake.says in checked.stderr
        assert mistake.says in failures(guest)
        since = guest.now()
        assert guest.attempt("systemctl", "start", UNIT).returncode != 0
        assert guest.property("ExecMainStatus") == str(mistake.code)
        said = "\n".join(each["MESSAGE"] for each in guest.records(since=since))
        assert mistake.says in said
        assert "Traceback" not in f"{said}{checked.stderr}"
    guest.run("systemctl", "reset-failed", UNIT)


@pytest.mark.parametrize("name", ONLY_THE_SERVICE_S)
def test_root_by_itself_sees_nothing_of_it_and_says_so(with_main: Guest, name: str) -> None:
    guest, mistake = with_main, ONLY_THE_SERVICE_S[name]
    with made(guest, mistake):
        checked = guest.attempt("autogpt-db", "check", "--here")
        how, *_ = checked.stdout.splitlines()
        assert how == "checked as root, in this environment, and not as autogpt-db.service would"
        assert mistake.says not in checked.stderr


@pytest.mark.parametrize("name", WAITS)
def test_what_a_start_waits_for_is_said_by_all_three(with_main: Guest, name: str) -> None:
    guest, mistake = with_main, WAITS[name]
    guest.run("systemctl", "stop", "autogpt-db.socket", UNIT)
    with made(guest, mistake):
        checked = guest.attempt("autogpt-db", "check")
        print(f"{name}: {checked.stderr.strip()}")
        assert checked.returncode == mistake.code, checked
        assert mistake.says in checked.stderr
        assert mistake.says in failures(guest)
        guest.run("systemctl", "start", "--no-block", UNIT)
        try:
            wait_for(
                lambda: mistake.says in guest.property("StatusText"),
                seconds=60,
                what=f"what it waits for: {guest.property('StatusText')}",
            )
            assert guest.property("ActiveState") == "activating"
        finally:
            guest.run("systemctl", "stop", UNIT)


def test_a_drop_in_that_names_what_is_not_there(service: Guest) -> None:
    """systemd cannot even start it, and `check` ends with systemd's own code for that."""
    service.drop_in("wrong.conf", "[Service]\nReadWritePaths=/no/such/place\n")
    try:
        checked = service.attempt("autogpt-db", "check")
        print(checked.stderr)
        assert checked.returncode == 226
        assert "systemd cannot start a program as autogpt-db.service: exit code 226" in (
            checked.stderr
        )
        assert "exit code 226" in failures(service)
        service.run("systemctl", "restart", "--no-block", UNIT)
        wait_for(lambda: service.property("ExecMainStatus") == "226", seconds=60, what="its end")
    finally:
        service.drop_in("wrong.conf", None)
        service.run("systemctl", "restart", UNIT)


def test_one_that_is_run_by_hand_beside_the_service_is_told_of_it(service: Guest) -> None:
    done = service.attempt("autogpt-db", "run")
    print(done.stderr)
    assert done.returncode == 71
    assert "Traceback" not in done.stderr
    assert service.property("ActiveState") == "active"


def test_a_port_that_somebody_else_has(service: Guest) -> None:
    service.run("systemctl", "stop", "autogpt-db.socket", UNIT)
    holder = ("systemd-run", "--quiet", "--unit=holder", "python3", "-m", "http.server", "8005")
    service.run(*holder, "--bind", "127.0.0.1")
    try:
        wait_for(
            lambda: "127.0.0.1:8005" in service.run("ss", "-Hltn"), seconds=60, what="the holder"
        )
        assert service.attempt("systemctl", "start", "autogpt-db.socket").returncode != 0
        told = failures(service)
        print(told)
        assert "127.0.0.1:8005 is taken by" in told
    finally:
        service.run("systemctl", "stop", "holder")
        service.run("systemctl", "reset-failed", "autogpt-db.socket", check=False)
        service.run("systemctl", "start", UNIT)


def test_the_unit_s_sandbox_is_seen_by_who_runs_outside_it(with_main: Guest) -> None:
    """The machine's own address answers everybody, and the service may not ask it."""
    guest = with_main
    guest.run("ip", "address", "replace", "192.0.2.10/32", "dev", "lo")
    guest.run("systemctl", "start", UNIT)
    url_there = (("database_url", URL.replace("127.0.0.1", "192.0.2.10")),)
    with made(guest, Mistake("", credentials=url_there)):
        checked = guest.attempt("autogpt-db", "check")
        assert checked.returncode == 78
        print(checked.stderr)
        for said in (checked.stderr, failures(guest)):
            assert "lets it connect to none of 192.0.2.10" in said
            assert "IPAddressAllow=192.0.2.10" in said
        guest.drop_in("way.conf", "[Service]\nIPAddressAllow=192.0.2.0/24\n")
        try:
            assert "sandbox" not in guest.attempt("autogpt-db", "check").stderr
        finally:
            guest.drop_in("way.conf", None)
    guest.run("ip", "address", "delete", "192.0.2.10/32", "dev", "lo")


def test_an_ordinary_user_is_told_of_the_running_service(service: Guest) -> None:
    done = service.attempt("runuser", "-u", "nobody", "--", "autogpt-db", "status")
    print(done.stderr)
    assert done.returncode == 69
    assert "belongs to another user. Run this as root" in done.stderr
    assert "No daemon answers" not in done.stderr


def test_a_faulty_file_keeps_nobody_from_the_status(service: Guest) -> None:
    with made(service, MISTAKES["no TOML"]):
        assert "serving: 2/2 api" in service.run("autogpt-db", "status")
        assert "api_00" in service.run("autogpt-db", "ctl", "status")


def test_the_service_s_own_account_finds_its_data_and_its_credentials(service: Guest) -> None:
    own = ("runuser", "-u", "autogpt-db", "--", "autogpt-db")
    with service.credential("api_token", "its-token"):
        service.run("systemctl", "restart", UNIT)
        assert "serving: 2/2 api" in service.run(*own, "status")
        assert service.run(*own, "call", "get_execution_kv_data", "user_id=u", "key=k") == "null"
        target = service.run("mktemp", "-d")
        service.run("chown", "autogpt-db:", target)
        made_there = service.run(*own, "backup", target)
        print(made_there)
        assert made_there.splitlines()[-1].startswith(target)
        refused = service.attempt(*own, "rotate-key")
        assert "needs both keys" in refused.stderr
        assert 'state_directory = "/var/lib/autogpt-db"' in service.run(*own, "config")


def test_a_credential_with_a_wrong_name_is_named(service: Guest) -> None:
    with service.credential("databse_url", URL):
        done = service.attempt("autogpt-db", "doctor")
        assert "is named like no secret. Did you mean database_url?" in done.stdout


def test_a_wrong_command_line_ends_with_2(service: Guest) -> None:
    for words in (["nonsense"], ["check", "--nonsense"], ["call"], ["call", "get_credits", "x"]):
        done = service.attempt("autogpt-db", *words)
        assert done.returncode == 2, (words, done)
        assert "Traceback" not in done.stderr
    wait_for(lambda: service.property("ActiveState") == "active", what="the service as it was")
