"""What AutoGPT v0.7.2 calls for runs of experts, while API children are killed: each call once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.client import Client, ExpertRunPausedError, Retries
from autogpt_db.operations.experts.expert_spending import week_of
from children_killed import BETWEEN_KILLS, Killer
from daemon_process import NO_WORKER, DaemonProcess
from redis_server import RedisServer
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.timeout(600)

CALLERS = 4
ROUNDS = 15
RETRIES = Retries(attempts=200, longest_pause=1.0, total=4 * PATIENCE)
SPENT = {"x5": 100, "x6": 85}
"""By experts with a budget of 100 each."""

ORDER = """
SELECT array_agg("sequence" ORDER BY "sequence"), count(*) FILTER (WHERE "id" LIKE 'posted-%%')
  FROM platform."ChatMessage" WHERE "sessionId" = %s
"""
TOLD = """
SELECT count(*)
  FROM platform."ChatMessage" AS message
  JOIN platform."ChatSession" AS session ON session."id" = message."sessionId"
 WHERE session."expertId" = %s AND message."content" LIKE %s
"""
PAUSES = """
SELECT count(*) FROM platform."ExpertPauseEvent"
 WHERE "expertId" = 'x5' AND "clearedAt" IS NULL
"""
BRIEFINGS = """
SELECT count(*), count(DISTINCT "briefingDate") FROM platform."UserBriefing"
 WHERE "userId" = 'alice' AND "briefingDate" >= '2026-02-01'
"""


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        now = datetime.now(UTC)
        server.values = {
            f"expert-spend:{expert}:{week_of(moment)}": str(spent)
            for expert, spent in SPENT.items()
            for moment in (now, now + timedelta(days=7))
        }
        yield server


def test_what_experts_and_schedules_write_is_written_once(
    release_database: Callable[..., str], redis: RedisServer
) -> None:
    url = release_database("v0.7.2", seeded=True, ours=True)
    settings = ["redis.host=127.0.0.1", f"redis.port={redis.port}"]
    into: set[Any] = set()
    stopped: list[str] = []

    with (
        DaemonProcess(database_url=url, assignments=[*NO_WORKER, *settings]) as daemon,
        Client(daemon.base, retries=RETRIES) as client,
        psycopg.connect(url, autocommit=True) as database,
    ):

        def call(method: str, **arguments: Any) -> Any:
            killer.pace()
            return client.call(method, user_id="alice", **arguments)

        def write(caller: int) -> None:
            for number in range(ROUNDS):
                message = {"message_id": f"posted-{caller}-{number}", "content": "Done."}
                into.add(call("append_expert_run_message", expert_id="x1", **message))
                # A lost answer's repeat, and anybody else's, find it written.
                assert call("append_expert_run_message", expert_id="x1", **message) is None
                call("enforce_expert_run_budget", expert_id="x6")
                try:
                    call("enforce_expert_run_budget", expert_id="x5")
                except ExpertRunPausedError as error:
                    stopped.append(error.expert_id)
                day = f"2026-02-{number + 1:02}"
                call("create_briefing", briefing_date=day, content={"from": caller})

        before, _ = database.execute(ORDER, ("csx2",)).fetchone() or ([], 0)
        with Killer(daemon) as killer, ThreadPoolExecutor(CALLERS) as callers:
            list(callers.map(write, range(CALLERS)))

        assert killer.kills >= 5 * CALLERS * ROUNDS // BETWEEN_KILLS - 1
        assert into <= {"csx2", None}
        order, posted = database.execute(ORDER, ("csx2",)).fetchone() or ([], 0)
        assert posted == CALLERS * ROUNDS
        assert order == [*before, *range(before[-1] + 1, before[-1] + 1 + posted)]
        assert stopped == ["x5"] * CALLERS * ROUNDS
        assert database.execute(PAUSES).fetchone() == (1,)
        assert database.execute(TOLD, ("x5", "I've hit%")).fetchone() == (1,)
        assert database.execute(TOLD, ("x6", "Heads up%")).fetchone() == (1,)
        assert database.execute(BRIEFINGS).fetchone() == (ROUNDS, ROUNDS)
        assert len(daemon.events("serving")) == 1, "main went through all of it"
