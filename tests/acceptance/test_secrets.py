"""Secrets stand in no output, log, argument, environment or core dump, whatever happens."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from daemon_process import LEAN, DaemonProcess, processes_of
from postgres_server import with_schema
from waiting import wait_for

TOKEN, REDIS, OPENAI = "s3cr3t-token", "s3cr3t-redis", "s3cr3t-openai"
KEY = "czNjcjN0LXMzY3IzdC1zM2NyM3QtczNjcjN0LXMzY3I="
PASSWORD = "s3cr3t-password"
SECRETS = (TOKEN, REDIS, OPENAI, KEY, PASSWORD)


@pytest.fixture(scope="module")
def daemon(database_url_for_module: str) -> Iterator[DaemonProcess]:
    """Run a daemon with programs beside it, and a secret wherever one can be set, from files."""
    url = with_schema(database_url_for_module).replace(
        "postgresql://postgres@", f"postgresql://postgres:{PASSWORD}@"
    )
    assert PASSWORD in url
    daemon = DaemonProcess(assignments=["api.processes=1"], environment={"DATABASE_URL": ""})
    del daemon.environment["DATABASE_URL"]
    credentials = daemon.directory / "credentials"
    credentials.mkdir(0o700)
    for name, text in (
        ("database_url", url),
        ("database_direct_url", url),
        ("api_token", TOKEN),
        ("redis_password", REDIS),
        ("embeddings_openai_api_key", OPENAI),
        ("integrations_encryption_key", KEY),
    ):
        (credentials / name).write_text(text)
        (credentials / name).chmod(0o600)
    programs = daemon.directory / "programs.d"
    programs.mkdir()
    (programs / "sleeper.conf").write_text("[program:sleeper]\ncommand=/bin/sleep 1000\n")
    (programs / "faulty.conf").write_text("[program:faulty]\ncomand=%(ENV_DATABASE_URL)s\n")
    daemon.environment |= {
        "CREDENTIALS_DIRECTORY": str(credentials),
        "AUTOGPT_DB_SUPERVISION_PROGRAMS_DIRECTORY": str(programs),
        "AUTOGPT_DB_LOGGING_LEVEL": "debug",
    }
    try:
        daemon.start()
        yield daemon
    finally:
        daemon.__exit__()


def assert_none_in(text: str | bytes, where: str) -> None:
    content = text if isinstance(text, str) else text.decode("utf-8", "replace")
    assert [secret for secret in SECRETS if secret in content] == [], where


def test_no_secret_shows_whatever_is_asked_or_fails(daemon: DaemonProcess) -> None:
    for words in (
        ("config",), ("config", "--changed"), ("check",), ("doctor",), ("doctor", "--json"),
        ("status",), ("status", "--json"), ("dsn",), ("ctl", "status"),
        ("ctl", "tail", "api:api_00"), ("ctl", "tail", "worker:worker_00"),
        ("call", "get_user_by_id", "user_id=x"), ("methods",),
        ("--set", "api.token=", "config"), ("--set", "redis.port=x", "check"),
        ("backup", str(daemon.directory / "b")),
    ):  # fmt: skip
        done = daemon.run(*words)
        assert_none_in(done.stdout + done.stderr, " ".join(words))
    assert "***" in daemon.run("config").stdout

    # Failures on the way: a wrong token, a killed child, a refused reload, an unreachable server.
    daemon.client.post("/health_check", headers={"authorization": "Bearer wrong"})
    daemon.client.post("/get_user_by_id", json={"user_id": "x"})
    pid = daemon.pid_of("api:api_00")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its successor")
    (daemon.directory / "autogpt-db.toml").write_text("[api]\nport = 'x'\ntoken = 5\n")
    daemon.signal(signal.SIGHUP)
    wait_for(lambda: daemon.events("reload_refused"), what="the refusal")
    assert_none_in(daemon.log(), "the log")


def test_no_secret_stands_in_an_argument_or_an_environment(daemon: DaemonProcess) -> None:
    found = processes_of(daemon.directory)
    assert len(found) >= 4, "main, the API, a worker, a program"
    for line in found:
        directory = Path("/proc") / line.split()[0]
        assert_none_in((directory / "cmdline").read_bytes(), f"arguments of {line}")
        assert_none_in((directory / "environ").read_bytes(), f"environment of {line}")
    for path in daemon.runtime.iterdir():
        if path.is_file() and path.name != "settings.json":
            assert_none_in(path.read_bytes(), str(path))
    assert (daemon.runtime / "settings.json").stat().st_mode & 0o777 == 0o600


def test_no_process_leaves_its_memory_behind(daemon: DaemonProcess) -> None:
    pids = [daemon.pid, *(daemon.pid_of(name) for name in
            ("api:api_00", "worker:worker_00", "sleeper"))]  # fmt: skip
    for pid in pids:
        limits = Path(f"/proc/{pid}/limits").read_text().splitlines()
        (core,) = [line for line in limits if line.startswith("Max core file size")]
        assert core.split()[4] == "0"
        assert int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16) == 0


def test_a_secret_given_on_the_command_line_is_told(database_url: str) -> None:
    with DaemonProcess(
        database_url=database_url, assignments=[*LEAN, "redis.password=x"]
    ) as daemon:
        (event,) = daemon.events("settings")
        assert "redis.password is a secret" in event["notice"]


CRASH = """
import os, resource, signal, sys
from autogpt_db.lifecycle import withhold_memory
if sys.argv[1] == "withheld":
    withhold_memory()
limit = resource.getrlimit(resource.RLIMIT_CORE)[1]
resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))  # as a handler on a pipe would have it
secret = ("s3cr3t" + "-") * 1000
os.kill(os.getpid(), signal.SIGSEGV)
"""


@pytest.mark.skipif(
    Path("/proc/sys/kernel/core_pattern").read_text().strip() != "core"
    or resource.getrlimit(resource.RLIMIT_CORE)[1] == 0,
    reason="needs core dumps in the working directory",
)
@pytest.mark.parametrize("how", ["plain", "withheld"])
def test_a_dump_that_is_made_all_the_same_has_no_memory_in_it(tmp_path: Path, how: str) -> None:
    done = subprocess.run([sys.executable, "-c", CRASH, how], cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == -signal.SIGSEGV
    (core,) = tmp_path.glob("core*")
    # Longer than what the processor's registers may still hold, which are always in a dump.
    assert (b"s3cr3t-" * 100 in core.read_bytes()) == (how == "plain")
