"""The gate that every run of an expert's passes, and what its owner hears of a budget."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from api_process import ApiProcess
from autogpt_db.backoff import Backoff
from autogpt_db.errors import ExpertRunPausedError, LockedError
from autogpt_db.operations.experts import expert_spending
from autogpt_db.operations.experts.expert_spending import breaker_of, week_of, weekly_spending
from autogpt_db.settings import ExpertsSettings, RedisSettings, Settings
from gateway_figures import GatewayFigures
from redis_server import RedisServer
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from service import Service

    Serve = Callable[..., Service]

POSTS = """
SELECT message.id, message.content, session."expertId"
  FROM "ChatMessage" AS message JOIN "ChatSession" AS session ON session.id = message."sessionId"
 WHERE session."expertId" = %(expert)s AND message.role = 'assistant'
 ORDER BY message.sequence
"""
EVENTS = """
SELECT "expertId", reason, "clearedAt" FROM "ExpertPauseEvent" WHERE "createdAt" > '2026-02-01'
"""
PAUSED = """SELECT "schedulesPausedAt" IS NOT NULL FROM "Expert" WHERE id = %(expert)s"""
SPACE = uuid.UUID("6f9c1f6e-8f4b-4c6e-9be1-a1b2c3d4e5f6")


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture
def budgets(service_in: Serve, redis: RedisServer) -> Service:
    """Return the operations on the recorded rows, with a Redis."""
    return service_in(
        "v0.7.2",
        seeded=True,
        pool_size=8,
        redis=RedisSettings(host="127.0.0.1", port=redis.port),
    )


def spent(server: RedisServer, **credits: int | str) -> None:
    """Have the counters of this week and of the next say so."""
    now = datetime.now(UTC)
    server.values = {
        f"expert-spend:{expert}:{week_of(moment)}": str(said)
        for expert, said in credits.items()
        for moment in (now, now + timedelta(days=7))
    }


def enforce(service: Service, expert: str, user: str = "alice") -> Any:
    return service.call("enforce_expert_run_budget", user_id=user, expert_id=expert)


def refused(service: Service, expert: str, user: str = "alice") -> str:
    """Return why a run may not begin."""
    with pytest.raises(ExpertRunPausedError) as error:
        enforce(service, expert, user)
    message, named = error.value.args
    assert named == expert
    assert error.value.status == 400
    return str(message)


def message_id(kind: str, expert: str) -> str:
    return str(uuid.uuid5(SPACE, f"budget-{kind}:{expert}:{week_of(datetime.now(UTC))}"))


# In which order ----------------------------------------------------------------------------------


def test_what_stops_a_run_comes_before_its_budget(budgets: Service, redis: RedisServer) -> None:
    spent(redis, **dict.fromkeys(("x1", "x2", "x3", "x4", "xt1"), 10**6))
    budgets.rows("""UPDATE "Expert" SET "schedulesPausedAt" = now() WHERE id = 'x2'""")
    for expert, user in (("zz", "alice"), ("x1", "bob"), ("xt1", "alice"), ("x3", "alice")):
        assert refused(budgets, expert, user) == "Expert is unavailable."
    assert refused(budgets, "x2") == "Archie is archived; her schedules do not run."
    assert refused(budgets, "x4") == "Pausa's schedules are paused."
    assert budgets.statements == 1
    assert budgets.rows(EVENTS) == []


def test_in_v071_whoever_is_unknown_stops_nothing(service_in: Serve, redis: RedisServer) -> None:
    service = service_in("v0.7.1", redis=RedisSettings(host="127.0.0.1", port=redis.port))
    service.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())""")
    service.rows("""
        INSERT INTO "Expert" (id, "ownerUserId", name, role, identity, visibility, "isArchived")
        VALUES ('team', 'ann', 'Tea', 'r', 'i', 'TEAM', false),
               ('old', 'ann', 'Old', 'r', 'i', 'PRIVATE', true)""")
    spent(redis, team=500)
    assert enforce(service, "zz", "ann") is None
    assert enforce(service, "team", "ben") is None
    assert refused(service, "old", "ann").startswith("Old is archived")
    assert refused(service, "team", "ann").startswith("Tea hit her weekly credit budget (500/500)")


