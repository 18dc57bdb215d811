"""An agent's run through the installed program, with everything killed in the middle of it."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

import plain_http
from daemon_process import DaemonProcess, processes_of
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
GRAPH = "0a9e0000-0000-4000-8000-000000000000"
INPUT, MIDDLE, OUTPUT = (f"0a9e0000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


class Executor:
    """Plays AutoGPT's executor: it repeats a call that got no answer, as its clients do."""

    def __init__(self, daemon: DaemonProcess) -> None:
        self.daemon = daemon
        self.repeated = 0

    def __call__(self, method: str, **arguments: Any) -> Any:
        def answered() -> httpx.Response | None:
            try:
                response = self.daemon.client.post(f"/{method}", json=arguments)
            except httpx.TransportError:
                self.repeated += 1
                return None
            assert response.status_code in {200, 503}, response.text
            return response if response.status_code == 200 else None

        return wait_for(answered, what=method).json()


def test_a_run_survives_the_death_of_each_process(database_url: str) -> None:
    with DaemonProcess(database_url=database_url) as daemon:
        call = Executor(daemon)
        done = daemon.run("import", str(EXAMPLE), "--user", "ada@example.com")
        assert done.returncode == 0, done.stderr
        assert GRAPH in done.stdout
        again = daemon.run("import", str(EXAMPLE), "--user", "ada@example.com")
        assert "there already" in again.stdout
        user = done.stdout.split("id ")[1].split()[0]

        run = call(
            "create_graph_execution",
            graph_id=GRAPH,
            graph_version=1,
            starting_nodes_input=[[INPUT, {"name": "name", "value": "Ada"}]],
            inputs={"name": "Ada"},
            user_id=user,
        )
        (first,) = run["node_executions"]
        assert first["status"] == "QUEUED"
        call("update_graph_execution_start_time", graph_exec_id=run["id"])

        steps = [first["node_exec_id"]]
        for place, (node, name, value) in enumerate(
            ((MIDDLE, "data", "Ada"), (OUTPUT, "value", "Hello, Ada!"))
        ):
            step = steps[-1]
            call("update_node_execution_status", node_exec_id=step, status="RUNNING")
            os.kill(daemon.pid_of(f"api:api_0{place}"), signal.SIGKILL)
            call(
                "upsert_execution_output",
                node_exec_id=step,
                output_name="result",
                output_data=value,
            )
            call(
                "set_execution_kv_data",
                user_id=user, node_exec_id=step, key=f"step{place}", data={"value": value},
            )  # fmt: skip
            call("update_node_execution_status", node_exec_id=step, status="COMPLETED")
            taken, inputs = call(
                "upsert_execution_input",
                node_id=node,
                graph_exec_id=run["id"],
                input_name=name,
                input_data=value,
            )
            assert inputs[name] == value
            steps.append(taken["node_exec_id"])
            call(
                "update_node_execution_status",
                node_exec_id=steps[-1],
                status="QUEUED",
                execution_data={"name": "greeting", "value": value},
            )

        daemon.kill()
        wait_for(lambda: not processes_of(daemon.directory), what="every child to be gone")
        daemon.start()
        daemon.client.close()
        daemon.client = plain_http.client(base_url=daemon.base, timeout=70)

        found = call(
            "get_graph_execution",
            user_id=user,
            execution_id=run["id"],
            include_node_executions=True,
        )
        by_id = {node["node_exec_id"]: node for node in found["node_executions"]}
        assert set(steps) <= set(by_id), "every acknowledged execution"
        assert [by_id[step]["status"] for step in steps] == ["COMPLETED", "COMPLETED", "QUEUED"]
        for place, (step, value) in enumerate(zip(steps, ("Ada", "Hello, Ada!"), strict=False)):
            # A call that was repeated after its process died may have been applied before.
            assert set(by_id[step]["output_data"]["result"]) == {value}
            key = call("get_execution_kv_data", user_id=user, key=f"step{place}")
            assert key == {"value": value}

        for status in ("RUNNING", "COMPLETED"):
            call("update_node_execution_status", node_exec_id=steps[-1], status=status)
        ended = call(
            "update_graph_execution_stats",
            graph_exec_id=run["id"],
            status="COMPLETED",
            stats={"walltime": 1.5, "node_count": 3},
        )
        assert ended["status"] == "COMPLETED"
        assert ended["outputs"] == {"greeting": ["Hello, Ada!"]}
        assert ended["stats"]["node_exec_count"] == 3
        print(f"\na whole run; calls repeated because their process was killed: {call.repeated}")
        assert json.loads(daemon.run("status", "--json").stdout)["state"] == "running"


@pytest.fixture(scope="module")
def at_a_terminal(database_url_for_module: str) -> Iterator[DaemonProcess]:
    """Yield a daemon that logs for people."""
    settings = ["api.processes=1", "logging.format=console", "worker.watch_schedule=never"]
    with DaemonProcess(database_url=database_url_for_module, assignments=settings) as running:
        yield running


def test_a_terminal_s_start_ends_with_what_to_try(at_a_terminal: DaemonProcess) -> None:
    daemon = at_a_terminal
    (line,) = [each for each in daemon.log().splitlines() if ": ready " in each]
    print(line)
    found = re.search(r"curl (\S+), or: autogpt-db status", line)
    assert found is not None
    assert found[1] == f"{daemon.base}/health_check"
    assert daemon.client.get(found[1]).status_code == 200


def test_a_terminal_shows_no_job_s_first_run(at_a_terminal: DaemonProcess) -> None:
    """What was due at a start anyway; whoever starts a job again sees it end."""
    daemon = at_a_terminal
    run = ("jobs", "run", "watch_executions", "--wait")
    for _ in range(2):
        done = daemon.run(*run)
        assert done.returncode == 0, done.stderr

    def told() -> list[str]:
        return [
            line
            for line in daemon.log().splitlines()
            if "job_succeeded" in line and "watch_executions" in line
        ]

    wait_for(told, what="the second run's line")
    assert len(told()) == 1
