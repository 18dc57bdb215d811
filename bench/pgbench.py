"""What PostgreSQL itself can do: pgbench with the daemon's own statements, prepared."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

from bench import pgbench_chats, statements
from bench.data import NODES_PER_GRAPH
from bench.scripting import BEST_OF, Script, statement, text
from bench.works import UpdateNodeExecutionStatus, change, output
from bench.works_0668 import OWNERS, Run0668

from autogpt_db.operations.executions.execution_status import allowed_from
from autogpt_db.signatures.types import ExecutionStatus

if TYPE_CHECKING:
    from pathlib import Path

    from bench.data import Size
    from bench.server import Server

_LEAST = 1  # it counts in whole seconds
_GRAPH_EXECUTION = "bench.id('e' || :e::text)"
_NODE_EXECUTION = "bench.id('n' || :n::text)"


def scripts(size: Size) -> dict[str, Script]:
    """Return the script of each work."""
    return {
        "get_node_execution": Script(
            rf"\set n random(0, {size.node_executions - 1})"
            f"\n{statement(statements.NODE_EXECUTION, node_exec_id=_NODE_EXECUTION)}",
            1,
            {},
        ),
        "get_graph_execution": Script(
            rf"\set e 10 * random(0, {size.executions // 10 - 1})"
            "\n"
            + statement(
                statements.GRAPH_EXECUTION_WITH_NODES,
                execution_id="bench.id('e' || :e::text)",
                user_id=f"bench.id('u' || (:e::bigint % {size.users}))",
            ),
            1,
            {},
        ),
        "upsert_execution_output": Script(
            rf"\set n random(0, {size.node_executions - 1})"
            "\n" + _added("result", _NODE_EXECUTION),
            1,
            {"result": "result", "value": text(output(0, 0))},
        ),
        "update_node_execution_status": _update_script(size),
        "run": _run_script(size),
        "get_user_credentials": Script(
            rf"\set n random(0, {OWNERS - 1})"
            "\n" + _credentials("bench.id('owner' || :n::text)"),
            1,
            {},
        ),
        "run_0668": _run_0668_script(size),
        **pgbench_chats.scripts(size),
    }


def _update_script(size: Size) -> Script:
    rows = UpdateNodeExecutionStatus(size).rows()
    clients = max(BEST_OF)
    moves = (_moved(status, _NODE_EXECUTION) for status in UpdateNodeExecutionStatus.steps)
    return Script(
        rf"\set n (random(0, {len(rows) // clients - 1}) * {clients} + :client_id) * {rows[1]}"
        "\n" + "".join(moves),
        len(UpdateNodeExecutionStatus.steps),
        _status_variables(UpdateNodeExecutionStatus.steps),
    )


def _node_of(size: Size) -> str:
    return f"bench.id('a' || (:e::bigint % {size.graphs} * {NODES_PER_GRAPH} + :k::bigint))"


def _chosen(size: Size) -> tuple[str, str]:
    """Return what chooses a graph execution and one of its nodes."""
    return (
        rf"\set e random(0, {size.executions - 1})",
        rf"\set k random(0, {NODES_PER_GRAPH - 1})",
    )


def _filled(size: Size) -> str:
    """Return what gives the node its input, and the script the node execution's id."""
    fill = statements.FILL_OLDEST_OR_NEW.rstrip()
    assert fill.endswith("FROM execution")
    fill = fill.removesuffix("FROM execution") + ', execution."id" AS node_exec_id FROM execution'
    filled = statement(
        fill,
        node_id=_node_of(size),
        graph_exec_id=_GRAPH_EXECUTION,
        input_name=":input_name::text",
        input_data=":value",
        received=":value",
    )
    return filled.replace(";\n", "\n\\gset")


def _run_variables() -> dict[str, str]:
    variables = _status_variables(("QUEUED", "RUNNING", "COMPLETED"))
    variables |= {"value": text(output(0, 0)), "result": "result", "usage": "usage"}
    return variables | {"input_name": "text"}


def _credentials(owner: str) -> str:
    return statement(statements.CREDENTIALS, user_id=owner)


