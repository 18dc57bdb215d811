"""Whole runs as AutoGPT's processes play them: scheduler, executor, and each node's calls."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx

import plain_http
from daemon_process import DaemonProcess
from service import SERVED

GRAPH = "0a9e0000-0000-4000-8000-000000000000"
INPUT, MIDDLE, OUTPUT = (f"0a9e0000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
BLOCK = "1ff065e9-88e8-4358-9d82-8dc91f622ba9"

ALL = os.environ.get("AUTOGPT_DB_TEST_RELEASES") == "all"
"""Whether every state and every migration is played; else a few, for each test run."""

GREETER = Path(__file__).parents[2] / "etc" / "examples" / "greeter.json"
UNKNOWN = {"detail": "Not Found"}


class WrongAnswerError(AssertionError):
    """A call was answered with neither success nor a request to repeat it."""


@dataclass
class Heard:
    """What clients were answered.

    Attributes:
        statuses: How often each status was seen; 0: the connection broke.
        wrong: Moment, method, status and text of answers that no client repeats.
        acknowledged: Ids of finished runs, and keys of values that were written.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[tuple[float, str, int, str]] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


class Client:
    """Calls methods as AutoGPT's clients do: what broke and what got 503 is sent again.

    Attributes:
        heard: What it was answered; may be shared.
    """

    def __init__(self, base: str, heard: Heard, *, patience: float = 60.0) -> None:
        self._http = plain_http.client(base_url=base, timeout=70)
        self._patience = patience
        self.heard = heard

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._http.close()

    def __call__(self, method: str, **arguments: Any) -> Any:
        """Return a method's value; one that not every database has tables for may give None."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                reply = self._http.post(f"/{method}", json=arguments)
            except httpx.TransportError:
                status, text = 0, ""
            else:
                status, text = reply.status_code, reply.text
            self.heard.statuses[status] += 1
            if status == 200:
                return reply.json()
            if status == 404 and method not in SERVED:
                assert reply.json() == UNKNOWN, text
                return None
            if status not in {0, 503}:
                self.heard.wrong.append((time.monotonic(), method, status, text[:500]))
                raise WrongAnswerError(f"{method} {arguments}: {status} {text[:500]}")
            if time.monotonic() > deadline:
                raise WrongAnswerError(f"{method}: {status} {text[:300]} until the end")
            time.sleep(0.05)  # as a client pauses


@contextmanager
def daemon_on(url: str) -> Iterator[DaemonProcess]:
    """Yield a daemon on a database; many start at once here, so it may take its time."""
    daemon = DaemonProcess(database_url=url)
    try:
        daemon.start(seconds=120)
        yield daemon
    finally:
        daemon.__exit__()


def imported(daemon: DaemonProcess) -> str:
    """Import the example agent for a new user and return the user's id."""
    done = daemon.run("import", str(GREETER), "--user", "ada@example.com")
    assert done.returncode == 0, done.stderr
    assert GRAPH in done.stdout
    return done.stdout.split("id ")[1].split()[0]


def started(call: Client, user: str, **by: str) -> Any:
    """Start a run as the scheduler does, for whomever `by` names; return the execution."""
    call("get_user_by_id", user_id=user)
    graph = call("get_graph", graph_id=GRAPH, version=1, user_id=user, include_subgraphs=True)
    assert [node["id"] for node in graph["nodes"]].count(INPUT) == 1
    call("validate_graph_execution_permissions", user_id=user, graph_id=GRAPH, graph_version=1)
    run = call(
        "create_graph_execution",
        graph_id=GRAPH,
        graph_version=1,
        starting_nodes_input=[[INPUT, {"name": "name", "value": "Ada"}]],
        inputs={"name": "Ada"},
        user_id=user,
        **by,
    )
    call("get_graph_settings", user_id=user, graph_id=GRAPH)
    call("get_or_create_workspace", user_id=user)
    call("update_graph_execution_stats", graph_exec_id=run["id"], status="QUEUED")
    call("increment_onboarding_runs", user_id=user)
    return run


def play(call: Client, user: str) -> str:
    """Play a whole run of the greeter and return its id."""
    run = started(call, user)
    execution = run["id"]
    meta = call("get_graph_execution_meta", user_id=user, execution_id=execution)
    assert meta["status"] == "QUEUED"
    call("update_graph_execution_start_time", graph_exec_id=execution)
    call("get_credits", user_id=user)
    waiting = call(
        "get_node_executions",
        graph_exec_id=execution,
        statuses=["RUNNING", "QUEUED", "TERMINATED", "REVIEW"],
    )
    step = waiting[0]["node_exec_id"]
    for node, following, name in ((INPUT, MIDDLE, "data"), (MIDDLE, OUTPUT, "value")):
        _node(call, user, execution, node, step)
        call("get_node", node_id=following)
        step, inputs = call(
            "upsert_execution_input",
            node_id=following,
            graph_exec_id=execution,
            input_name=name,
            input_data="Hello, Ada!",
        )
        step = step["node_exec_id"]
        assert inputs[name] == "Hello, Ada!"
        call("get_latest_node_execution", node_id=following, graph_eid=execution)
    _node(call, user, execution, OUTPUT, step)
    assert call("has_pending_reviews_for_graph_exec", graph_exec_id=execution) is False
    call("get_graph_metadata", graph_id=GRAPH, version=1)
    nodes = call("get_node_executions", graph_exec_id=execution)
    assert {node["status"] for node in nodes} == {"COMPLETED"}, nodes
    ended = call(
        "update_graph_execution_stats",
        graph_exec_id=execution,
        status="COMPLETED",
        stats={"walltime": 1.5, "node_count": 3, "cost": 3},
    )
    assert ended["status"] == "COMPLETED"
    assert ended["outputs"] == {"greeting": ["Hello, Ada!"]}, ended
    call.heard.runs.append(execution)
    return str(execution)


