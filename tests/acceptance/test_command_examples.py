"""The examples that `--help` shows, typed beside a running daemon."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import plain_http
from autogpt_db.cli.examples import EXAMPLES
from daemon_process import PROGRAM, DaemonProcess
from terminal_screen import TerminalShell

if TYPE_CHECKING:
    from collections.abc import Iterator

AGENT = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
BACKUPS = "/var/backups/autogpt-db"
MADE = re.compile(rf"{BACKUPS}/autogpt-db-\d{{8}}T\d{{6}}Z")
SEEN = Path(__file__).parents[1] / "top_seen.json"
CALLED = {
    "get_execution_kv_data": {"user_id": "u", "key": "k"},
    "set_execution_kv_data": {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 1},
    "no_such_method": {},
}
"""What is called while somebody looks; the last one is refused, and counted as `unknown`."""
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
    # These have no end: test_live_events, and below.
    if " --follow " not in line and line != "autogpt-db top"
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


def environment_of(daemon: DaemonProcess) -> dict[str, str]:
    """Return the environment of a shell whose `autogpt-db` means the daemon."""
    return daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_API_PORT": str(daemon.port),
    }


def typed(daemon: DaemonProcess, line: str) -> subprocess.CompletedProcess[str]:
    """Type a line into a shell."""
    return subprocess.run(
        ["bash", "-c", line],
        env=environment_of(daemon), cwd=daemon.directory, stdin=subprocess.DEVNULL,
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


@pytest.fixture
def calls(daemon: DaemonProcess) -> Iterator[None]:
    """Call some methods again and again."""
    enough = threading.Event()

    def call() -> None:
        with plain_http.client(base_url=daemon.base) as client:
            while not enough.is_set():
                for method, arguments in CALLED.items():
                    client.post(f"/{method}", json=arguments)
                enough.wait(0.01)

    calling = threading.Thread(target=call)
    calling.start()
    try:
        yield
    finally:
        enough.set()
        calling.join()


@pytest.mark.usefixtures("calls")
def test_top_says_to_scripts_what_status_and_the_counters_say(daemon: DaemonProcess) -> None:
    """AUTOGPT_DB_TEST_WRITE_PAGES=1 keeps it, for the picture in the docs."""
    done = daemon.run("top", "--once", "--json", "--interval", "2")
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout)
    assert shown["seconds"] >= 2
    tree = daemon.status()
    names = ("name", "pid", "state", "restarts")
    assert [[p[n] for n in names] for p in shown["tree"]["processes"]] == [
        [p[n] for n in names] for p in tree["processes"]
    ]
    (api,) = (p for p in shown["tree"]["processes"] if p["name"] == "api_00")
    assert api["memory"] > 1e6
    assert api["cpu"] >= 0
    assert api["lanes"]["heavy"]["size"] > 0
    methods = {method["name"]: method for method in shown["calls"]["methods"]}
    called = {*CALLED, "unknown"} - {"no_such_method"}
    assert called <= methods.keys()
    for name in called:
        assert methods[name]["calls"] == pytest.approx(
            methods[name]["rate"] * shown["seconds"], 0.01
        )
        assert 0 < methods[name]["p50"] <= methods[name]["p99"]
    (refused,) = (e for e in shown["lately"]["errors"] if e["method"] == "unknown")
    assert refused["status"] == "404"
    assert "watch_executions" in {job["job"] for job in shown["queue"]["jobs"]}
    if os.environ.get("AUTOGPT_DB_TEST_WRITE_PAGES"):
        text = json.dumps(shown, indent=1).replace(str(daemon.state), "/var/lib/autogpt-db")
        SEEN.write_text(text.replace(str(daemon.runtime), "/run/autogpt-db") + "\n", "utf-8")


@pytest.mark.usefixtures("calls")
def test_top_draws_on_a_terminal_and_gives_it_back(daemon: DaemonProcess) -> None:
    with TerminalShell(daemon.directory, environment_of(daemon), (110, 32)) as shell:
        shell.see("$")
        before = shell.modes()

        def given_back(word: str, code: int) -> None:
            shell.type(f"echo {word[:-1]}''{word[-1]}:$?\n")  # what is typed is seen as well
            shell.see(f"{word}:{code}")
            assert shell.screen.modes == {7, 25}, "the cursor, wrapping and the first screen"
            assert shell.modes() == before

        shell.type("autogpt-db top --interval 0.3\n")
        drawn = shell.see(
            "├─ api_00", "RUNNING", "get_execution_kv_data", "404 Not Found: unknown", "idle"
        )
        assert 1049 in shell.screen.modes
        assert 25 not in shell.screen.modes
        assert len(drawn.splitlines()) <= 32
        shell.type("s")
        shell.see("by p99")
        shell.resize(50, 12)
        shell.see("api_00", "enlarge the window")
        shell.resize(120, 40)
        shell.see("api_00", "get_execution_kv_data", "by p99")
        shell.type("\x1a")  # Ctrl-Z
        shell.see("--interval 0.3")  # the screen as it was
        given_back("paused", 148)
        shell.type("fg\n")
        shell.see("├─ api_00", "by p99")
        shell.type("q")
        shell.see("--interval 0.3")
        given_back("quit", 0)

        shell.type("autogpt-db top\n")
        shell.see("├─ api_00")
        shell.type("\x03")  # Ctrl-C
        shell.see("autogpt-db top")
        given_back("interrupted", 0)

        shell.type("autogpt-db top --interval 0.2\n")
        shell.see("├─ api_00")
        os.kill(daemon.pid, signal.SIGSTOP)  # it answers no look
        try:
            shell.type("q")
            shell.see("autogpt-db top --interval 0.2")
        finally:
            os.kill(daemon.pid, signal.SIGCONT)
        given_back("frozen", 0)

        for number, code in ((signal.SIGTERM, 143), (signal.SIGHUP, 129)):
            shell.type("autogpt-db top\n")
            shell.see("├─ api_00")
            shell.type("\x13")  # Ctrl-S: the terminal takes nothing any more
            os.killpg(shell.foreground(), number)
            shell.see("autogpt-db top")
            given_back("ended", code)
