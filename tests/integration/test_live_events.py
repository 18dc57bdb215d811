"""Live events: what writes record, in which order it is told, and for how long it is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import catalogue_of
from autogpt_db.errors import InvalidValueError
from autogpt_db.live_events.reading import MOST, Page, Position, Selection, parameters
from autogpt_db.live_events.statements import READ
from autogpt_db.live_events.trimming import trim
from autogpt_db.operations.executions.stuck_executions import end_stuck, find_stuck
from autogpt_db.settings import CreditsSettings, EventsSettings, WatchSettings
from releases.building import LATEST, TABLES
from service import OPERATIONS, Service
from statements_of import refusal, statements_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RECORDED = """
SELECT COALESCE(event.user_id, run."userId"), COALESCE(event.graph_id, run."agentGraphId"),
       event.graph_execution_id, event.node_id, COALESCE(event.status, event.balance::text)
  FROM autogpt_db.live_event AS event
  LEFT JOIN "AgentGraphExecution" AS run ON run."id" = event.graph_execution_id
 ORDER BY event.transaction_id, event.number
"""
ON = EventsSettings(enabled=True)
EVER = WatchSettings(look_back_days=3650)


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    accounts = CreditsSettings(enabled=True, refill=1000, monthly_refill="on")
    with Service(
        seeded_database_url, copy_of=seeded_template, credits=accounts, events=ON, watch=EVER
    ) as running:
        yield running


def recorded(service: Service) -> list[tuple[Any, ...]]:
    """Return what has been recorded since this was asked last."""
    found = service.rows(RECORDED)
    service.rows("DELETE FROM autogpt_db.live_event")
    return found


def make_run(service: Service) -> tuple[str, list[str]]:
    made = service.call(
        "create_graph_execution",
        graph_id="g1",
        graph_version=2,
        user_id="alice",
        inputs={},
        starting_nodes_input=[["n-in", {"name": "a"}], ["n-std", {"data": 1}]],
    )
    return made["id"], [node["node_exec_id"] for node in made["node_executions"]]


def test_every_change_of_an_execution_is_recorded_once(service: Service) -> None:
    run, nodes = make_run(service)

    def graph(status: str) -> tuple[Any, ...]:
        return "alice", "g1", run, None, status

    def node(name: str, status: str) -> tuple[Any, ...]:
        return "alice", "g1", run, name, status

    queued = [node("n-in", "QUEUED"), node("n-std", "QUEUED")]
    assert recorded(service) == [graph("INCOMPLETE"), *queued], "the run's own first"

    service.call("update_graph_execution_start_time", graph_exec_id=run)
    assert recorded(service) == [graph("RUNNING")]
    service.call("update_graph_execution_stats", graph_exec_id=run, stats={"cost": 1})
    assert recorded(service) == [], "no status has changed"
    service.call("update_graph_execution_stats", graph_exec_id=run, status="QUEUED")
    assert recorded(service) == [], "a transition that is refused"

    # Alone, and then as one statement for several calls.
    service.call("update_node_execution_status", node_exec_id=nodes[0], status="RUNNING")
    assert recorded(service) == [node("n-in", "RUNNING")]
    service.call("update_node_execution_status", node_exec_id=nodes[0], status="RUNNING")
    assert recorded(service) == []
    more = [make_run(service)[1][0] for _ in range(8)]
    recorded(service)
    service.together(
        [("update_node_execution_status", {"node_exec_id": one, "status": "RUNNING"})
         for one in more]
    )  # fmt: skip
    assert [line[3:] for line in recorded(service)] == [("n-in", "RUNNING")] * 8
    given = {"node_exec_ids": [*more, nodes[0], "unknown"], "status": "COMPLETED"}
    assert service.call("update_node_execution_status_batch", **given) == 9
    assert len(recorded(service)) == 9
    assert service.call("update_node_execution_status_batch", **given) == 0
    assert recorded(service) == []

    added = {"node_id": "n-out", "graph_exec_id": run, "input_data": 1}
    for name in ("a", "b"):
        service.call("upsert_execution_input", input_name=name, **added)
    assert recorded(service) == [node("n-out", "INCOMPLETE")], "the second goes to the first's"

    service.call("update_node_execution_status", node_exec_id=nodes[1], status="RUNNING")
    recorded(service)
    service.call("update_graph_execution_stats", graph_exec_id=run, status="FAILED")
    cascaded = [node("n-std", "FAILED")] if service.capabilities.chat_status else []
    assert recorded(service) == [graph("FAILED"), *cascaded]


def test_what_ends_stuck_executions_records_it(service: Service) -> None:
    service.rows("""UPDATE "AgentNodeExecution"
                       SET "executionStatus" = 'RUNNING', "startedTime" = '2026-01-01'
                     WHERE "id" IN ('x1', 'b1')""")
    call = service.pool.call("stuck", reads=False)
    for stuck in service.run(find_stuck(call)):
        service.run(end_stuck(call, stuck))
    assert sorted(recorded(service), key=str) == [
        ("alice", "g1", "e1", "n-in", "TERMINATED"),
        ("alice", "g1", "e3", None, "FAILED"),
        ("bob", "g3", "e4", "n-g3", "FAILED"),
        ("bob", "g3", "e4", None, "FAILED"),
    ]


def test_what_is_undone_is_not_told(service: Service) -> None:
    with pytest.raises(Exception, match="Foreign key"):
        service.call(
            "create_graph_execution",
            graph_id="g1",
            graph_version=2,
            user_id="alice",
            inputs={},
            starting_nodes_input=[["n-none", {}]],
        )
    assert recorded(service) == []


def test_every_change_of_a_users_balance_is_recorded(service: Service) -> None:
    assert service.call("get_credits", user_id="alice") == 1000
    assert recorded(service) == [("alice", None, None, None, "1000")]
    assert service.call("get_credits", user_id="alice") == 1000
    assert recorded(service) == []
    service.call("spend_credits", user_id="alice", cost=30, metadata={})
    assert recorded(service) == [("alice", None, None, None, "970")]
    with pytest.raises(Exception, match="balance"):
        service.call("spend_credits", user_id="alice", cost=5000, metadata={})
    assert recorded(service) == []
    service.rows("""UPDATE "UserBalance" SET "updatedAt" = now() - interval '40 days',
                           "balance" = 4000 WHERE "userId" = 'alice'""")
    assert service.call("get_credits", user_id="alice") == 4000
    assert recorded(service) == [], "filled up with nothing"


def test_where_it_is_off_nothing_is_recorded(seeded_database_url: str) -> None:
    with Service(seeded_database_url, credits=CreditsSettings(enabled=True)) as plain:
        run, nodes = make_run(plain)
        plain.call("update_graph_execution_start_time", graph_exec_id=run)
        plain.call("update_node_execution_status", node_exec_id=nodes[0], status="RUNNING")
        assert recorded(plain) == []


@pytest.mark.parametrize("state", [TABLES, LATEST])
def test_postgresql_takes_every_statement_that_records(
    state: str, release_database: Callable[..., str]
) -> None:
    recording = replace(Capabilities.of(catalogue_of(state)), live_events=True)
    served = [
        one
        for one in OPERATIONS.values()
        if not one.needs(Capabilities.of(catalogue_of(state))).lacks(catalogue_of(state))
    ]
    statements = [
        text for text in statements_of(served, recording) if "autogpt_db.live_event" in text
    ]
    assert len(statements) >= 9
    with psycopg.connect(release_database(state, ours=True), autocommit=True) as connection:
        connection.execute("SET search_path TO platform, public, extensions")
        refused = {text: why for text in statements if (why := refusal(connection, text))}
    assert refused == {}


# Trimming -------------------------------------------------------------------------------------


def kept(service: Service) -> list[int]:
    found = service.rows("SELECT number FROM autogpt_db.live_event ORDER BY number")
    return [number for (number,) in found]


def trimmed(service: Service, **settings: Any) -> int:
    given = EventsSettings(enabled=True, **settings)
    return int(service.run(trim(service.pool.call("trim", reads=False), given)))


def add(service: Service, number: int, age: str = "0") -> None:
    service.rows(
        """INSERT INTO autogpt_db.live_event (at, user_id, balance)
           SELECT now() - %(age)s::interval, 'alice', n
             FROM generate_series(1, %(number)s::integer) AS n""",
        number=number,
        age=age,
    )


def test_what_is_old_or_too_much_is_deleted_and_noted(service: Service) -> None:
    add(service, 20, "2 hours")
    add(service, 1500)
    assert trimmed(service) == 20, "older than an hour"
    assert kept(service) == list(range(21, 1521))
    assert trimmed(service, keep_most=1000) == 500
    assert kept(service) == list(range(521, 1521))
    noted = service.value("SELECT number FROM autogpt_db.live_event_trim")
    assert noted == 520
    assert trimmed(service, keep_most=1000) == 0
    assert service.value("SELECT number FROM autogpt_db.live_event_trim") == 520


def test_what_nobody_could_read_yet_is_not_deleted(service: Service) -> None:
    with psycopg.connect(service.url) as held, held.transaction():
        held.execute("SELECT pg_current_xact_id()")
        add(service, 5, "2 hours")
        assert trimmed(service) == 0
    assert trimmed(service) == 5


def test_of_several_at_once_one_does_it(service: Service) -> None:
    add(service, 5, "2 hours")
    with psycopg.connect(service.url) as other, other.transaction():
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('trim of live events', 6))")
        assert trimmed(service) == 0, "and nobody waits"
    assert trimmed(service) == 5


def test_events_of_another_server_are_forgotten(service: Service) -> None:
    add(service, 3)
    service.rows("""INSERT INTO autogpt_db.live_event (transaction_id, user_id, balance)
                    VALUES ('9000000000', 'alice', 1)""")
    service.rows("""INSERT INTO autogpt_db.live_event_trim (transaction_id, number)
                    VALUES ('8000000000', 1)""")
    assert trimmed(service) == 1
    assert kept(service) == [1, 2, 3]
    assert service.value("SELECT count(*) FROM autogpt_db.live_event_trim") == 0


# Reading --------------------------------------------------------------------------------------


def page(service: Service, after: Position | None = None, **wanted: str) -> Page:
    given = parameters(Selection(**wanted), after)
    call = service.pool.call("read", reads=True)
    return Page.of(service.run(call.rows(READ, given)), MOST)


def now(service: Service) -> Position:
    return page(service).end


def statuses(found: Page) -> list[str]:
    return [json.loads(event.document).get("status", "balance") for event in found.events]


def test_a_transaction_that_commits_late_is_never_passed_over(service: Service) -> None:
    run, nodes = make_run(service)
    begun = now(service)
    with psycopg.connect(service.url) as held:
        held.execute("SELECT pg_current_xact_id()")  # it has its number, and no change yet
        service.call("update_graph_execution_start_time", graph_exec_id=run)
        early = page(service, begun)
        assert early.events == []
        assert early.waits
        held.execute(
            "INSERT INTO autogpt_db.live_event (user_id, graph_execution_id, status)"
            " VALUES ('bob', 'late', 'QUEUED')"
        )
        service.call("update_node_execution_status", node_exec_id=nodes[0], status="RUNNING")
        # A reader that would go by numbers alone had these two by now, and lost the third.
        assert page(service, early.end).events == []
        held.commit()
    found = page(service, early.end)
    assert [event.graph_execution_id for event in found.events] == ["late", run, run]
    assert not found.waits
    assert page(service, found.end).events == []
    assert page(service, found.position(found.events[0])).events == found.events[1:]


def test_readers_choose_by_user_graph_and_run(service: Service) -> None:
    begun = now(service)
    first, _ = make_run(service)
    second, nodes = make_run(service)
    service.call("update_node_execution_status", node_exec_id=nodes[0], status="RUNNING")
    service.call("update_graph_execution_stats", graph_exec_id="e4", status="COMPLETED")
    service.call("get_credits", user_id="bob")
    assert len(page(service, begun).events) == 9
    assert statuses(page(service, begun, user_id="bob")) == ["COMPLETED", "balance"]
    assert {one.graph_execution_id for one in page(service, begun, graph_id="g1").events} == {
        first,
        second,
    }
    assert statuses(page(service, begun, graph_execution_id=second)) == [
        *["INCOMPLETE", "QUEUED", "QUEUED"],
        "RUNNING",
    ]
    assert statuses(page(service, begun, graph_execution_id=second, user_id="bob")) == []
    (told,) = page(service, begun, graph_id="g3").events
    assert told.kind == "graph_execution"
    assert json.loads(told.document).keys() == {
        *("at", "user_id", "graph_id", "graph_execution_id", "status")
    }


def test_an_event_of_a_run_that_was_deleted_is_still_told(service: Service) -> None:
    begun = now(service)
    run, nodes = make_run(service)
    service.rows('DELETE FROM "AgentGraphExecution" WHERE id = %(run)s', run=run)
    found = page(service, begun, graph_execution_id=run).events
    assert [event.user_id for event in found] == ["alice", None, None]
    assert json.loads(found[1].document)["node_execution_id"] == nodes[0]


def test_pages_follow_one_another(service: Service) -> None:
    begun = now(service)
    add(service, MOST + 7)
    first = page(service, begun)
    assert (len(first.events), first.is_last) == (MOST, False)
    second = page(service, first.end)
    assert (len(second.events), second.is_last) == (7, True)


def test_who_comes_back_too_late_is_told(service: Service) -> None:
    begun = now(service)
    add(service, 5, "2 hours")
    half = page(service, begun).position(page(service, begun).events[2])
    add(service, 1)
    last = page(service, begun).position(page(service, begun).events[4])
    assert page(service, begun).lacks_before(begun) is None
    trimmed(service)
    found = page(service, half)
    assert "does not reach back" in (found.lacks_before(half) or "")
    assert len(found.events) == 1
    assert found.lacks_before(last) is None, "it has seen all that was deleted"
    elsewhere = last._replace(history="00000000")
    assert "another" in (found.lacks_before(elsewhere) or "")


@pytest.mark.parametrize(
    "text", ["", "1", "0f3a9c21-75310", "0f3a9c21-75310-x", "0F3A9C21-1-1", f"0f3a9c21-{2**63}-1",
             "0f3a9c21-1-1\n", "0f3a9c21-\u0661-1"],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidValueError, match="Last-Event-ID"):
        Position.of(text, "Last-Event-ID")


def test_an_id_is_read_as_it_was_written(service: Service) -> None:
    place = now(service)
    assert Position.of(str(place), "id") == place


def test_readers_need_no_rights_but_to_the_tables(service: Service) -> None:
    service.rows("CREATE ROLE reader_of_events")
    service.rows("GRANT USAGE ON SCHEMA autogpt_db TO reader_of_events")
    service.rows("GRANT SELECT ON ALL TABLES IN SCHEMA autogpt_db TO reader_of_events")
    service.rows("GRANT USAGE ON SCHEMA platform TO reader_of_events")
    service.rows('GRANT SELECT ON platform."AgentGraphExecution" TO reader_of_events')
    begun = now(service)
    service.call("get_credits", user_id="bob")
    with psycopg.connect(service.url, row_factory=psycopg.rows.tuple_row) as connection:
        connection.execute("SET ROLE reader_of_events")
        given = parameters(Selection(), begun)
        assert len(Page.of(connection.execute(READ, given).fetchall(), MOST).events) == 1
    service.rows("DROP OWNED BY reader_of_events")
    service.rows("DROP ROLE reader_of_events")