def _node(call: Client, user: str, execution: str, node: str, step: str) -> None:
    """Play one node's execution, as the executor does."""
    data = {"name": "greeting" if node == OUTPUT else "name", "value": "Hello, Ada!"}
    call("update_node_execution_status", node_exec_id=step, status="QUEUED", execution_data=data)
    call(
        "spend_credits",
        user_id=user,
        cost=0,
        metadata={"graph_exec_id": execution, "node_exec_id": step, "block_id": BLOCK},
    )
    call("get_node", node_id=node)
    call("update_node_execution_status", node_exec_id=step, status="RUNNING")
    call("get_user_credentials", user_id=user)
    call("get_user_integrations", user_id=user)
    call(
        "check_approval",
        node_exec_id=step,
        graph_exec_id=execution,
        node_id=node,
        user_id=user,
        input_data=data,
    )
    call(
        "upsert_execution_output",
        node_exec_id=step,
        output_name="result",
        output_data="Hello, Ada!",
    )
    call("get_node_execution", node_exec_id=step)
    call("set_execution_kv_data", user_id=user, node_exec_id=step, key=step, data={"step": step})
    call.heard.keys.append(step)
    call("update_node_execution_status", node_exec_id=step, status="COMPLETED")
    call("update_graph_execution_stats", graph_exec_id=execution, stats={"cost": 1})


def reviewed(call: Client, user: str) -> None:
    """Play a run that waits for a person and is stopped."""
    run = started(call, user)
    (step,) = (node["node_exec_id"] for node in run["node_executions"])
    call("update_graph_execution_start_time", graph_exec_id=run["id"])
    call(
        "get_or_create_human_review",
        user_id=user,
        node_exec_id=step,
        graph_exec_id=run["id"],
        graph_id=GRAPH,
        graph_version=1,
        input_data={"what": "to look at"},
        message="Look at this",
        editable=True,
    )
    assert call("has_pending_reviews_for_graph_exec", graph_exec_id=run["id"]) is True
    call("update_node_execution_status", node_exec_id=step, status="REVIEW")
    call("update_graph_execution_stats", graph_exec_id=run["id"], status="REVIEW")
    assert call("get_child_graph_executions", parent_exec_id=run["id"]) == []
    call("cancel_pending_reviews_for_execution", graph_exec_id=run["id"], user_id=user)
    ended = call("update_graph_execution_stats", graph_exec_id=run["id"], status="TERMINATED")
    assert ended["status"] == "TERMINATED"


def by_expert(call: Client, user: str, expert: str) -> None:
    """Play a scheduled run of an expert's, from its gate to what it tells at the end (v0.7.2)."""
    own = {"user_id": user, "expert_id": expert}
    assert call("expert_row_exists", **own) is True
    assert call("get_expert", **own)["last_run_at"] is None
    organization, team = call("resolve_private_expert_tenancy", **own)
    call("enforce_expert_run_budget", **own)
    home = {"organization_id": organization, "team_id": team}
    run = started(call, user, expert_id=expert, **home)
    assert (run["expert_id"], run["team_id"]) == (expert, team)
    execution = {"graph_exec_id": run["id"]}
    call("get_user_subscription_tier", user_id=user)
    call("get_auth_user_flag_fields", user_id=user)
    call("update_graph_execution_start_time", **execution)
    call("update_graph_execution_stats", **execution, update_tenancy=True, **home)
    call("get_library_agent_id_by_graph_id", user_id=user, graph_id=GRAPH)
    message = {"content": "Done.", "message_id": f"run-{run['id']}", "metadata": {"work_card": {}}}
    session = call("append_expert_run_message", **own, **message)
    assert call("append_expert_run_message", **own, **message) is None
    assert session is not None
    call("update_graph_execution_stats", **execution, status="COMPLETED", stats={"cost": 1})
    (shown,) = call("list_experts", user_id=user)
    assert (shown["last_run_status"], shown["last_run_at"] is None) == ("COMPLETED", False)
    call.heard.runs.append(run["id"])


def around(call: Client, user: str) -> None:
    """Call what the other processes call: websocket server, scheduler, blocks, notifications."""
    span = {"start_time": "2026-01-01T00:00:00Z", "end_time": "2030-01-01T00:00:00Z"}
    call("get_graph_executions", user_id=user, graph_id=GRAPH)
    call("get_graph_executions_count", user_id=user, graph_id=GRAPH)
    call("get_block_error_stats", **span)
    call("get_marketplace_graphs_for_monitoring")
    call("cleanup_expired_oauth_tokens")
    call("get_connected_output_nodes", node_id=INPUT)
    call("list_library_agents", user_id=user)
    call("get_user_email_by_id", user_id=user)
    call("get_store_agents")
    call("get_store_agents", search_query="greeter")
    call("get_embedding_stats")
    call("cleanup_orphaned_embeddings")
    call("get_active_user_ids_in_timerange", **span)
