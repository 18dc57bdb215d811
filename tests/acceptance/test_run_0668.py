"""What AutoGPT v0.6.68 calls for runs and schedules, on us alone, while API children are killed.

A run with organization, team, credentials at two nodes, a paid block, a stored file, a human review
and a nested agent; the same as a dry run; and a schedule's run with the scheduler's chores. Each
call has one effect, however often its connection broke.
"""

from __future__ import annotations

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.client import Client, GraphNotInLibraryError, InsufficientBalanceError, Retries
from children_killed import BETWEEN_KILLS, Killer
from daemon_process import NO_WORKER, DaemonProcess
from processes_0668 import (
    AGENT,
    COSTS,
    INPUT,
    MODEL,
    OUTPUT,
    PRICED_AFTERWARDS,
    REVIEWED,
    STORING,
    Processes,
    Tenancy,
)
from releases.building import ENCRYPTION_KEY
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from releases.building import ReleaseDatabases

pytestmark = pytest.mark.timeout(600)

GRAPH, SHOUTING, DAILY = (f"06680000-0000-4000-8000-00000000000{n}" for n in range(3))
CHARGE = COSTS[MODEL] + PRICED_AFTERWARDS[MODEL]
AT_ONCE = 3
"""Runs that are played at the same time."""
ACME = Tenancy("alice", "org-1", "team-1")
RETRIES = Retries(attempts=200, longest_pause=1.0, total=4 * PATIENCE)

RUNS = """
SELECT run."id", run."agentGraphId", run."executionStatus"::text, run."parentGraphExecutionId",
       run."organizationId", run."teamId", (run."stats" ->> 'is_dry_run')::boolean,
       count(node."id"), count(*) FILTER (WHERE node."executionStatus" = 'COMPLETED')
  FROM platform."AgentGraphExecution" AS run
  JOIN platform."AgentNodeExecution" AS node ON node."agentGraphExecutionId" = run."id"
 WHERE run."agentGraphId" LIKE '0668%'
 GROUP BY run."id"
"""
TWICE = """
SELECT output."referencedByOutputExecId", output."name", count(*)
  FROM platform."AgentNodeExecutionInputOutput" AS output
  JOIN platform."AgentNodeExecution" AS node ON node."id" = output."referencedByOutputExecId"
  JOIN platform."AgentGraphExecution" AS run ON run."id" = node."agentGraphExecutionId"
 WHERE run."agentGraphId" LIKE '0668%'
 GROUP BY output."referencedByOutputExecId", output."name"
HAVING count(*) > 1
"""
DRAFTS = """
SELECT "id", "isDeleted" FROM platform."UserWorkspaceFile" WHERE "id" LIKE '%draft-of%'
"""
EXPIRED = """
SELECT count(*)
  FROM platform."PlatformLinkToken"
 WHERE "expiresAt" < (now() AT TIME ZONE 'UTC') - interval '24 hours'
"""
APPROVE = """
UPDATE platform."PendingHumanReview"
   SET "status" = 'APPROVED', "reviewedAt" = now(), "payload" = '{"value": "ducks, approved"}'
 WHERE "graphExecId" = %s AND "status" = 'WAITING'
"""