@pytest.mark.parametrize(
    ("expert", "own", "default", "credits", "passes"),
    [
        ("x1", None, 500, 399, True),
        ("x1", None, 500, 500, False),
        ("x1", None, 0, 10**9, True),
        ("x1", None, -1, 10**9, True),
        ("x1", 0, 500, 10**9, True),
        ("x1", -5, 500, 10**9, True),
        ("x1", 1000, 1, 799, True),
        ("x1", 10, 0, 10, False),
        ("x1", 10, 500, -20, True),
    ],
)
def test_a_budget_of_its_own_goes_before_the_settings(
    service_in: Serve,
    redis: RedisServer,
    expert: str,
    own: int | None,
    default: int,
    credits: int,
    passes: bool,
) -> None:
    service = service_in(
        "v0.7.2",
        seeded=True,
        redis=RedisSettings(host="127.0.0.1", port=redis.port),
        experts=ExpertsSettings(weekly_budget=default),
    )
    service.rows("""UPDATE "Expert" SET "weeklyBudget" = %(own)s WHERE id = 'x1'""", own=own)
    spent(redis, x1=credits)
    before = service.rows(POSTS, expert=expert)
    status, _ = service.answer(
        "enforce_expert_run_budget", {"user_id": "alice", "expert_id": expert}
    )
    assert (status == 200) == passes
    assert (service.rows(POSTS, expert=expert) == before) == passes


# What comes of it --------------------------------------------------------------------------------


def test_a_spent_budget_pauses_once_and_is_told_once(budgets: Service, redis: RedisServer) -> None:
    spent(redis, x5=120)
    assert refused(budgets, "x5") == (
        "Breacha hit her weekly credit budget (120/100); schedules are paused until you resume "
        "them."
    )
    assert budgets.statements == 4
    assert refused(budgets, "x5") == "Breacha's schedules are paused."
    assert budgets.rows(EVENTS) == [("x5", "Weekly credit budget reached (120/100)", None)]
    told = (
        "I've hit my weekly credit budget (120 of 100 credits), so my scheduled runs and triggers "
        "are paused for now. Chat with me anytime — and you can resume my schedules from the Team "
        "page whenever you're ready."
    )
    assert budgets.rows(POSTS, expert="x5") == [(message_id("pause", "x5"), told, "x5")]
    budgets.rows("""UPDATE "Expert" SET "schedulesPausedAt" = NULL WHERE id = 'x5'""")
    assert refused(budgets, "x5").startswith("Breacha hit")
    assert len(budgets.rows(EVENTS)) == 2
    assert len(budgets.rows(POSTS, expert="x5")) == 1, "once in a week"


def test_many_runs_at_once_pause_once(budgets: Service, redis: RedisServer) -> None:
    spent(redis, x5=100)
    call = ("enforce_expert_run_budget", {"user_id": "alice", "expert_id": "x5"})
    answers = budgets.together([call] * 16)
    assert all(isinstance(each, ExpertRunPausedError) for each in answers)
    assert len(budgets.rows(EVENTS)) == 1
    assert len(budgets.rows(POSTS, expert="x5")) == 1


@pytest.mark.parametrize(("credits", "warned"), [(79, False), (80, True), (99, True)])
def test_a_budget_that_is_nearly_spent_is_told_once(
    budgets: Service, redis: RedisServer, credits: int, warned: bool
) -> None:
    spent(redis, x6=credits)
    before = budgets.rows(POSTS, expert="x6")
    assert enforce(budgets, "x6") is None
    assert enforce(budgets, "x6") is None
    told = (
        f"Heads up — I've used {credits} of my 100 weekly credits. If I reach the cap, my "
        "scheduled runs pause until you raise it or resume me from the Team page."
    )
    new = budgets.rows(POSTS, expert="x6")[len(before) :]
    assert new == ([(message_id("warn", "x6"), told, "x6")] if warned else [])
    assert budgets.value(PAUSED, expert="x6") is False


def test_a_message_that_cannot_be_written_stops_nothing(
    budgets: Service, redis: RedisServer
) -> None:
    budgets.rows("""ALTER TABLE "ChatMessage" ADD CHECK (role <> 'assistant') NOT VALID""")
    spent(redis, x5=100, x6=90)
    with structlog.testing.capture_logs() as records:
        assert enforce(budgets, "x6") is None
        assert refused(budgets, "x5").startswith("Breacha hit")
    told = [(each["expert_id"], each["notice"]) for each in records if "notice" in each]
    assert told == [("x6", "warn"), ("x5", "pause")]
    assert budgets.value(PAUSED, expert="x5") is True


BUSY = """
CREATE FUNCTION busy() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'somebody has it' USING ERRCODE = 'lock_not_available';
END $$;
CREATE TRIGGER busy BEFORE INSERT ON "ChatMessage" EXECUTE FUNCTION busy()
"""


