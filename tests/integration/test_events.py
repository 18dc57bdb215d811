"""Events reach AutoGPT's bus where there is one, and hold nobody up where there is none."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from ages import OLD
from autogpt_db.operations import background
from autogpt_db.settings import CreditsSettings, RedisSettings, Secret
from gateway_figures import GatewayFigures
from redis_server import RedisServer
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "insufficient_funds_discord_notified"


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    with RedisServer(password="hunter2") as server:
        yield server


def service_with(url: str, port: int, **options: Any) -> Service:
    bus = RedisSettings(host="127.0.0.1", port=port, password=Secret("hunter2"), **options)
    return Service(url, redis=bus, credits=CreditsSettings(enabled=True))


def run(service: Service) -> None:
    service.call("increment_onboarding_runs", user_id="alice")
    service.run(background.drain())


def message(event: str, step: str | None) -> Any:
    content = {"type": "onboarding", "event": event, "step": step}
    return {"payload": {"user_id": "alice", "payload": content}}


def test_runs_and_milestones_are_published(seeded_database_url: str, redis: RedisServer) -> None:
    with service_with(seeded_database_url, redis.port) as service:
        run(service)
        service.rows('UPDATE "UserOnboarding" SET "agentRuns" = 99')
        run(service)
    channels, messages = zip(*redis.published, strict=True)
    assert set(channels) == {"notification_event/alice"}
    assert json.loads(messages[0]) == message("increment_runs", None)
    steps = ["RUN_AGENTS", "RUN_AGENTS_100"] if OLD else ["RUN_AGENTS_100"]
    assert sorted(json.loads(each)["payload"]["payload"]["step"] for each in messages[1:]) == steps
    assert json.loads(messages[1])["payload"]["payload"]["event"] == "step_completed"


def test_the_channel_has_a_name_of_its_own(seeded_database_url: str, redis: RedisServer) -> None:
    with service_with(seeded_database_url, redis.port, notification_channel="bus") as service:
        run(service)
    assert redis.published[0][0] == "bus/alice"


def test_new_credits_forget_that_there_were_none(
    seeded_database_url: str, redis: RedisServer
) -> None:
    redis.keys = {f"{KEY}:alice:1", f"{KEY}:alice:2", f"{KEY}:bob:1", "other:alice:1"}
    with service_with(seeded_database_url, redis.port) as service:
        assert service.call("get_credits", user_id="alice") == 1500
        service.run(background.drain())
        assert redis.keys == {f"{KEY}:bob:1", "other:alice:1"}
        redis.keys.add(f"{KEY}:alice:3")
        service.call("get_credits", user_id="alice")
        service.rows("""UPDATE "UserBalance" SET "updatedAt" = '2026-01-01'""")
        service.rows('UPDATE "CreditTransaction" SET "transactionKey" = gen_random_uuid()')
        service.call("get_credits", user_id="alice")  # filled up by nothing
        service.run(background.drain())
        assert f"{KEY}:alice:3" in redis.keys
        service.call("increment_onboarding_runs", user_id="alice")
        milestone = 10 if OLD else 100
        service.rows(f'UPDATE "UserOnboarding" SET "agentRuns" = {milestone - 1}')
        run(service)
        assert f"{KEY}:alice:3" not in redis.keys


def test_a_lost_connection_is_made_again(seeded_database_url: str, redis: RedisServer) -> None:
    with service_with(seeded_database_url, redis.port) as service:
        redis.dropping = 1
        run(service)
        assert len(redis.published) == 1
        redis.dropping = 1
        run(service)
    assert len(redis.published) == 2


def test_a_redis_that_is_away_holds_nobody_up(seeded_database_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        figures = GatewayFigures()
        with (
            service_with(seeded_database_url, taken.getsockname()[1]) as service,
            structlog.testing.capture_logs() as logs,
        ):
            service.call("increment_onboarding_runs", user_id="alice")
            assert background._under_way  # answered before Redis was
            service.run(background.drain())
    (record,) = (each for each in logs if each["event"] == "event_not_published")
    assert (record["log_level"], record["what"]) == ("warning", "notification")
    assert figures.failures("redis") == 1
    assert "hunter2" not in str(logs)


def test_a_wrong_password_is_a_warning(seeded_database_url: str, redis: RedisServer) -> None:
    redis.password = "other"
    with (
        service_with(seeded_database_url, redis.port) as service,
        structlog.testing.capture_logs() as logs,
    ):
        run(service)
    assert [record["event"] for record in logs] == ["event_not_published"]


def test_without_a_redis_nothing_is_started(seeded_database_url: str) -> None:
    with Service(seeded_database_url) as service, structlog.testing.capture_logs() as logs:
        service.call("increment_onboarding_runs", user_id="alice")
        assert not background._under_way
    assert logs == []
