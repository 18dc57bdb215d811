"""What operators do wrong, and what each mistake must say: check, doctor and the service alike."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import pytest
from guest import CREDENTIALS, UNIT

from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guest import Guest

FILE = "/etc/autogpt-db/autogpt-db.toml"
URL = "postgresql://autogpt:geheim-4711@127.0.0.1:5432/autogpt?schema=platform"


class Mistake(NamedTuple):
    """One that keeps the service from starting.

    Attributes:
        says: What check, doctor and the service's log must say.
        configuration: Lines for autogpt-db.toml.
        credentials: Names and contents.
        code: The exit code of check and of the service.
    """

    says: str
    configuration: str = ""
    credentials: tuple[tuple[str, str], ...] = ()
    code: int = 78


def url(before: str, after: str) -> tuple[tuple[str, str], ...]:
    assert before in URL
    return (("database_url", URL.replace(before, after)),)


MISTAKES = {
    "an option that is none": Mistake("did you mean api.port?", "[api]\nprot = 1"),
    "a section that is none": Mistake("nonsense: is not an option", "[nonsense]\nanswer = 42"),
    "a word for a number": Mistake("api.processes: ", "[api]\nprocesses = 'many'"),
    "a number out of bounds": Mistake("api.port: ", "[api]\nport = 70000"),
    "no TOML": Mistake("is not valid TOML", "[api"),
    "a path that is relative": Mistake("Expected an absolute path".lower(), "state_directory='x'"),
    "an address for all without token": Mistake(
        "is reachable from other machines", "[api]\nhost = '0.0.0.0'"
    ),
    "a fallback to itself": Mistake(
        "is this service itself", "[api]\nfallback_url = 'http://127.0.0.1:8005'"
    ),
    "too few connections": Mistake(
        "database.connection_limit: 2 is too few", "[database]\nconnection_limit = 2"
    ),
    "a key that is none": Mistake(
        "integrations.encryption_key: is not 32 bytes",
        credentials=(("integrations_encryption_key", "secret"),),
    ),
    "the previous key alone": Mistake(
        "means nothing without encryption_key",
        credentials=(
            (
                "integrations_previous_encryption_key",
                "dvziYgz0KSK8FENhju0ZYi8-fRTfAdlz6YLhdB_jhNw=",
            ),
        ),
    ),
    "no URL": Mistake("database.url: ", credentials=(("database_url", "127.0.0.1:5432"),)),
    "the wrong password": Mistake(
        'password authentication failed for user "autogpt"',
        credentials=url("geheim-4711", "another"),
    ),
    "a role that is not there": Mistake(
        'password authentication failed for user "nobody"',
        credentials=url("autogpt:", "nobody:"),
    ),
    "a database that is not there": Mistake(
        'database "elsewhere" does not exist',
        credentials=url("/autogpt?", "/elsewhere?"),
    ),
    "certificates without a file of them": Mistake(
        "sslrootcert",
        credentials=(("database_url", f"{URL}&sslmode=verify-full&sslrootcert=/no/such.pem"),),
    ),
    "TLS that the server has not": Mistake(
        "server does not support SSL",
        credentials=(("database_url", f"{URL}&sslmode=require"),),
    ),
}


@pytest.fixture(scope="module")
def with_main(guest: Guest) -> Iterator[Guest]:
    """Yield the guest with Debian's own cluster running: a database of somebody's."""
    guest.run("systemctl", "start", "postgresql")
    as_postgres = ("runuser", "-u", "postgres", "--", "psql", "-qc")
    guest.run(*as_postgres, "ALTER SYSTEM SET ssl = off")
    guest.run(*as_postgres, "SELECT pg_reload_conf()")
    guest.run(*as_postgres, "CREATE ROLE autogpt LOGIN PASSWORD 'geheim-4711'")
    guest.run(*as_postgres, "CREATE DATABASE autogpt OWNER autogpt")
    yield guest
    guest.run("systemctl", "stop", "postgresql")


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
        yield
    finally:
        file.write_text(before)
        for name, _ in mistake.credentials:
            guest.path(f"{CREDENTIALS}/{name}").unlink(missing_ok=True)


def failures(guest: Guest) -> str:
    """Return what doctor finds that keeps the service from its work."""
    checks = json.loads(guest.attempt("autogpt-db", "doctor", "--json").stdout)["checks"]
    return "\n".join(f"{c['text']}. {c['remedy']}" for c in checks if c["level"] == "fail")


@pytest.mark.parametrize("name", MISTAKES)
def test_check_doctor_and_the_service_say_the_same(with_main: Guest, name: str) -> None:
    guest, mistake = with_main, MISTAKES[name]
    guest.run("systemctl", "stop", "autogpt-db.socket", UNIT)
    with made(guest, mistake):
        checked = guest.attempt("autogpt-db", "check")
        assert checked.returncode == mistake.code, checked
        print(f"{name}: {checked.stderr.strip()}")
        assert mistake.says in checked.stderr
        assert mistake.says in failures(guest)
        since = guest.now()
        assert guest.attempt("systemctl", "start", UNIT).returncode != 0
        assert guest.property("ExecMainStatus") == str(mistake.code)
        said = "\n".join(each["MESSAGE"] for each in guest.records(since=since))
        assert mistake.says in said
        assert "Traceback" not in f"{said}{checked.stderr}"
    guest.run("systemctl", "reset-failed", UNIT)


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