def test_a_message_that_can_be_written_later_comes_with_the_pause(
    budgets: Service, redis: RedisServer
) -> None:
    budgets.rows(BUSY)
    spent(redis, x5=100)
    with pytest.raises(LockedError):
        enforce(budgets, "x5")
    assert budgets.value(PAUSED, expert="x5") is False
    assert budgets.rows(EVENTS) == []
    budgets.rows('DROP TRIGGER busy ON "ChatMessage"')
    assert refused(budgets, "x5").startswith("Breacha hit")
    assert budgets.value(PAUSED, expert="x5") is True
    assert len(budgets.rows(POSTS, expert="x5")) == 1


# What Redis says ---------------------------------------------------------------------------------


def test_weeks_are_those_of_iso_in_utc() -> None:
    assert week_of(datetime(2026, 11, 29, 23, 59, tzinfo=UTC)) == "2026-W48"
    assert week_of(datetime(2027, 1, 3, tzinfo=UTC)) == "2026-W53"
    assert week_of(datetime(2027, 1, 4, tzinfo=UTC)) == "2027-W01"
    assert week_of(datetime.fromisoformat("2027-01-04T00:30:00+01:00")) == "2026-W53"


@pytest.mark.parametrize("what", ["unset", "away", "refusing", "silent", "odd"])
def test_what_redis_does_not_say_is_not_spent_and_is_not_waited_for_again(
    service_in: Serve, redis: RedisServer, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr(expert_spending, "PAUSES", Backoff(first=600.0, longest=600.0))
    breaker_of.cache_clear()
    options: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": redis.port,
        "connect_timeout": 0.2,
        "socket_timeout": 0.2,
    }
    spent(redis, x5=100)
    match what:
        case "unset":
            options = {}
        case "away":
            options["port"] = 1
        case "refusing":
            redis.password = "hunter2"
        case "silent":
            redis.gate.clear()
        case "odd":
            spent(redis, x5="a lot")
    service = service_in("v0.7.2", seeded=True, redis=RedisSettings(**options))
    figures = GatewayFigures()
    with structlog.testing.capture_logs() as records:
        for _ in range(2):
            assert enforce(service, "x5") is None
    assert figures.failures("redis") == {"unset": 0, "odd": 0}.get(what, 1)
    breaker_of.cache_clear()
    unread = [each for each in records if each["event"] == "expert_spending_unread"]
    assert len(unread) == {"unset": 0, "odd": 2}.get(what, 1)
    assert service.rows(EVENTS) == []


def test_redis_is_asked_again_after_the_pause(
    service_in: Serve, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expert_spending, "PAUSES", Backoff(first=0.0, longest=0.0))
    breaker_of.cache_clear()
    options = RedisSettings(host="127.0.0.1", port=redis.port, socket_timeout=0.2)
    settings = Settings(redis=options)
    service = service_in("v0.7.2")
    spent(redis, a=1)
    redis.gate.clear()
    assert service.run(weekly_spending(settings, ["a"])) == [0]
    redis.gate.set()
    options = RedisSettings(
        host="127.0.0.1", port=redis.port, connect_timeout=PATIENCE, socket_timeout=PATIENCE
    )
    patient = Settings(redis=options)
    assert service.run(weekly_spending(patient, ["a"])) == [1]
    breaker_of.cache_clear()


def test_many_counters_are_asked_for_at_once(service_in: Serve, redis: RedisServer) -> None:
    spent(redis, a=1, c=3)
    settings = Settings(redis=RedisSettings(host="127.0.0.1", port=redis.port))
    service = service_in("v0.7.2")
    assert service.run(weekly_spending(settings, ["a", "b", "c"])) == [1, 0, 3]
    assert service.run(weekly_spending(settings, [])) == []


# With a key --------------------------------------------------------------------------------------


def test_with_a_key_the_pause_stays_and_the_answer_is_kept(
    release_database: Callable[..., str], redis: RedisServer
) -> None:
    url = release_database("v0.7.2", seeded=True, ours=True)
    environment = {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(redis.port)}
    spent(redis, x5=100)
    body = {"user_id": "alice", "expert_id": "x5"}
    with ApiProcess(url, environment=environment, modules=()) as api:
        answers = [
            api.client.post(
                "/enforce_expert_run_budget", json=body, headers={"Idempotency-Key": "once"}
            )
            for _ in range(2)
        ]
        assert [each.status_code for each in answers] == [400, 400]
        assert answers[0].content == answers[1].content
        assert json.loads(answers[0].content)["args"][0].startswith("Breacha hit")
        found = api.call("get_expert", **body)
        assert found["schedules_paused_at"] is not None, "what failed has written what it should"
        posted = {"user_id": "alice", "expert_id": "x5", "content": "c"}
        again = {**posted, "message_id": message_id("pause", "x5")}
        assert api.call("append_expert_run_message", **again) is None, "the message is there"
