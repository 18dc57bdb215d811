"""README's two commands and its first run, on newly installed machines with its packages alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from checkout import ROOT
from console_sessions import Shell, show
from daemon_process import free_port
from guest import why_not
from machine import install, newcomer
from waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

SMOKE = "tests/integration/test_schema.py tests/acceptance/test_run.py"
"""What `make test` takes the time for."""
SOME = (
    "tests/unit tests/integration/test_embedded.py tests/integration/test_schema.py"
    " tests/acceptance/test_run.py tests/workers"
)
"""Of each kind some; among them those that ask most of the machine."""


@pytest.mark.timeout(7200)
def test_readmes_two_commands(
    suite: str, account: str, selection: str | None, demanded: bool, tmp_path: Path
) -> None:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    install(suite, demanded=demanded)
    with newcomer(suite, account, tmp_path) as shell:
        make_run(shell)
        print(
            f"{suite} as {account}: {make_test(shell, selection or (SOME if demanded else SMOKE))}"
        )


def make_run(shell: Shell) -> None:
    """Do README's first run with the service that `make run` starts; stop that with Ctrl-C."""
    port = free_port()  # the network is shared with this machine
    shell.check(f"export AUTOGPT_DB_API_PORT={port}; set -m")
    shell.check("make run >~/log 2>&1 </dev/null &")

    def ready() -> bool:
        assert shell.run("kill -0 %1")[0] == 0, shell.run("cat ~/log")[1]
        return shell.run("""grep -q '"event":"serving"' ~/log""")[0] == 0

    wait_for(ready, seconds=300, what="the service that make run starts")
    # Nobody is left in the dark while it prepares.
    prepared = shell.check("cat ~/log")
    for said in ("Making the environment", "Compiling", '"event":"embedded_initialising"'):
        assert said in prepared
    if shell.check("id -u") != "0":  # only root's PostgreSQL has an account of its own to tell of
        assert "account" not in prepared
    readme = (ROOT / "README.md").read_text("utf-8")
    runtime = shell.check("ls -d /run/autogpt-db ~/.local/state/autogpt-db/run 2>/dev/null || true")
    assert len(runtime.split()) == 1, runtime
    show(
        shell,
        readme.split("## A first run", 1)[1].split("\n## ", 1)[0],
        {"localhost:8005": f"127.0.0.1:{port}", "/run/autogpt-db": runtime},
    )
    shell.run("kill -INT %1; wait %1")
    log = shell.check("cat ~/log")
    assert '"event":"stopped"' in log, log
    left = shell.run("grep -lE 'postgres|autogpt' /proc/[0-9]*/comm")[1]
    assert left == "", left
    shell.check("unset AUTOGPT_DB_API_PORT; set +m")


def make_test(shell: Shell, selection: str) -> str:
    """Run tests as `make test` does, but for the guests; return what pytest sums up."""
    # Guests need more than README's packages; a test of newly installed machines would install one.
    words = "" if selection == "all" else selection
    if not words:
        shell.check("make lint types 2>&1")
    shell.check("make environment 2>&1")
    printed = shell.check(
        f".venv/bin/pytest -q -n 3 --dist worksteal {words} >~/tests 2>&1; status=$?;"
        " if [ $status != 0 ]; then cat ~/tests; fi; tail -n 1 ~/tests; (exit $status)"
    )
    return printed.splitlines()[-1]
