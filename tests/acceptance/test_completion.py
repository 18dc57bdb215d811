"""Completion as it is typed: bash and zsh at a terminal, fish by its own command for it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from daemon_process import PROGRAM, DaemonProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SECONDS = 60
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|[\x07\x08\r]")
SHELLS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
}
PREPARE = {
    "bash": "PS1='> '; bind 'set enable-bracketed-paste off'; source {script}",
    "zsh": "PS1='> '; autoload -Uz compinit; compinit -u -D; source {script}",
}
SHOW = "show() { printf '<%s>' \"$@\"; echo END; }"
"""Put before a line, it shows the words as the shell has them."""


class Terminal:
    """A shell that somebody types into."""

    def __init__(self, shell: str, directory: Path, environment: Mapping[str, str]) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.chdir(directory)
            os.execvpe(SHELLS[shell][0], SHELLS[shell], dict(environment) | {"TERM": "dumb"})
        self._shown = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._master)

    def type(self, keys: str, expected: str) -> str:
        """Press keys, and wait until what is shown from there on has `expected` in it."""
        self._shown = ""
        os.write(self._master, keys.encode())
        deadline = time.monotonic() + SECONDS
        while not (found := re.search(expected, self._shown)):
            assert time.monotonic() < deadline, f"{keys!r} showed {self._shown!r}"
            if select.select([self._master], [], [], 0.2)[0]:
                text = os.read(self._master, 65536).decode("utf-8", "replace")
                self._shown = _CONTROL.sub("", self._shown + text)
        return found[0]


@pytest.fixture(scope="module")
def daemon(database_url_for_module: str) -> Iterator[DaemonProcess]:
    assignments = ["api.processes=1"]
    with DaemonProcess(database_url=database_url_for_module, assignments=assignments) as running:
        yield running


@pytest.fixture
def environment(daemon: DaemonProcess) -> dict[str, str]:
    return daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
    }


def script(shell: str, directory: Path, environment: Mapping[str, str]) -> Path:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [PROGRAM],
        env=dict(environment) | {"_AUTOGPT_DB_COMPLETE": f"{shell}_source"},
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    path = directory / f"autogpt-db.{shell}"
    path.write_bytes(done.stdout)
    return path


# What is typed up to each press of the key, and what stands there afterwards.
TYPED = (
    ("a command", ("rotate",), "rotate-key"),
    ("a method", ("call get_execution_k",), "call get_execution_kv_data"),
    ("a parameter", ("call get_execution_kv_data us",), "call get_execution_kv_data user_id="),
    (
        "what is left of the parameters",
        ("call get_execution_kv_data user_id=ada ",),
        "call get_execution_kv_data user_id=ada key=",
    ),
    (
        "a value",
        ("call update_graph_execution_stats status=COM",),
        "call update_graph_execution_stats status=COMPLETED",
    ),
    ("a job", ("jobs run refresh_st",), "jobs run refresh_store_views"),
    ("a process", ("ctl restart worker:wo",), "ctl restart worker:worker_00"),
    ("a process, after its colon", ("ctl restart wor", "w"), "ctl restart worker:worker_00"),
    ("a signal", ("ctl signal HU",), "ctl signal HUP"),
    ("an option", ("--set api.por",), "--set api.port="),
    ("a page", ("help back-",), "help back-up-and-restore"),
    ("a release", ("methods --release 0.6.7",), "methods --release 0.6.70"),
)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_completes_what_is_typed(
    shell: str, tmp_path: Path, environment: dict[str, str]
) -> None:
    path = script(shell, tmp_path, environment)
    with Terminal(shell, tmp_path, environment) as terminal:
        prepare = f"{PREPARE[shell].format(script=path)}; {SHOW}; echo pre''pared\n"
        terminal.type(prepare, "prepared")
        for what, parts, expected in TYPED:
            keys = "autogpt-db " + "\t".join(parts) + "\t"
            # To the beginning of the line, a command before it, and off.
            shown = terminal.type(f"{keys}\x01show \r", "<autogpt-db>.*END")
            words = re.findall("<([^>]*)>", shown)
            print(f"{shell}: {what}: {' '.join(words)}")
            assert " ".join(words[1:]) == expected, what


def test_fish_lists_names_with_their_whole_meaning(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    path = script("fish", tmp_path, environment)

    def listed(line: str) -> dict[str, str]:
        done = subprocess.run(
            ["fish", "--no-config", "-c", f"source {path}; complete -C {line!r}"],
            env=environment | {"HOME": str(tmp_path)},
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        rows = (row.partition("\t") for row in done.stdout.splitlines())
        return {name: meaning for name, _, meaning in rows}

    assert listed("autogpt-db rotate")["rotate-key"].endswith("to the present one.")
    parameters = listed("autogpt-db call get_execution_kv_data ")
    print(parameters)
    assert set(parameters) == {"user_id=", "key="}
    assert parameters["key="].startswith("text: ")
    methods = listed("autogpt-db call spend_c")
    assert list(methods) == ["spend_credits"]
    assert methods["spend_credits"].endswith(".")
    assert "worker:worker_00" in listed("autogpt-db ctl stop wor")
    assert "COMPLETED" in str(listed("autogpt-db call update_graph_execution_stats status="))
