"""The works that are measured: what clients send, and what the tables must hold afterwards."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING, Any

from bench.data import NODES_PER_GRAPH, Size, identifier
from bench.load import CAPTURED, Request

if TYPE_CHECKING:
    from datetime import datetime

    from bench.load import Outcome, Session
    from bench.server import Server

WORDS = "3f2c1a7e9b4d4c6f8e1d2b3a4c5d6e7f " * 6
MOST_CLIENTS = 64


class WrongRowsError(AssertionError):
    """The tables don't hold what the clients were told."""


class Work:
    """One kind of traffic.

    Attributes:
        name: The method, or `run`.
        writes: Whether the tables change.
        newest: Whether it needs AutoGPT v0.6.68's tables.
    """

    name: str
    writes = False
    newest = False

    def __init__(self, size: Size) -> None:
        self.size = size

    def prepare(self, server: Server, database: str) -> None:
        """Make the rows that it needs, once per database."""

    def sessions(self, number: int) -> list[Session]:
        """Return what clients do in the measurement of that number."""
        raise NotImplementedError

    def verify(
        self,
        server: Server,
        database: str,
        since: datetime,
        number: int,
        sessions: list[Session],
        outcome: Outcome,
    ) -> None:
        """Compare the tables with what the clients were told.

        Raises:
            WrongRowsError: A row is missing, too many, or somebody else's.
        """


class GetNodeExecution(Work):
    name = "get_node_execution"

    def sessions(self, number: int) -> list[Session]:
        chosen = random.Random(number).choices(range(self.size.node_executions), k=10_000)
        return [
            (Request(self.name, {"node_exec_id": name}, f'"node_exec_id":"{name}"'),)
            for name in (identifier(f"n{n}") for n in chosen)
        ]


class GetGraphExecution(Work):
    """With its 50 node executions: every tenth has so many."""

    name = "get_graph_execution"

    def sessions(self, number: int) -> list[Session]:
        chosen = random.Random(number).choices(range(0, self.size.executions, 10), k=1_000)
        return [
            (
                Request(
                    self.name,
                    {
                        "user_id": identifier(f"u{e % self.size.users}"),
                        "execution_id": identifier(f"e{e}"),
                        "include_node_executions": True,
                    },
                    f'"id":"{identifier(f"e{e}")}"',
                    '"node_executions"',
                ),
            )
            for e in chosen
        ]


class UpsertExecutionOutput(Work):
    """Each session has a node execution of its own, as far as there are enough."""

    name = "upsert_execution_output"
    writes = True

    def sessions(self, number: int) -> list[Session]:
        count = min(10_000, self.size.node_executions)
        chosen = random.Random(number).sample(range(self.size.node_executions), k=count)
        return [
            (
                Request(
                    self.name,
                    {
                        "node_exec_id": identifier(f"n{n}"),
                        "output_name": "result",
                        "output_data": output(number, n),
                    },
                    "null",
                ),
            )
            for n in chosen
        ]

    def verify(
        self,
        server: Server,
        database: str,
        since: datetime,
        number: int,
        sessions: list[Session],
        outcome: Outcome,
    ) -> None:
        told: Counter[tuple[str, int]] = Counter()
        for (session, step), count in outcome.acknowledged.items():
            arguments = sessions[session][step].arguments
            told[arguments["node_exec_id"], arguments["output_data"]["n"]] += count
        rows = server.execute(
            'SELECT "referencedByOutputExecId", ("data" ->> \'n\')::bigint, count(*)'
            '  FROM platform."AgentNodeExecutionInputOutput"'
            ' WHERE "name" = \'result\' AND "time" >= %s'
            "   AND (\"data\" ->> 'measurement')::bigint = %s"
            " GROUP BY 1, 2",
            since,
            number,
            database=database,
        )
        same(
            self.name, Counter({(name, n): count for name, n, count in rows}), told, outcome.errors
        )


