"""Merging: what comes in together goes together, and nobody can tell, except by the speed."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.database.pool import abreast, gathering, merging
from autogpt_db.database.pool.batches import ISOLATED_AT_ONCE, LARGEST_BATCH
from autogpt_db.database.pool.merged import MOST_CHARACTERS, Merged
from autogpt_db.database.pool.merging import IN_FLIGHT, MOST_SLOW
from autogpt_db.errors import (
    CallError,
    DeadlineExceededError,
    ForeignKeyViolationError,
    InvalidValueError,
    LockedError,
    OutcomeUnknownError,
    PoolExhaustedError,
)
from autogpt_db.operations import ExecutionStatus
from autogpt_db.operations.executions import (
    graph_execution_changes,
    graph_executions,
    key_values,
    node_execution_changes,
    node_execution_inputs,
    node_execution_outputs,
)
from autogpt_db.operations.executions.execution_status import allowed_from
from autogpt_db.operations.graphs import graphs
from service import Service
from waiting import PATIENCE

WRITES = 'platform."AgentNodeExecutionInputOutput"'


@pytest.fixture
def executions(service: Service) -> list[str]:
    """Return fresh node executions, QUEUED."""
    return fresh_executions(service)


def fresh_executions(service: Service) -> list[str]:
    found = service.rows(
        """SELECT e."id", e."agentNodeId" FROM "AgentNodeExecution" e
             JOIN "AgentGraphExecution" g ON g."id" = e."agentGraphExecutionId" LIMIT 1"""
    )
    ((template, _node),) = found
    names = [f"merge-{number:03}-{uuid.uuid4().hex[:6]}" for number in range(200)]
    service.rows(
        """INSERT INTO "AgentNodeExecution"
               ("id", "agentGraphExecutionId", "agentNodeId", "executionStatus", "addedTime",
                "queuedTime")
           SELECT name, "agentGraphExecutionId", "agentNodeId", 'QUEUED', now(), now()
             FROM unnest(%(names)s::text[]) AS name,
                  "AgentNodeExecution" AS given
            WHERE given."id" = %(template)s""",
        names=names,
        template=template,
    )
    return names


def figures(service: Service) -> dict[str, Any]:
    return {
        "calls": sum(m.figures.calls for m in service.mergers()),
        "batches": sum(m.figures.batches for m in service.mergers()),
        "isolated": sum(m.figures.isolated for m in service.mergers()),
    }


def test_reads_that_come_together_are_one_statement_and_each_gets_its_own(
    service: Service, executions: list[str]
) -> None:
    wanted = [*executions[:99], "missing", executions[0]]
    together = service.together([("get_node_execution", {"node_exec_id": name}) for name in wanted])
    seen = figures(service)
    alone = [service.call("get_node_execution", node_exec_id=name) for name in wanted]
    assert together == alone
    assert together[99] is None
    assert seen["calls"] == 101
    assert seen["batches"] == 7  # six of 16, and 5
    assert seen["isolated"] == 0


def test_a_lone_call_waits_for_no_company_and_is_one_plain_statement(
    service: Service, executions: list[str]
) -> None:
    for name in executions[:3]:
        assert service.call("get_node_execution", node_exec_id=name)["node_exec_id"] == name
    assert figures(service) == {"calls": 3, "batches": 3, "isolated": 0}


def test_every_eighth_is_wrong_and_only_those_fail(service: Service, executions: list[str]) -> None:
    calls = [
        (
            "upsert_execution_output",
            {
                "node_exec_id": "nobody" if number % 8 == 0 else executions[number],
                "output_name": f"n{number}",
                "output_data": {"number": number},
            },
        )
        for number in range(LARGEST_BATCH)
    ]
    replies = service.together(calls)
    for number, reply in enumerate(replies):
        if number % 8 == 0:
            assert isinstance(reply, ForeignKeyViolationError), number
        else:
            assert reply is None, number
    rows = service.rows(
        f"""SELECT "referencedByOutputExecId", "name", "data" FROM {WRITES}
             WHERE "referencedByOutputExecId" LIKE 'merge-%'"""
    )
    assert sorted(rows) == sorted(
        (executions[n], f"n{n}", {"number": n}) for n in range(LARGEST_BATCH) if n % 8
    ), "each once, none lost, none doubled, none at another's"
    assert figures(service)["isolated"] == LARGEST_BATCH


def test_outputs_of_one_execution_keep_the_order_of_their_calls(
    service: Service, executions: list[str]
) -> None:
    name = executions[0]
    service.together(
        ("upsert_execution_output", {"node_exec_id": name, "output_name": "o", "output_data": n})
        for n in range(150)
    )
    found = service.call("get_node_execution", node_exec_id=name)["output_data"]["o"]
    assert found == list(range(150))


def test_transitions_of_many_rows_at_once_each_by_its_own_rules(
    service: Service, executions: list[str]
) -> None:
    running = executions[:40]
    replies = service.together(
        ("update_node_execution_status", {"node_exec_id": name, "status": "RUNNING"})
        for name in running
    )
    assert {reply["status"] for reply in replies} == {"RUNNING"}
    mixed = [
        *((name, "COMPLETED") for name in running[:20]),
        *((name, "RUNNING") for name in running[20:]),  # not allowed: nothing changes
        ("nobody", "RUNNING"),
    ]
    replies = service.together(
        (
            "update_node_execution_status",
            {"node_exec_id": name, "status": status, "stats": {"walltime": 1.5}},
        )
        for name, status in mixed
    )
    assert isinstance(replies[-1], InvalidValueError)
    assert [r["node_exec_id"] for r in replies[:-1]] == running
    assert [r["status"] for r in replies[:-1]] == ["COMPLETED"] * 20 + ["RUNNING"] * 20
    stats = dict(
        service.rows(
            """SELECT "id", "stats" FROM "AgentNodeExecution" WHERE "id" = ANY (%(names)s)""",
            names=running,
        )
    )
    assert all(stats[name] == {"walltime": 1.5} for name in running[:20])
    assert all(stats[name] is None for name in running[20:])


def test_calls_on_one_row_happen_in_the_order_of_their_arrival(
    service: Service, executions: list[str]
) -> None:
    name = executions[0]
    steps = ["RUNNING", "COMPLETED", "FAILED", "RUNNING"]  # the last two are not allowed
    replies = service.together(
        ("update_node_execution_status", {"node_exec_id": name, "status": status})
        for status in steps
    )
    assert [reply["status"] for reply in replies] == [
        "RUNNING",
        "COMPLETED",
        "COMPLETED",
        "COMPLETED",
    ]
    written = service.together(
        (
            "set_execution_kv_data",
            {"user_id": "u", "node_exec_id": "n", "key": "one", "data": number},
        )
        for number in range(1, 30)
    )
    assert written == list(range(1, 30))
    assert service.call("get_execution_kv_data", user_id="u", key="one") == 29


def test_inputs_find_make_and_fill_as_one_by_one(service: Service, executions: list[str]) -> None:
    """The second value of a name goes to a new execution, another name fills the first one."""
    ((graph_exec_id, node_id),) = service.rows(
        """SELECT "agentGraphExecutionId", "agentNodeId" FROM "AgentNodeExecution"
            WHERE "id" = %(name)s""",
        name=executions[0],
    )
    nodes = [f"merge-node-{number}" for number in range(20)]
    service.rows(
        """INSERT INTO "AgentNode" ("id", "agentBlockId", "agentGraphId", "agentGraphVersion",
                                    "constantInput", "metadata")
           SELECT name, "agentBlockId", "agentGraphId", "agentGraphVersion", '{}', '{}'
             FROM unnest(%(names)s::text[]) AS name, "AgentNode" AS given
            WHERE given."id" = %(node)s""",
        names=nodes,
        node=node_id,
    )

    def give(node: str, name: str, value: Any) -> tuple[str, dict[str, Any]]:
        return (
            "upsert_execution_input",
            {
                "graph_exec_id": graph_exec_id,
                "node_id": node,
                "input_name": name,
                "input_data": value,
            },
        )

    replies = service.together(
        give(node, name, value)
        for node in nodes
        for name, value in (("a", None), ("b", {"n": node}), ("a", [2]))
    )
    assert not [reply for reply in replies if isinstance(reply, BaseException)]
    for place, node in enumerate(nodes):
        (first, one), (second, two), (third, three) = replies[3 * place : 3 * place + 3]
        assert first["node_id"] == second["node_id"] == third["node_id"] == node
        assert first["node_exec_id"] == second["node_exec_id"] != third["node_exec_id"]
        assert (one, two, three) == ({"a": None}, {"a": None, "b": {"n": node}}, {"a": [2]})
    assert figures(service)["isolated"] == 0
    assert figures(service)["batches"] < len(replies) / 4


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(st.sampled_from('abc\x00é"\\'), JSON), min_size=2, max_size=12))
def test_merged_and_single_statements_store_and_return_the_same(
    service: Service, entries: list[tuple[str, Any]]
) -> None:
    calls = [
        {"user_id": "p", "node_exec_id": "n", "key": f"{place}{key}", "data": data}
        for place, (key, data) in enumerate(entries)
    ]

    def outcome(reply: Any) -> Any:
        return (type(reply).__name__, str(reply)) if isinstance(reply, CallError) else reply

    together = [
        outcome(r) for r in service.together(("set_execution_kv_data", call) for call in calls)
    ]
    first = stored(service)
    service.rows('DELETE FROM "AgentNodeExecutionKeyValueData"')
    alone = []
    for call in calls:
        try:
            alone.append(service.call("set_execution_kv_data", **call))
        except CallError as error:
            alone.append(outcome(error))
    assert together == alone
    assert first == stored(service)
    service.rows('DELETE FROM "AgentNodeExecutionKeyValueData"')


def stored(service: Service) -> list[tuple[Any, ...]]:
    return service.rows(
        """SELECT "key", "data"::text FROM "AgentNodeExecutionKeyValueData" ORDER BY "key" """
    )


def test_more_calls_than_may_wait_are_refused_at_once(seeded_database_url: str) -> None:
    with (
        Service(seeded_database_url, pool_max_waiting=10) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        blocker.execute('LOCK platform."AgentNodeExecutionKeyValueData"')

        async def main() -> list[Any]:
            calls = [
                asyncio.ensure_future(
                    service.started(
                        "set_execution_kv_data",
                        json.dumps(
                            {"user_id": "u", "node_exec_id": "n", "key": f"{n}", "data": n}
                        ).encode(),
                    )
                )
                for n in range(30)
            ]
            done, running = await asyncio.wait(calls, return_when=asyncio.FIRST_EXCEPTION)
            refused = [call.exception() for call in done]
            blocker.rollback()
            return [refused, await asyncio.gather(*running)]

        refused, written = service.run(main())
        assert refused
        assert all(isinstance(error, PoolExhaustedError) for error in refused)
        assert len(refused) + len(written) == 30


def test_who_waited_in_vain_counts_as_waiting_no_more(seeded_database_url: str) -> None:
    with (
        Service(seeded_database_url, pool_max_waiting=10) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        blocker.execute('LOCK platform."AgentNodeExecutionKeyValueData"')

        def call(number: int) -> asyncio.Task[bytes]:
            arguments = {"user_id": "u", "node_exec_id": "n", "key": f"{number}", "data": number}
            body = json.dumps(arguments).encode()
            return asyncio.create_task(service.started("set_execution_kv_data", body))

        async def main() -> list[Any]:
            waiting: list[asyncio.Task[bytes]] = []
            while True:  # until as many wait as may, and none of them is let past a slow one
                task = call(len(waiting))
                await asyncio.sleep(0.02)
                if not task.done():
                    waiting.append(task)
                elif isinstance(task.exception(), PoolExhaustedError):
                    (merger,) = service.mergers()
                    if len(merger._slow) == MOST_SLOW:
                        break
            given_up = waiting[-10:]
            for task in given_up:
                task.cancel()
            await asyncio.wait(given_up)
            later = [call(n) for n in range(1000, 1005)]
            await asyncio.sleep(0.02)
            assert not any(task.done() for task in later), "there is room for them"
            blocker.rollback()
            await asyncio.gather(*waiting[:-10])
            return await asyncio.gather(*later)

        assert len(service.run(main())) == 5


def test_a_connection_that_dies_under_a_batch_leaves_every_outcome_unknown_and_none_doubled(
    seeded_database_url: str,
) -> None:
    with Service(seeded_database_url) as service, psycopg.connect(seeded_database_url) as blocker:
        blocker.execute('LOCK platform."AgentNodeExecutionKeyValueData"')

        async def main() -> list[Any]:
            calls = [
                asyncio.ensure_future(
                    service.started(
                        "set_execution_kv_data",
                        json.dumps(
                            {"user_id": "u", "node_exec_id": "n", "key": f"{n}", "data": n}
                        ).encode(),
                    )
                )
                for n in range(20)
            ]
            waiting = (
                "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            with psycopg.connect(seeded_database_url, autocommit=True) as observer:
                while not (pids := observer.execute(waiting).fetchall()):
                    await asyncio.sleep(0.01)
                for (pid,) in pids:
                    observer.execute("SELECT pg_terminate_backend(%s)", (pid,))
            blocker.rollback()
            return await asyncio.gather(*calls, return_exceptions=True)

        replies = service.run(main())
        assert all(isinstance(reply, OutcomeUnknownError) for reply in replies), replies
        assert service.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="0",
                            data="again") == "again"  # fmt: skip


def test_nodes_and_executions_read_together_are_those_read_alone(service: Service) -> None:
    calls = [
        *(
            ("get_node", {"node_id": name})
            for (name,) in service.rows('SELECT "id" FROM "AgentNode"')
        ),
        *(
            ("get_graph_execution_meta", {"execution_id": name, "user_id": user})
            for name, user in service.rows('SELECT "id", "userId" FROM "AgentGraphExecution"')
        ),
        ("get_graph_execution_meta", {"execution_id": "x", "user_id": "y"}),
    ]

    def outcome(reply: Any) -> Any:
        return (type(reply), str(reply)) if isinstance(reply, CallError) else reply

    together = [outcome(reply) for reply in service.together(calls)]
    alone = [outcome(service.together([call])[0]) for call in calls]
    assert together == alone


def to_running(service: Service, name: str) -> asyncio.Future[bytes]:
    body = json.dumps({"node_exec_id": name, "status": "RUNNING"}).encode()
    return asyncio.ensure_future(service.started("update_node_execution_status", body))


def hold(blocker: psycopg.Connection[Any], names: list[str]) -> None:
    blocker.execute(
        """SELECT FROM platform."AgentNodeExecution" WHERE "id" = ANY (%s) FOR UPDATE""", [names]
    )


def waiting(service: Service) -> int:
    """Return how many sessions wait for a lock."""
    count: int = service.value(
        """SELECT count(*) FROM pg_stat_activity
            WHERE wait_event_type = 'Lock' AND datname = current_database()"""
    )
    return count


async def until_waiting(service: Service) -> None:
    """Wait until a statement waits for a lock."""
    async with asyncio.timeout(PATIENCE):
        while not waiting(service):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("timeouts", [{"lock_timeout": 0}, {"statement_timeout": 0.5}])
def test_a_locked_row_holds_up_nobody_else_of_its_batch(
    seeded_database_url: str, timeouts: dict[str, Any]
) -> None:
    """By the batch's own bound on locks, or by the statement's."""
    with Service(seeded_database_url, **timeouts) as service:
        names = fresh_executions(service)[:40]
        locked = [names[7], names[21]]
        with psycopg.connect(seeded_database_url) as blocker:
            hold(blocker, locked)

            async def main() -> tuple[list[bytes], list[Any]]:
                calls = {name: to_running(service, name) for name in names}
                free = [calls[name] for name in names if name not in locked]
                answered = await asyncio.wait_for(asyncio.gather(*free), 30)
                blocker.rollback()
                rest = [calls[name] for name in locked]
                return answered, await asyncio.gather(*rest, return_exceptions=True)

            answered, rest = service.run(main())
        assert {json.loads(reply)["status"] for reply in answered} == {"RUNNING"}
        assert figures(service)["isolated"] == len(names)
        if (
            "statement_timeout" in timeouts
        ):  # theirs has passed by the time that the others are done
            assert all(isinstance(reply, bytes | DeadlineExceededError) for reply in rest)
        else:
            assert [json.loads(reply)["status"] for reply in rest] == ["RUNNING", "RUNNING"]


def test_a_batch_waits_for_no_row_that_it_would_leave_as_it_is(
    seeded_database_url: str,
) -> None:
    with Service(seeded_database_url) as service:
        names = fresh_executions(service)[:40]
        done = names[:12]
        service.rows(
            """UPDATE "AgentNodeExecution" SET "executionStatus" = 'COMPLETED'
                WHERE "id" = ANY (%(names)s)""",
            names=done,
        )
        with psycopg.connect(seeded_database_url) as blocker:
            hold(blocker, done)

            async def main() -> list[bytes]:
                return await asyncio.gather(*(to_running(service, name) for name in names))

            replies = [json.loads(reply) for reply in service.run(main())]
        assert [reply["node_exec_id"] for reply in replies] == names
        assert [reply["status"] for reply in replies] == ["COMPLETED"] * 12 + ["RUNNING"] * 28
        assert figures(service)["isolated"] == 0


LOCKABLE = (
    "AgentGraphExecution",
    "AgentNode",
    "AgentNodeExecution",
    "AgentNodeExecutionInputOutput",
    "AgentNodeExecutionKeyValueData",
)


def test_a_batch_locks_the_rows_that_the_single_statements_lock_and_no_others(
    service: Service, executions: list[str]
) -> None:
    """For every merged write, with calls that change something and calls that change nothing."""
    changed, unchanged, other = sorted(executions)[:3]
    service.rows(
        """UPDATE "AgentNodeExecution" SET "executionStatus" = 'COMPLETED' WHERE "id" = %(name)s""",
        name=unchanged,
    )
    ((graph, node),) = service.rows(
        """SELECT "agentGraphExecutionId", "agentNodeId" FROM "AgentNodeExecution"
            WHERE "id" = %(name)s""",
        name=changed,
    )
    ((present,),) = service.rows(
        'SELECT "executionStatus"::text FROM "AgentGraphExecution" WHERE "id" = %(graph)s',
        graph=graph,
    )
    ((ended,), *_) = service.rows(
        """SELECT "id" FROM "AgentGraphExecution"
            WHERE "id" <> %(graph)s AND "executionStatus" <> 'INCOMPLETE' ORDER BY 1""",
        graph=graph,
    )
    for key in ("kept", "another"):
        service.call("set_execution_kv_data", user_id="u", node_exec_id="n", key=key, data=1)
    has = service.capabilities

    def form(thing: Any) -> Any:
        return thing(has) if isinstance(thing, ForSchema) else thing

    tried: dict[Merged, list[dict[str, Any]]] = {
        form(node_execution_changes._UPDATE): [
            {
                "node_exec_id": name,
                "status": "RUNNING",
                "allowed": allowed_from(ExecutionStatus.RUNNING),
                "execution_data": None,
                "stats": None,
            }
            for name in (changed, unchanged, "nobody")
        ],
        node_execution_outputs._ADD_OUTPUT: [
            {"node_exec_id": name, "output_name": "o", "output_data": "1"}
            for name in (changed, unchanged)
        ],
        form(node_execution_inputs._FILL_OLDEST_OR_NEW): [
            {
                "graph_exec_id": graph,
                "node_id": node,
                "input_name": name,
                "input_data": "1",
                "received": "1",
            }
            for name in ("a",)
        ],
        key_values._SET: [
            {"user_id": "u", "node_exec_id": "n", "key": key, "data": "2"} for key in ("kept",)
        ],
        form(graph_execution_changes._START): [{"graph_exec_id": graph}, {"graph_exec_id": "none"}],
        form(graph_execution_changes._UPDATE_STATS): [{"graph_exec_id": graph, "stats": "{}"}],
        form(graph_execution_changes._UPDATE_STATUS): [
            {
                "graph_exec_id": name,
                "status": "FAILED",
                "allowed": f"{{{status}}}",
                "stats": None,
            }
            for name, status in ((graph, present), (ended, "INCOMPLETE"))
        ],
    }
    modules = (
        node_execution_changes,
        node_execution_inputs,
        node_execution_outputs,
        key_values,
        graphs,
        graph_executions,
        graph_execution_changes,
    )
    writes = {
        thing
        for module in modules
        for thing in map(form, vars(module).values())
        if isinstance(thing, Merged) and not thing.reads
    }
    assert writes == set(tried), "a merged write that is not tried here"

    def locked() -> set[tuple[str, str]]:
        found = set()
        for table in LOCKABLE:
            columns = '"key"' if table.endswith("KeyValueData") else '"id"'
            every = {row[0] for row in service.rows(f'SELECT {columns} FROM "{table}"')}
            free = service.rows(f'SELECT {columns} FROM "{table}" FOR UPDATE SKIP LOCKED')
            found |= {(table, key) for key in every - {row[0] for row in free}}
        return found

    for merged, calls in tried.items():
        with psycopg.connect(service.url) as connection:
            for call in calls:
                connection.execute(merged.single, call)
            alone = locked()
            connection.rollback()
            connection.execute(merged.batch, {"calls": merged.encode(calls)})
            together = locked()
            connection.rollback()
        assert together == alone
        assert alone, "it locks something"
        assert ("AgentNodeExecution", other) not in together


def test_calls_that_are_stuck_do_not_stop_those_that_come_after(seeded_database_url: str) -> None:
    most = IN_FLIGHT + 1
    with (
        Service(seeded_database_url, pool_size=most + 2, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        names = fresh_executions(service)
        stuck, free = names[:most], names[10:20]
        hold(blocker, stuck)

        async def main() -> list[bytes]:
            waiting = []
            for name in stuck:
                waiting.append(to_running(service, name))
                await asyncio.sleep(0)  # each is sent by itself
                await asyncio.sleep(0)
            answered = await asyncio.wait_for(
                asyncio.gather(*(to_running(service, name) for name in free)), 30
            )
            assert not any(call.done() for call in waiting)
            blocker.rollback()
            return answered + await asyncio.gather(*waiting)

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}
    assert len(replies) == len(stuck) + len(free)


async def start_stuck(service: Service, names: list[str]) -> list[asyncio.Future[bytes]]:
    """Send lone calls of two kinds, one about each of the names."""
    body = json.dumps({"node_exec_id": names[0], "output_name": "o", "output_data": 1}).encode()
    output = asyncio.ensure_future(service.started("upsert_execution_output", body))
    stuck: list[asyncio.Future[bytes]] = [output]
    for name in names[1:]:
        stuck.append(to_running(service, name))
        await asyncio.sleep(0)  # each is sent by itself
        await asyncio.sleep(0)
    assert figures(service)["batches"] == len(stuck) == len(names)
    return stuck


@pytest.mark.parametrize(
    ("quick", "most"), [(PATIENCE, abreast.WRITES), (0.0, IN_FLIGHT)], ids=["quick", "slow"]
)
def test_writes_of_many_kinds_gather_in_fewer_statements(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch, quick: float, most: int
) -> None:
    monkeypatch.setattr(abreast, "QUICK", quick)
    monkeypatch.setattr(abreast, "FEW", 0)
    monkeypatch.setattr(abreast, "BRIEF", PATIENCE)
    monkeypatch.setattr(abreast, "STUCK", PATIENCE)
    with (
        Service(seeded_database_url, pool_size=8, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        names = fresh_executions(service)
        hold(blocker, names[:most])

        async def main() -> list[bytes]:
            stuck = await start_stuck(service, names[:most])
            free = []
            for name in names[10:20]:
                free.append(to_running(service, name))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            blocker.rollback()
            return await asyncio.gather(*stuck[1:], *free, stuck[0])

        replies = service.run(main())
        assert figures(service) == {"calls": most + 10, "batches": most + 1, "isolated": 0}
    assert {json.loads(reply)["status"] for reply in replies[:-1]} == {"RUNNING"}


@pytest.mark.parametrize(
    ("few", "brief", "quick", "stuck_from"),
    [
        (0, abreast.BRIEF, 0.0, PATIENCE),
        (abreast.FEW, PATIENCE, 0.0, PATIENCE),
        (0, PATIENCE, PATIENCE, abreast.STUCK),
    ],
    ids=["slow", "few", "stuck"],
)
def test_no_write_is_held_back_by_slow_ones_or_where_there_are_few(
    seeded_database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    few: int,
    brief: float,
    quick: float,
    stuck_from: float,
) -> None:
    monkeypatch.setattr(merging, "PATIENCE", 10 * PATIENCE)
    monkeypatch.setattr(abreast, "FEW", few)
    monkeypatch.setattr(abreast, "BRIEF", brief)
    monkeypatch.setattr(abreast, "QUICK", quick)
    monkeypatch.setattr(abreast, "STUCK", stuck_from)
    most = abreast.WRITES if quick else IN_FLIGHT
    with (
        Service(seeded_database_url, pool_size=8, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        names = fresh_executions(service)
        hold(blocker, names[:most])

        async def main() -> list[bytes]:
            stuck = await start_stuck(service, names[:most])
            free = asyncio.gather(*(to_running(service, name) for name in names[10:20]))
            answered = await asyncio.wait_for(free, PATIENCE / 2)
            assert not any(call.done() for call in stuck)
            blocker.rollback()
            await asyncio.gather(*stuck)
            return answered

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}


def read(service: Service, name: str) -> asyncio.Future[bytes]:
    body = json.dumps({"node_exec_id": name}).encode()
    return asyncio.ensure_future(service.started("get_node_execution", body))


def test_few_reads_wait_for_others_while_more_are_under_way(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "COMPANY", PATIENCE)
    monkeypatch.setattr(merging, "PATIENCE", PATIENCE)
    monkeypatch.setattr(abreast, "QUICK", PATIENCE)
    with (
        Service(seeded_database_url, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        *early, first, second = fresh_executions(service)[:4]
        blocker.execute('LOCK TABLE platform."AgentNodeExecution" IN ACCESS EXCLUSIVE MODE')

        async def main() -> list[bytes]:
            calls = [read(service, name) for name in early]
            await until_waiting(service)
            (merger,) = service.mergers()
            calls.append(read(service, first))
            while merger.figures.calls < len(calls):
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            assert merger.figures.batches == 1, "it waits"
            calls.append(read(service, second))
            async with asyncio.timeout(PATIENCE):
                while merger.figures.batches < 2:
                    await asyncio.sleep(0.01)
            blocker.rollback()
            replies = await asyncio.gather(*calls)
            assert (merger.figures.sent, merger.figures.batches) == (4, 2)
            return replies

        replies = service.run(main())
    assert [json.loads(reply)["node_exec_id"] for reply in replies] == [*early, first, second]


def put_output(service: Service, name: str) -> asyncio.Future[bytes]:
    body = json.dumps({"node_exec_id": name, "output_name": "o", "output_data": 1}).encode()
    return asyncio.ensure_future(service.started("upsert_execution_output", body))


def assert_one_overtakes_locked_ones(url: str) -> None:
    with (
        Service(url, lock_timeout=0) as service,
        psycopg.connect(url) as blocker,
    ):
        *locked, free = fresh_executions(service)[:4]
        hold(blocker, locked)

        async def main() -> list[bytes]:
            calls = [to_running(service, name) for name in locked]
            await until_waiting(service)
            reply = await asyncio.wait_for(to_running(service, free), PATIENCE)
            assert not any(call.done() for call in calls)
            blocker.rollback()
            return [reply, *await asyncio.gather(*calls)]

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}


def test_nobody_waits_for_others_where_batches_are_slow(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "COMPANY", 10 * PATIENCE)
    monkeypatch.setattr(merging, "PATIENCE", 10 * PATIENCE)
    monkeypatch.setattr(abreast, "QUICK", 0.0)
    assert_one_overtakes_locked_ones(seeded_database_url)


def test_few_calls_wait_for_others_while_more_are_under_way(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "COMPANY", PATIENCE)
    monkeypatch.setattr(merging, "PATIENCE", PATIENCE)
    monkeypatch.setattr(abreast, "QUICK", PATIENCE)
    with (
        Service(seeded_database_url, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        *locked, first, second = fresh_executions(service)[:4]
        hold(blocker, locked)

        async def main() -> list[bytes]:
            calls = [to_running(service, name) for name in locked]
            await until_waiting(service)
            calls.append(to_running(service, first))
            (merger,) = service.mergers()
            while merger.figures.calls < len(calls):
                await asyncio.sleep(0)
            for _ in range(5):
                await asyncio.sleep(0)
            assert merger.figures.sizes[:2] == [0, 1], "it waits"
            calls.append(to_running(service, second))
            await asyncio.wait_for(asyncio.gather(*calls[2:]), PATIENCE)
            assert merger.figures.sizes[1] == 2, "both went with one statement"
            assert not any(call.done() for call in calls[:2])
            blocker.rollback()
            return await asyncio.gather(*calls)

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}


def test_the_first_of_its_kind_is_joined_by_who_comes_in_the_next_turn(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers of several kinds share statements, too, as long as there is something under way."""
    monkeypatch.setattr(gathering, "COMPANY", PATIENCE)
    with (
        Service(seeded_database_url, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        *locked, first, second = fresh_executions(service)[:4]
        hold(blocker, locked)

        async def main() -> list[bytes]:
            calls = [to_running(service, name) for name in locked]
            await until_waiting(service)
            (others,) = service.mergers()
            calls.append(put_output(service, first))
            await asyncio.sleep(0)
            calls.append(put_output(service, second))
            await asyncio.wait_for(asyncio.gather(*calls[2:]), PATIENCE)
            (merger,) = (each for each in service.mergers() if each is not others)
            assert (merger.figures.sent, merger.figures.batches) == (2, 1)
            blocker.rollback()
            return await asyncio.gather(*calls)

        replies = service.run(main())
    assert replies[2:] == [b"null", b"null"]


def test_nobody_waits_long_for_others_to_come(
    seeded_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "PATIENCE", 10 * PATIENCE)
    assert_one_overtakes_locked_ones(seeded_database_url)


def test_no_more_are_slow_at_once_than_may_be(seeded_database_url: str) -> None:
    """The other connections stay for other methods."""
    most = IN_FLIGHT + MOST_SLOW
    with (
        Service(seeded_database_url, pool_size=most + 4, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        names = fresh_executions(service)[: most + 3]
        hold(blocker, names)

        async def main() -> list[bytes]:
            calls = []
            for name in names:
                before = waiting(service)
                calls.append(to_running(service, name))
                if before < most:
                    async with asyncio.timeout(PATIENCE):
                        while waiting(service) == before:
                            await asyncio.sleep(0.01)
            (merger,) = (one for one in service.mergers() if one.merged.key == ("node_exec_id",))
            while merger.figures.calls < len(names):
                await asyncio.sleep(0)
            assert waiting(service) == most
            assert merger._impatient is None, "nothing more is passed over before one has ended"
            blocker.rollback()
            return await asyncio.gather(*calls)

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}


def test_isolated_calls_of_all_batches_together_leave_connections_free(
    seeded_database_url: str,
) -> None:
    """However many rows of however many batches somebody has locked."""
    with (
        Service(seeded_database_url, pool_size=12, lock_timeout=0) as service,
        psycopg.connect(seeded_database_url) as blocker,
    ):
        locked = fresh_executions(service)[: 2 * LARGEST_BATCH]
        hold(blocker, locked)

        async def main() -> list[bytes]:
            calls = [to_running(service, name) for name in locked]
            async with asyncio.timeout(PATIENCE):
                while not service.mergers() or figures(service)["isolated"] < len(locked):
                    await asyncio.sleep(0.01)
                while waiting(service) < ISOLATED_AT_ONCE:
                    await asyncio.sleep(0.01)
            assert waiting(service) == ISOLATED_AT_ONCE
            blocker.rollback()
            return await asyncio.gather(*calls)

        replies = service.run(main())
    assert {json.loads(reply)["status"] for reply in replies} == {"RUNNING"}


def test_a_lone_call_waits_for_a_lock_within_its_bound_and_says_so(
    seeded_database_url: str,
) -> None:
    with Service(seeded_database_url, lock_timeout=0.1) as service:
        name, *_ = fresh_executions(service)
        with psycopg.connect(seeded_database_url) as blocker:
            hold(blocker, [name])
            with pytest.raises(LockedError, match="nothing was written") as raised:
                service.call("update_node_execution_status", node_exec_id=name, status="RUNNING")
        assert (raised.value.status, raised.value.wire_type) == (503, "ConnectionError")
        assert raised.value.retry_after
        found = service.call("update_node_execution_status", node_exec_id=name, status="RUNNING")
        assert found["status"] == "RUNNING"


def test_order_is_kept_where_a_row_is_let_go_late(
    service: Service, executions: list[str], seeded_database_url: str
) -> None:
    """A batch that was isolated keeps a row to itself until the last of its calls has ended."""
    one, other = executions[:2]

    def output(name: str, number: int) -> asyncio.Future[bytes]:
        body = {"node_exec_id": name, "output_name": "o", "output_data": number}
        return asyncio.ensure_future(
            service.started("upsert_execution_output", json.dumps(body).encode())
        )

    with psycopg.connect(seeded_database_url) as blocker:
        hold(blocker, [one])

        async def main() -> None:
            calls = [output(name, number) for number in range(20) for name in (one, other)]
            await asyncio.wait_for(asyncio.gather(*calls[1::2]), 30)
            calls += [output(one, number) for number in range(20, 25)]
            blocker.rollback()
            await asyncio.gather(*calls)

        service.run(main())
    for name, expected in ((one, 25), (other, 20)):
        found = service.call("get_node_execution", node_exec_id=name)["output_data"]["o"]
        assert found == list(range(expected))


def test_what_was_large_last_time_is_not_read_together(service: Service) -> None:
    def keep(key: str, size: int) -> None:
        service.call(
            "set_execution_kv_data", user_id="merge", node_exec_id="n", key=key, data="x" * size
        )

    def read(keys: list[str]) -> int:
        """Read all of them at once, and return in how many statements that was done."""
        before = figures(service)["batches"]
        together = [("get_execution_kv_data", {"user_id": "merge", "key": key}) for key in keys]
        assert [reply[:1] for reply in service.together(together)] == ["x"] * len(keys)
        return int(figures(service)["batches"] - before)

    large = MOST_CHARACTERS // 2 - 1000
    small, great = [f"small-{n}" for n in range(6)], [f"great-{n}" for n in range(6)]
    for key in small:
        keep(key, 10)
    for key in great:
        keep(key, large)
    assert read(great) == 1, "nobody has read them before"
    assert read(great) == 3
    # Of the small ones nothing is known: they count as what others have brought lately.
    assert 1 < read(small) <= 3
    assert read(small) == 1
    assert read([*small, *great]) <= 4
    # What has shrunk since counts as small from its next reply on.
    for key in great:
        keep(key, 10)
    read(great)
    assert read(great) == 1


@pytest.mark.parametrize("keyed", [True, False], ids=["one row", "many rows"])
def test_a_statement_is_bounded_in_characters_as_in_calls(
    service: Service, executions: list[str], keyed: bool
) -> None:
    # Each but the last has a bit more than a third of what one statement may have.
    sizes = [MOST_CHARACTERS * 3 // 8] * 6 + [2 * MOST_CHARACTERS] + [10] * 3
    calls = [
        (
            "upsert_execution_output",
            {
                "node_exec_id": executions[0 if keyed else place],
                "output_name": "n",
                "output_data": f"{place:03}" + "x" * size,
            },
        )
        for place, size in enumerate(sizes)
    ]
    assert service.together(calls) == [None] * len(calls)
    seen = figures(service)
    # Two and two and two, the large one by itself, and the three small ones.
    assert (seen["calls"], seen["batches"], seen["isolated"]) == (10, 5, 0)
    stored = service.rows(
        f"""SELECT left("data" #>> '{{}}', 3), length("data" #>> '{{}}') - 3 FROM {WRITES}
             WHERE "referencedByOutputExecId" = ANY (%(names)s)
             ORDER BY "time", autogpt_db.written_v1("id"), ctid""",
        names=executions,
    )
    assert sorted(stored) == [(f"{place:03}", size) for place, size in enumerate(sizes)]
    if keyed:
        assert [place for place, _ in stored] == sorted(place for place, _ in stored)
