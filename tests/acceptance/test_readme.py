"""README's first run, command by command, as it stands there."""

from __future__ import annotations

import os
from pathlib import Path

from console_sessions import Shell, Step, matches, steps
from daemon_process import PROGRAM, DaemonProcess
from waiting import wait_for

ROOT = Path(__file__).parents[2]
SYSTEM_RUNTIME = "/run/autogpt-db"


def test_the_first_run_does_what_the_page_shows() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    first_run = readme.split("## A first run", 1)[1].split("\n## ", 1)[0]
    commands = steps(first_run)
    assert len(commands) > 12
    with DaemonProcess() as daemon:
        environment = daemon.environment | {
            "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
            "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
            "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
            "AUTOGPT_DB_API_PORT": str(daemon.port),
        }
        with Shell(ROOT, environment) as shell:
            for step in commands:
                # Where this daemon is instead of the reader's.
                command = step.command.replace("localhost:8005", f"127.0.0.1:{daemon.port}")
                command = command.replace(SYSTEM_RUNTIME, str(daemon.runtime))

                def shown(step: Step = step, command: str = command) -> bool:
                    status, printed = shell.run(command)
                    assert status == 0, (command, printed)
                    said = not step.output or matches(step.output, printed)
                    # A process may be at work of its own in the moment that is shown.
                    assert said or command == "autogpt-db status", f"{command}\nprinted\n{printed}"
                    return said

                wait_for(shown, what=f"what the page shows of {command}")
        # Nothing that the page leaves behind is reported as stuck later.
        statuses = daemon.run(
            "psql", "-Atc", 'select "executionStatus" from "AgentNodeExecution" union '
            'select "executionStatus" from "AgentGraphExecution"',
        )  # fmt: skip
        assert statuses.stdout.split() == ["COMPLETED"], statuses.stderr