def _run_0668_script(size: Size) -> Script:
    user_id = f"bench.id('u' || (:e::bigint % {size.users}))"
    execution = ":node_exec_id::text"
    calls = Run0668(size).sessions(0)[0]
    (cost,) = (call.arguments["entry"] for call in calls if call.method == "log_platform_cost")
    (spent,) = (call.arguments for call in calls if call.method == "spend_org_credits")
    about = {
        "user_id": user_id,
        "graph_exec_id": _GRAPH_EXECUTION,
        "node_exec_id": execution,
        "node_id": _node_of(size),
    }
    logged = {
        name: about.get(name, "NULL")
        for name in (
            "user_id", "graph_exec_id", "node_exec_id", "graph_id", "node_id", "block_id",
            "block_name", "credential_id", "tracking_type",
        )
    }  # fmt: skip
    parts = (
        *_chosen(size),
        statement(statements.FIND_WORKSPACE, user_id=user_id),
        statement(statements.META, user_id=user_id, execution_id=_GRAPH_EXECUTION),
        statement(statements.NODE, node_id=_node_of(size)),
        _filled(size),
        _moved("QUEUED", execution),
        statement(
            statements.SPEND,
            org_id=f"bench.id('o' || (:e::bigint % {size.users}))",
            user_id=user_id,
            team_id="NULL",
            cost="1",
            metadata=f"(:metadata::jsonb || jsonb_build_object('node_exec_id', {execution}))",
            transaction_key="gen_random_uuid()::text",
        ),
        _moved("RUNNING", execution),
        _credentials(user_id),
        _added("result", execution),
        statement(statements.NODE_EXECUTION, node_exec_id=execution),
        _moved("COMPLETED", execution),
        statement(
            statements.LOG_COST, **logged, provider=":provider", model=":model", entry=":cost"
        ),
        statement(
            statements.UPDATE_STATS,
            graph_exec_id=_GRAPH_EXECUTION,
            status="NULL",
            stats=":run_stats",
        ),
        statement(statements.HAS_PENDING, graph_exec_id=_GRAPH_EXECUTION),
    )
    variables = _run_variables() | {
        "metadata": text(spent["metadata"]),
        "cost": text(cost),
        "provider": cost["provider"],
        "model": cost["model"],
        "run_stats": text({"cost": 1, "walltime": 1.5}),
    }
    return Script("\n".join(parts), len(calls), variables)


def _run_script(size: Size) -> Script:
    node_id = _node_of(size)
    user_id = f"bench.id('u' || (:e::bigint % {size.users}))"
    kept = {"user_id": user_id, "key": "'run-' || :e::text || '-' || :k::text"}
    execution = ":node_exec_id::text"
    parts = (
        *_chosen(size),
        statement(statements.NODE, node_id=node_id),
        _filled(size),
        _moved("QUEUED", execution),
        _moved("RUNNING", execution),
        statement(statements.GET_VALUE, **kept),
        statement(
            statements.SET_VALUE,
            **kept,
            node_exec_id=execution,
            data=":value",
        ),
        _added("result", execution),
        _added("usage", execution),
        statement(statements.NODE_EXECUTION, node_exec_id=execution),
        _moved("COMPLETED", execution),
    )
    return Script("\n".join(parts), 10, _run_variables())


def _added(name: str, node_execution: str) -> str:
    return statement(
        statements.ADD_OUTPUT,
        output_name=f":{name}::text",
        node_exec_id=node_execution,
        output_data=":value",
    )


def _moved(status: str, node_execution: str) -> str:
    given = change(status, 0)
    return statement(
        statements.UPDATE_STATUS,
        status=f":{status.lower()}",
        allowed=f":from_{status.lower()}",
        node_exec_id=node_execution,
        execution_data=":execution_data" if "execution_data" in given else "NULL",
        stats=":stats" if "stats" in given else "NULL",
    )


def _status_variables(steps: tuple[str, ...]) -> dict[str, str]:
    variables = {
        "execution_data": text(change("QUEUED", 0)["execution_data"]),
        "stats": text(change("COMPLETED", 0)["stats"]),
    }
    for status in steps:
        variables[status.lower()] = status
        variables[f"from_{status.lower()}"] = allowed_from(ExecutionStatus(status))
    return variables


def run(
    server: Server,
    database: str,
    script: Script,
    *,
    clients: int,
    seconds: float,
    directory: Path,
) -> float:
    """Return the statements a second that so many clients get through."""
    path = directory / "script.sql"
    path.write_text(script.text)
    command = [
        str(server.binaries / "pgbench"), "-n", "-M", "prepared", "-c", str(clients), "-j", str(min(clients, 2)),
        "-T", str(max(_LEAST, round(seconds))), "-f", str(path), "-h", str(server.socket_directory),
        "-U", "autogpt_db",
    ]  # fmt: skip
    for name, value in script.variables.items():
        command += ["-D", f"{name}={value}"]
    done = subprocess.run([*command, database], capture_output=True, text=True, check=False)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", done.stdout)
    ended = re.search(r"transactions actually processed: (\d+)", done.stdout)
    if done.returncode != 0 or failed or not ended or "ERROR" in done.stderr:
        raise SystemExit(f"pgbench failed: {done.stderr[-2000:]}{done.stdout[-500:]}")
    found = re.search(r"tps = ([\d.]+) \(without", done.stdout)
    if found is None:  # not one transaction came to its end
        return 0.0
    return float(found[1]) * script.statements
