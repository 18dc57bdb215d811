"""README's first run, command by command, as it stands there."""

from __future__ import annotations

import os
from pathlib import Path

from console_sessions import Shell, show, steps
from daemon_process import PROGRAM, DaemonProcess

ROOT = Path(__file__).parents[2]
SYSTEM_RUNTIME = "/run/autogpt-db"


def test_the_first_run_does_what_the_page_shows() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    first_run = readme.split("## A first run", 1)[1].split("\n## ", 1)[0]
    assert len(steps(first_run)) > 12
    with DaemonProcess() as daemon:
        environment = daemon.environment | {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
            "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
            "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
            "AUTOGPT_DB_API_PORT": str(daemon.port),
        }
        with Shell(ROOT, environment) as shell:
            # Where this daemon is instead of the reader's.
            here = {
                "localhost:8005": f"127.0.0.1:{daemon.port}",
                SYSTEM_RUNTIME: str(daemon.runtime),
            }
            show(shell, first_run, here)
        # Nothing that the page leaves behind is reported as stuck later.
        statuses = daemon.run(
            "psql", "-Atc", 'select "executionStatus" from "AgentNodeExecution" union '
            'select "executionStatus" from "AgentGraphExecution"',
        )  # fmt: skip
        assert statuses.stdout.split() == ["COMPLETED"], statuses.stderr
