"""PostgreSQL's programs, which fork, and which a signal may meet in any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from autogpt_db.database.provisioning.embedded.programs import run, running
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path


def alive(group: int) -> bool:
    """Tell whether a process group has anybody in it."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_who_leaves_ends_what_the_program_has_forked(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    # As pg_basebackup does: the second process writes on when the first one is told to end.
    command = ["/bin/sh", "-c", 'sh -c \'>"$1"; sleep 600\' sh "$1" & wait', "sh", str(ready)]
    with (
        pytest.raises(ZeroDivisionError),
        running(command, None, stdout=subprocess.PIPE) as process,
    ):
        wait_for(ready.exists, what="the second process")
        raise ZeroDivisionError
    assert process.returncode == -signal.SIGTERM
    wait_for(lambda: not alive(process.pid), what="the end of both")


MET = """
import os, signal, subprocess
from autogpt_db.database.provisioning.embedded.programs import run
from autogpt_db.lifecycle import StopRequested, stop_on_signals

started = []

class Signalled(subprocess.Popen):
    def __init__(self, *words, **options):
        super().__init__(*words, **options)
        started.append(self)
        os.kill(os.getpid(), signal.SIGTERM)  # before anybody has it in hand

subprocess.Popen = Signalled
try:
    with stop_on_signals():
        run(["/bin/sleep", "600"], None)
except StopRequested:
    print(started[0].returncode)
"""


def test_a_signal_that_meets_the_start_ends_the_program() -> None:
    # In a process without a second thread, which could be given the signal, as main is.
    words = [sys.executable, "-c", MET]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.stdout == f"{-signal.SIGTERM}\n", done.stderr


def test_a_program_takes_the_signals_that_were_held() -> None:
    code, output, _ = run(["/bin/sh", "-c", "grep SigBlk /proc/self/status"], None)
    assert code == 0
    assert int(output.split()[1], 16) == 0
