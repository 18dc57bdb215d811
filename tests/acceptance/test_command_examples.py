"""The examples that `--help` shows, typed beside a running daemon."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogpt_db.cli.examples import EXAMPLES
from daemon_process import PROGRAM, DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
BACKUPS = "/var/backups/autogpt-db"
MADE = re.compile(rf"{BACKUPS}/autogpt-db-\d{{8}}T\d{{6}}Z")
ELSEWHERE = {
    "run": "every test of this kind does",
    "restore": "test_backup",
    "upgrade-cluster": "test_cluster_upgrade: it needs another PostgreSQL",
    "rotate-key": "test_key_rotation: it needs two keys",
    "migrate": "test_howtos: a private database does it at each start",
    "logs": "test_log_records, and on systemd test_journal",
    "admin open": "test_admin: it needs the listener",
    "admin token": "test_admin",
    "ctl drain": "below, with what follows it",
    "ctl resume": "below",
}
LINES = [
    line
    for words, found in EXAMPLES.items()
    if words not in ELSEWHERE
    for line, _ in found
    if " --follow " not in line  # which has no end: test_live_events
]


@pytest.fixture(scope="module")
def daemon() -> Iterator[DaemonProcess]:
    with DaemonProcess(assignments=["api.processes=1"]) as running:
        # Some are about this user.
        done = running.run("import", str(AGENT), "--user", "ada@example.com")
        assert done.returncode == 0, done.stderr
        # Some about this chat of hers.
        chat, ada = "3f1c1b9e-7d0f-4c59-9f5c-6f3f0d0a2c11", "c78d264b-d9ea-5d5d-b3e6-145e5dab4dfd"
        done = running.run("call", "create_chat_session", f"session_id={chat}", f"user_id={ada}")
        assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture(scope="module")
def backup(daemon: DaemonProcess) -> str:
    """Return the path of a backup."""
    done = daemon.run("backup", str(daemon.directory / "backups"))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def typed(daemon: DaemonProcess, line: str) -> subprocess.CompletedProcess[str]:
    """Type a line into a shell whose `autogpt-db` means the daemon."""
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_API_PORT": str(daemon.port),
    }
    return subprocess.run(
        ["bash", "-c", line],
        env=environment, cwd=daemon.directory, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_an_example_does_what_it_says(daemon: DaemonProcess, backup: str, line: str) -> None:
    here = MADE.sub(backup, line).replace(BACKUPS, str(Path(backup).parent))
    done = typed(daemon, here.replace(" agent.json ", f" {AGENT} "))
    print(f"$ {line}\n{done.stdout}{done.stderr}")
    # doctor's exit code is about this machine as well.
    assert done.returncode in ({0, 1} if " doctor" in line else {0})
    assert "Traceback" not in done.stderr


def test_what_is_drained_is_resumed(daemon: DaemonProcess) -> None:
    for words in ("ctl drain", "ctl resume"):
        ((line, _),) = EXAMPLES[words]
        done = typed(daemon, line)
        assert done.returncode == 0, done.stderr
    assert daemon.client.get("/ready").status_code == 200


def test_a_mistyped_method_is_guessed(daemon: DaemonProcess) -> None:
    done = daemon.run("call", "get_execution_kv_dat", "user_id=u", "key=k")
    assert done.returncode == 1
    assert "Did you mean get_execution_kv_data" in done.stderr
    done = daemon.run("call", "create_graph_in_library", "user_id=u")
    assert done.returncode == 1
    said = "create_graph_in_library is AutoGPT's, since v0.6.49, and not served here"
    assert said in done.stderr
    assert done.stdout.startswith("{")