def exported(graph_id: str, blocks: list[tuple[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return the file of an agent whose nodes follow one another."""
    nodes = [
        {"id": f"{graph_id[:-2]}{graph_id[-1]}{place}", "block_id": block, "input_default": given}
        for place, (block, given) in enumerate(blocks)
    ]
    links = [
        {
            "source_id": one["id"], "source_name": "result",
            "sink_id": other["id"], "sink_name": "value",
        }
        for one, other in itertools.pairwise(nodes)
    ]  # fmt: skip
    return {
        "id": graph_id, "version": 1, "name": graph_id, "description": "", "nodes": nodes,
        "links": links,
    }  # fmt: skip


AGENTS = (
    exported(
        GRAPH,
        [
            (INPUT, {"name": "topic"}),
            (MODEL, {"prompt": "Write about it"}),
            (REVIEWED, {}),
            (STORING, {}),
            (AGENT, {"graph_id": SHOUTING, "graph_version": 1, "user_id": ""}),
            (OUTPUT, {"name": "report"}),
        ],
    )
    | {
        "sub_graphs": [
            exported(SHOUTING, [(INPUT, {"name": "text"}), (OUTPUT, {"name": "shouted"})])
        ]
    },
    exported(DAILY, [(INPUT, {"name": "topic"}), (MODEL, {}), (OUTPUT, {"name": "report"})]),
)


@pytest.fixture(scope="module")
def database_url(releases: ReleaseDatabases) -> Iterator[str]:
    url = releases.fresh("v0.6.68", seeded=True, ours=True)
    yield url
    releases.drop(url)


@pytest.fixture(scope="module")
def rest(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """Yield what AutoGPT's REST server has: a connection of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def daemon(database_url: str) -> Iterator[DaemonProcess]:
    settings = ["credits.enabled=true", f"integrations.encryption_key={ENCRYPTION_KEY}"]
    with DaemonProcess(database_url=database_url, assignments=[*NO_WORKER, *settings]) as running:
        for number, agent in enumerate(AGENTS):
            file = running.directory / f"agent-{number}.json"
            file.write_text(json.dumps(agent), "utf-8")
            done = running.run("import", str(file), "--user", "alice@example.com")
            assert done.returncode == 0, done.stderr
        yield running


@pytest.fixture
def processes(daemon: DaemonProcess) -> Iterator[Processes]:
    with Client(daemon.base, retries=RETRIES) as client:
        yield Processes(client)


@pytest.fixture
def killer(daemon: DaemonProcess) -> Iterator[Killer]:
    with Killer(daemon) as running:
        yield running


@pytest.fixture
def beside_kills(daemon: DaemonProcess, killer: Killer) -> Iterator[Processes]:
    """Yield processes that call while API children are killed."""
    with Client(daemon.base, retries=RETRIES) as client:
        yield Processes(client, before_call=killer.pace)


def value(rest: psycopg.Connection[Any], sql: str, *parameters: Any) -> Any:
    row = rest.execute(sql.encode(), parameters).fetchone()
    return row[0] if row else None


def onboarded(rest: psycopg.Connection[Any]) -> int:
    sql = """SELECT "agentRuns" FROM platform."UserOnboarding" WHERE "userId" = 'alice'"""
    return value(rest, sql) or 0


def test_runs_of_an_organization_go_through_and_each_call_counts_once(
    beside_kills: Processes,
    killer: Killer,
    rest: psycopg.Connection[Any],
    daemon: DaemonProcess,
) -> None:
    processes = beside_kills
    counted, logged = (
        onboarded(rest),
        value(rest, 'SELECT count(*) FROM platform."PlatformCostLog"'),
    )
    failures = """SELECT "failCount" FROM platform."PushSubscription" WHERE "id" = 'ps1'"""
    failed = value(rest, failures)
    entries = """SELECT count(*) FROM platform."OrgCreditTransaction" WHERE "orgId" = 'org-1'"""
    charged = value(rest, entries)

    def play(dry_run: bool) -> str:
        run = processes.start(ACME, GRAPH, 1, {"topic": "ducks"}, dry_run=dry_run)
        ended = processes.execute("alice", run)
        if not dry_run:
            assert ended == "REVIEW"
            with psycopg.connect(rest.info.dsn, autocommit=True) as person:
                assert person.execute(APPROVE, (run,)).rowcount == 1
            assert processes.resume("alice", run) == ACME
            ended = processes.execute("alice", run)
        assert ended == "COMPLETED"
        return run

    with ThreadPoolExecutor(AT_ONCE + 1) as players:
        *runs, dry = players.map(play, [False] * AT_ONCE + [True])
    done = processes.done
    print(f"\n{killer.kills} kills; {done.calls.total()} calls: {dict(sorted(done.calls.items()))}")
    assert killer.kills >= done.calls.total() // BETWEEN_KILLS - 1
    found = {row[0]: row[1:] for row in rest.execute(RUNS).fetchall()}
    own = {run: row for run, row in found.items() if row[0] == GRAPH}
    assert own == {
        run: (GRAPH, "COMPLETED", None, "org-1", "team-1", run == dry, 6, 6) for run in (*runs, dry)
    }
    below = {row[2]: row for row in found.values() if row[0] == SHOUTING}
    assert below == {
        run: (SHOUTING, "COMPLETED", run, "org-1", "team-1", run == dry, 2, 2)
        for run in (*runs, dry)
    }
    assert len([row for row in found.values() if row[0] == SHOUTING]) == AT_ONCE + 1
    assert rest.execute(TWICE).fetchall() == []
    for run in (*runs, dry):
        shown = processes.call("get_graph_execution", user_id="alice", execution_id=run)
        told = "ducks" if run == dry else f"ducks, approved in /reports/{run}.txt"
        assert shown["outputs"] == {"report": [told]}
        assert shown["is_dry_run"] is (run == dry)
    # What it cost: each charge once, in the balance as in the ledger.
    assert done.charged == {"org-1": AT_ONCE * CHARGE}
    assert processes.call("get_org_credits", org_id="org-1") == 500 - AT_ONCE * CHARGE
    assert value(rest, entries) - charged == done.charges["org-1"] == 2 * AT_ONCE
    assert value(rest, 'SELECT count(*) FROM platform."PlatformCostLog"') - logged == AT_ONCE
    assert done.logged == AT_ONCE
    # What was stored: the last draft of each run, and the first one soft-deleted.
    drafts = rest.execute(DRAFTS).fetchall()
    assert dict(drafts) == {file: file.startswith("first") for file in done.files}
    assert len(drafts) == 2 * AT_ONCE
    # What was written over and over: each refresh saw the one before.
    (github,) = (
        one
        for one in processes.call("get_user_credentials", user_id="alice")
        if one["provider"] == "github"
    )
    assert github["access_token"] == "at" + "+" * done.refreshed
    assert done.refreshed == 2 * AT_ONCE + 1, "a review's node runs twice"
    assert onboarded(rest) - counted == done.onboarded
    ended = sum(map(len, done.runs.values()))
    assert value(rest, failures) - failed == ended == 2 * (AT_ONCE + 1) + AT_ONCE
    assert len(daemon.events("serving")) == 1, "main went through all of it"


def test_what_is_too_dear_is_not_run_and_costs_nothing(
    processes: Processes, rest: psycopg.Connection[Any]
) -> None:
    before = processes.call("get_org_credits", org_id="org-1")
    entries = 'SELECT count(*) FROM platform."OrgCreditTransaction"'
    number = value(rest, entries)
    with pytest.raises(InsufficientBalanceError) as refused:
        processes.charge(ACME, before + 1, {"reason": "too dear"})
    assert refused.value.amount == before + 1
    assert processes.call("get_org_credits", org_id="org-1") == before
    assert value(rest, entries) == number


def test_a_schedule_runs_and_the_chores_are_done(
    beside_kills: Processes, killer: Killer, rest: psycopg.Connection[Any]
) -> None:
    processes = beside_kills
    counted = onboarded(rest)
    organization_id, team_id = processes.call("get_user_default_team", user_id="alice")
    assert (organization_id, team_id) == ("org-a", "team-a")
    tenancy = Tenancy("alice", organization_id, team_id)
    balance = processes.call("get_credits", user_id="alice")
    number = 5
    for day in range(number):
        run = processes.start(tenancy, DAILY, 1, {"topic": f"day {day}"})
        processes.count_a_run("alice")  # the scheduler counts what the start has counted
        assert processes.execute("alice", run) == "COMPLETED"
    # A personal organization is billed on its owner's account; its own balance is a dead copy.
    assert processes.done.charged == {"org-a": number * CHARGE}
    assert processes.call("get_credits", user_id="alice") == balance - number * CHARGE
    assert processes.call("get_org_credits", org_id="org-a") == balance - number * CHARGE
    assert (
        value(rest, """SELECT balance FROM platform."OrgBalance" WHERE "orgId" = 'org-a'""") == 77
    )
    assert onboarded(rest) - counted == processes.done.onboarded == 2 * number
    assert killer.kills >= 1
    failed = value(rest, 'SELECT count(*) FROM platform."PushSubscription" WHERE "failCount" >= 5')
    assert failed >= 2
    assert processes.call("cleanup_failed_push_subscriptions") == failed
    assert processes.call("cleanup_failed_push_subscriptions") == 0
    expired = value(rest, EXPIRED)
    assert expired >= 1
    assert processes.call("cleanup_expired_platform_link_tokens") == expired
    assert processes.call("cleanup_expired_platform_link_tokens") == 0
    waiting = processes.call("get_blocks_needing_optimization")
    assert {block["description"] for block in waiting} == {"Agent executor", ""}
    for block in waiting:
        processes.call(
            "update_block_optimized_description",
            block_id=block["id"],
            optimized_description="Short",
        )
    assert processes.call("get_blocks_needing_optimization") == []


def test_a_schedule_of_what_is_gone_is_told_by_its_class(
    processes: Processes, rest: psycopg.Connection[Any]
) -> None:
    """The scheduler removes schedules by the class of the error."""
    gone = processes.call(
        "get_graph", graph_id="gone", version=1, user_id="alice", skip_access_check=True
    )
    assert gone is None
    removed = rest.execute(
        'UPDATE platform."LibraryAgent" SET "isDeleted" = true WHERE "agentGraphId" = %s', (DAILY,)
    )
    assert removed.rowcount == 1
    try:
        with pytest.raises(GraphNotInLibraryError):
            processes.start(Tenancy("alice", "org-a", "team-a"), DAILY, 1, {"topic": "none"})
    finally:
        rest.execute(
            'UPDATE platform."LibraryAgent" SET "isDeleted" = false WHERE "agentGraphId" = %s',
            (DAILY,),
        )
