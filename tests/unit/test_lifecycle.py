"""What a parent has set for itself is not ours: how a child ended is known whoever starts us."""

from __future__ import annotations

import subprocess
import sys

from daemon_process import clean_environment

IGNORING = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGCHLD])
os.execv(sys.argv[1], sys.argv[1:])
"""
TOOL = """
import subprocess
from autogpt_db.database.provisioning.embedded.maintenance import run_tool
from autogpt_db.errors import MaintenanceError
from autogpt_db.lifecycle import restore_signals
{restore}
try:
    run_tool(["sh", "-c", "exit 3"], None, cwd="/")
except MaintenanceError as error:
    print("failed")
else:
    print("succeeded")
"""


def under_an_ignoring_parent(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", IGNORING, *words],
        capture_output=True, text=True, timeout=60, check=False, env=clean_environment(),
    )  # fmt: skip


def test_a_tool_that_fails_is_seen_to_fail() -> None:
    for restore, said in (("restore_signals()", "failed\n"), ("", "succeeded\n")):
        done = under_an_ignoring_parent(sys.executable, "-c", TOOL.format(restore=restore))
        assert (done.stdout, done.returncode) == (said, 0), done.stderr


def test_the_program_takes_its_signals_back() -> None:
    look = (
        "import autogpt_db.cli.commands as c, signal\n"
        "c.commands = lambda **_: print(signal.getsignal(signal.SIGCHLD).name,"
        " len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))\n"
        "c.main()"
    )
    done = under_an_ignoring_parent(sys.executable, "-c", look)
    assert done.stdout == "SIG_DFL 0\n", done.stderr
