"""Each release's .deb, installed there by apt and run: by hand, and by its systemd."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from autogpt_db import __version__
from checkout import ROOT
from daemon_process import free_port
from guest import PACKAGES, Guest
from machine import LAB, shell
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from console_sessions import Shell

# The first one waits for the release's files and for the package.
pytestmark = pytest.mark.timeout(1800)

WRITTEN = "set_execution_kv_data user_id=u node_exec_id=n key=k data=42"
READ = "get_execution_kv_data user_id=u key=k"


def commands(after: str) -> list[str]:
    """Return the commands of install.md's first block after some words, as root types them."""
    _, found, rest = (ROOT / "docs/howto/install.md").read_text("utf-8").partition(after)
    assert found, after
    return rest.split("```sh\n")[1].split("```")[0].replace("sudo ", "").splitlines()


@contextmanager
def running(at: Shell, command: str) -> Iterator[None]:
    """Run the service in the background of a shell; stop it with Ctrl-C, and look at its log."""
    at.check(f"set -m; {command} >~/log 2>&1 </dev/null &")

    def ready() -> bool:
        assert at.run("kill -0 %1")[0] == 0, at.run("cat ~/log")[1]
        return at.run("curl -fs localhost:$AUTOGPT_DB_API_PORT/health_check")[0] == 0

    wait_for(ready, seconds=300, what=f"the service of {command}")
    yield
    at.run("kill -INT %1; wait %1")
    log = at.check("cat ~/log")
    assert '"event":"stopped"' in log, log
    assert '"level":"error"' not in log, log


def test_on_a_new_machine_it_brings_all_that_it_needs(
    suite: str, package: Path, demanded: bool, tmp_path: Path
) -> None:
    """Nothing is there but README's packages; what else there is, apt has brought for ours."""
    port = free_port()  # the network is shared with this machine
    with shell(suite, "root", tmp_path, f"{package}:/packages/{package.name}") as at:
        at.check("\n".join(commands("To have none made in the first place")))
        at.check("export DEBIAN_FRONTEND=noninteractive")
        status, said = at.run("apt-get -o APT::Update::Error-Mode=any update 2>&1")
        if status and not demanded:
            pytest.skip(f"{suite}'s mirror does not answer: {' '.join(said.split()[-40:])}")
        assert status == 0, said
        at.check(f"apt-get install -y --no-install-recommends /packages/{package.name} 2>&1")
        assert at.check("autogpt-db --version").split()[-1] == __version__
        at.check(f"export AUTOGPT_DB_API_PORT={port}")
        with running(at, "autogpt-db run"):
            at.check(f"autogpt-db call {WRITTEN}")
            assert at.check(f"autogpt-db call {READ}") == "42"


def test_the_wheels_run_without_being_installed(
    suite: str, package: Path, demanded: bool, tmp_path: Path
) -> None:
    """As an ordinary user, as install.md says: by pipx, and by uv on the data that has made."""
    if not demanded:
        pytest.skip("takes the newest of what they depend on, which is for a release to prove")
    by_pipx, by_uv = commands("Without installing anything")
    with shell(suite, "ada", tmp_path, f"{package.parent}:/home/ada/release/dist") as at:
        at.check(f"cd ~/release; export AUTOGPT_DB_API_PORT={free_port()}")
        at.check("python3 -m venv ~/tools && ~/tools/bin/pip install --quiet pipx uv 2>&1")
        at.check("PATH=$HOME/tools/bin:$PATH")
        call = (
            "curl -fs localhost:$AUTOGPT_DB_API_PORT/{} -H 'content-type: application/json' -d '{}'"
        )
        written = {"user_id": "u", "node_exec_id": "n", "key": "k", "data": 42}
        with running(at, by_pipx):
            at.check(call.format("set_execution_kv_data", json.dumps(written)))
        with running(at, by_uv):
            read = json.dumps({"user_id": "u", "key": "k"})
            assert at.check(call.format("get_execution_kv_data", read)) == "42"


def test_its_systemd_runs_it(suite: str, package: Path) -> None:
    lab = os.environ | {"LAB_SUITE": suite, "LAB_PACKAGES": PACKAGES}
    made = subprocess.run([LAB, "build"], env=lab, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    guest = Guest(f"autogpt-db-package-{os.getpid()}", suite)
    try:
        guest.up(read_only={f"/packages/{package.name}": package})
        # No network: what it depends on is there.
        guest.run("apt-get", "install", "-y", f"/packages/{package.name}")
        guest.run("systemctl", "enable", "--now", "autogpt-db")
        guest.wait_serving()
        guest.run("autogpt-db", "call", *WRITTEN.split())
        guest.run("autogpt-db", "check")
        guest.run("systemctl", "restart", "autogpt-db")
        assert guest.run("autogpt-db", "call", *READ.split()) == "42"
        server = guest.run("autogpt-db", "psql", "--", "-Atc", "SHOW server_version")
        print(f"{suite}: {guest.property('StatusText')}; PostgreSQL {server}")
        assert (
            server.split(".")[0] == guest.run("sh", "-c", "ls /usr/lib/postgresql").splitlines()[-1]
        )
        guest.run("apt-get", "remove", "-y", "autogpt-db")
        assert guest.processes() == []
        assert guest.path("/var/lib/autogpt-db/postgresql/data/PG_VERSION").exists()
    finally:
        guest.down()
