"""What users of 0.1.0 have besides data: a configuration, and programs with its client."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import earlier
from daemon_process import PROGRAM, DaemonProcess, clean_environment

if TYPE_CHECKING:
    from pathlib import Path

SAID_OTHERWISE = {"credits.monthly_refill": '"on"'}
"""Options whose value has another word now."""
CALLS = """
import json, sys
from autogpt_db.client import Client

with Client(sys.argv[1]) as client:
    made = client.create_graph_execution(
        graph_id="g3", graph_version=1, starting_nodes_input=[], inputs={"a": 1}, user_id="alice"
    )
    found = client.get_graph_execution_meta(user_id="alice", execution_id=made["id"])
    stored = client.set_execution_kv_data(user_id="u", node_exec_id="n", key="k", data=[1])
    read = client.get_execution_kv_data(user_id="u", key="k")
print(json.dumps([found["id"] == made["id"], found["user_id"], stored, read]))
"""


def options(program: Path, file: Path) -> dict[str, str]:
    """Return what a configuration means to a program."""
    done = subprocess.run(
        [program, "config"],
        env=clean_environment() | {"AUTOGPT_DB_CONFIG": str(file)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    lines = (line.partition("  #")[0].partition(" = ") for line in done.stdout.splitlines())
    return {name: value for name, _, value in lines}


def test_its_configuration_means_the_same(earlier_program: Path, tmp_path: Path) -> None:
    text = (earlier.source() / "etc" / "autogpt-db.toml").read_text("utf-8")
    file = tmp_path / "autogpt-db.toml"
    # Every option that has a value, in so many words.
    file.write_text(re.sub(r"(?m)^# (\w+ = (?!.*# unset by default).*)$", r"\1", text))
    before, now = options(earlier_program, file), options(PROGRAM, file)
    assert len(before) > 80
    assert before.keys() <= now.keys()
    assert {name: now[name] for name in before} == before | SAID_OTHERWISE


def test_its_client_is_served(earlier_program: Path, seeded_database_url: str) -> None:
    with DaemonProcess(database_url=seeded_database_url) as daemon:
        done = subprocess.run(
            [earlier_program.parent / "python", "-c", CALLS, daemon.base],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, "alice", [1], [1]]