class UpdateNodeExecutionStatus(Work):
    """Three changes of a node execution's status, in a circle: each one changes the row."""

    name = "update_node_execution_status"
    writes = True
    steps = ("QUEUED", "RUNNING", "TERMINATED")

    def rows(self) -> list[int]:
        """Return the node executions that it changes, a multiple of the most clients."""
        count = min(50 * MOST_CLIENTS, self.size.node_executions // 128 * MOST_CLIENTS)
        step = self.size.node_executions // count
        return [place * step for place in range(count)]

    def prepare(self, server: Server, database: str) -> None:
        server.execute(
            'UPDATE platform."AgentNodeExecution"'
            """   SET "executionStatus" = 'TERMINATED', "stats" = '{"walltime": 1}'"""
            ' WHERE "id" = ANY (%s)',
            [identifier(f"n{n}") for n in self.rows()],
            database=database,
        )

    def sessions(self, number: int) -> list[Session]:
        return [
            tuple(
                Request(
                    self.name,
                    {"node_exec_id": name, "status": status, **change(status, number)},
                    f'"node_exec_id":"{name}"',
                    f'"status":"{status}"',
                )
                for status in self.steps
            )
            for name in (identifier(f"n{n}") for n in self.rows())
        ]

    def verify(
        self,
        server: Server,
        database: str,
        since: datetime,
        number: int,
        sessions: list[Session],
        outcome: Outcome,
    ) -> None:
        last = len(self.steps) - 1
        told = {
            sessions[session][step].arguments["node_exec_id"]
            for session, step in outcome.acknowledged
            if step == last
        }
        rows = server.execute(
            'SELECT "id", "executionStatus"::text, ("stats" -> \'walltime\')::bigint,'
            '       "startedTime" >= %s, "queuedTime" >= %s'
            '  FROM platform."AgentNodeExecution"'
            ' WHERE "id" = ANY (%s)',
            since,
            since,
            [identifier(f"n{n}") for n in self.rows()],
            database=database,
        )
        changed = {name for name, *is_now in rows if is_now == ["TERMINATED", number, True, True]}
        same(self.name, Counter(changed), Counter(told), outcome.errors)


class Run(Work):
    """An executor's calls for one node of a running graph, ten of them."""

    name = "run"
    writes = True
    keeping = 5  # the place of set_execution_kv_data

    def _node(self, session: int) -> tuple[int, int]:
        """Return the graph execution and the node of a session; no two sessions have both."""
        executions = self.size.executions  # a multiple of ten, so that nodes differ below
        return session * 7 % executions, (session // executions + session * 3) % NODES_PER_GRAPH

    def sessions(self, number: int) -> list[Session]:
        count = min(2_000, self.size.executions * NODES_PER_GRAPH)
        return [self._session(number, session) for session in range(count)]

    def _session(self, number: int, session: int) -> Session:
        e, k = self._node(session)
        node = identifier(f"a{e % self.size.graphs * NODES_PER_GRAPH + k}")
        user = identifier(f"u{e % self.size.users}")
        own = f'"node_exec_id":"{CAPTURED}"'
        value = output(number, session)
        kept = {"user_id": user, "key": f"run-{session}"}
        status = "update_node_execution_status"

        def moved(to: str) -> Request:
            arguments = {"node_exec_id": CAPTURED, "status": to, **change(to, number)}
            return Request(status, arguments, own, f'"status":"{to}"')

        def put(name: str) -> Request:
            arguments = {"node_exec_id": CAPTURED, "output_name": name, "output_data": value}
            return Request("upsert_execution_output", arguments, "null")

        return (
            Request("get_node", {"node_id": node}, f'"id":"{node}"'),
            Request(
                "upsert_execution_input",
                {
                    "node_id": node,
                    "graph_exec_id": identifier(f"e{e}"),
                    "input_name": "text",
                    "input_data": value,
                },
                f'"node_id":"{node}"',
                f'"graph_exec_id":"{identifier(f"e{e}")}"',
                captures=True,
            ),
            moved("QUEUED"),
            moved("RUNNING"),
            Request("get_execution_kv_data", kept, ""),
            Request(
                "set_execution_kv_data",
                {**kept, "node_exec_id": CAPTURED, "data": value},
                whose(number, session),
            ),
            put("result"),
            put("usage"),
            Request("get_node_execution", {"node_exec_id": CAPTURED}, own, '"usage"'),
            moved("COMPLETED"),
        )

    def verify(
        self,
        server: Server,
        database: str,
        since: datetime,
        number: int,
        sessions: list[Session],
        outcome: Outcome,
    ) -> None:
        rows = server.execute(
            'SELECT execution."id", execution."executionStatus"::text,'
            "       (execution.\"stats\" -> 'walltime')::bigint,"
            """       (SELECT array_agg(("data" -> 'n')::bigint)
                         FROM platform."AgentNodeExecutionInputOutput"
                        WHERE "referencedByInputExecId" = execution."id"),
                      (SELECT array_agg(("data" -> 'n')::bigint)
                         FROM platform."AgentNodeExecutionInputOutput"
                        WHERE "referencedByOutputExecId" = execution."id")"""
            '  FROM platform."AgentNodeExecution" AS execution'
            ' WHERE execution."addedTime" >= %s',
            since,
            database=database,
        )
        whole = len(sessions[0])
        told = Counter(
            (name, "COMPLETED", number, (session,), (session, session))
            for session, name, answered in outcome.sessions
            if answered == whole
        )
        found = Counter(
            (name, status, walltime, tuple(inputs or ()), tuple(outputs or ()))
            for name, status, walltime, inputs, outputs in rows
        )
        same(self.name, found, told, outcome.errors)
        kept = server.execute(
            'SELECT "key", "data" ->> \'whose\''
            '  FROM platform."AgentNodeExecutionKeyValueData"'
            ' WHERE "updatedAt" >= %s',
            since,
            database=database,
        )
        values = {
            (f"run-{session}", whose(number, session))
            for session, step in outcome.acknowledged
            if step == self.keeping
        }
        same(self.name, Counter(kept), Counter(values), outcome.errors)


def output(measurement: int, n: int) -> dict[str, Any]:
    """Return a value of some 280 bytes that says whose it is."""
    return {"value": WORDS, "n": n, "measurement": measurement, "whose": whose(measurement, n)}


def whose(measurement: int, n: int) -> str:
    """Return the words that tell a value from all others."""
    return f"measurement {measurement}, row {n}."


def change(status: str, number: int) -> dict[str, Any]:
    """Return what an executor says along with a new status."""
    if status == "QUEUED":
        return {"execution_data": {"text": WORDS, "count": 7}}
    if status == "RUNNING":
        return {}
    return {
        "stats": {
            "walltime": number,
            "cputime": 0.25,
            "input_size": 300,
            "output_size": 400,
            "llm_call_count": 1,
            "error": None,
        }
    }


def same(name: str, found: Counter[Any], told: Counter[Any], errors: int) -> None:
    """Compare rows with acknowledgements.

    Raises:
        WrongRowsError: They differ. A request that failed may have been applied, once.
    """
    lost = told - found
    too_many = found - told
    if lost or too_many.total() > errors:
        raise WrongRowsError(
            f"{name}: {lost.total()} rows lost {list(lost)[:2]}, {too_many.total()} rows that "
            f"nobody was told of {list(too_many)[:2]}; {errors} errors"
        )
