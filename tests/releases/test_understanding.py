"""What the copilot knows of users' businesses: added to by many, shown as it was meant."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ForeignKeyViolationError,
    LimitExceededError,
    ValidationFailedError,
)
from autogpt_db.operations import background
from autogpt_db.settings import LimitsSettings, RedisSettings
from redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

STATES = ("v0.6.50", "v0.6.68", "v0.7.2")
STORED = """SELECT data FROM "CoPilotUnderstanding" WHERE "userId" = %(user)s"""
LISTS = (
    "key_workflows", "daily_activities", "pain_points", "bottlenecks", "manual_tasks",
    "automation_goals", "current_software", "existing_automation",
)  # fmt: skip
TEXTS = (
    "user_name", "job_title", "business_name", "industry", "business_size", "user_role",
    "additional_notes",
)  # fmt: skip


def known(service: Service, user: str = "alice") -> Any:
    return service.call("get_business_understanding", user_id=user)


def learn(service: Service, user: str = "alice", **said: Any) -> Any:
    return service.call("upsert_business_understanding", user_id=user, input_data=said)


def store(service: Service, data: Any, user: str = "alice") -> None:
    service.rows(
        """INSERT INTO "CoPilotUnderstanding" (id, "userId", data)
           VALUES ('u', %(user)s, %(data)s)
               ON CONFLICT ("userId") DO UPDATE SET data = EXCLUDED.data""",
        user=user,
        data=json.dumps(data),
    )


@pytest.fixture(params=STATES)
def service(request: pytest.FixtureRequest, service_in: Serve) -> Service:
    started = service_in(request.param)
    started.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('alice', 'a@b.c', now())""")
    return started


def test_nothing_is_known_until_something_is_said(service: Service) -> None:
    assert known(service) is None
    assert known(service, "nobody") is None
    made = learn(service)
    assert service.statements == 1
    assert made == known(service)
    assert made["created_at"] == made["updated_at"]
    assert {name: made[name] for name in TEXTS} == dict.fromkeys(TEXTS)
    assert {name: made[name] for name in LISTS} == {name: [] for name in LISTS}
    assert made["suggested_prompts"] == {}
    assert service.value(STORED, user="alice") == {"business": {"version": 1}}


def test_texts_and_prompts_replace_and_lists_grow(service: Service) -> None:
    learn(
        service, user_name="Al", job_title="Dev", pain_points=["b", "a", "b"], bottlenecks=[],
        suggested_prompts={"X": ["p"]},
    )  # fmt: skip
    first = known(service)
    assert first["pain_points"] == ["b", "a"]
    service.rows("""UPDATE "CoPilotUnderstanding"
                       SET "updatedAt" = '2026-01-01', "createdAt" = '2026-01-01'""")
    second = learn(
        service, user_name=None, job_title="", pain_points=["c", "a", "c"],
        suggested_prompts={}, daily_activities=["d\0x"],
    )  # fmt: skip
    assert second == known(service)
    assert second["id"] == first["id"]
    assert second["created_at"] < second["updated_at"], "it moves"
    assert (second["user_name"], second["job_title"]) == ("Al", "")
    assert second["pain_points"] == ["b", "a", "c"]
    assert second["daily_activities"] == ["dx"]
    assert second["suggested_prompts"] == {}
    assert service.value(STORED, user="alice") == {
        "name": "Al",
        "business": {
            "version": 1, "job_title": "", "pain_points": ["b", "a", "c"], "bottlenecks": [],
            "daily_activities": ["dx"],
        },
        "suggested_prompts": {},
    }  # fmt: skip


def test_early_shapes_are_read_as_they_were_meant(service: Service) -> None:
    store(service, {
        "name": "Bob",
        "later": 1,
        "business": {
            "job_title": "CTO", "later": [1],
            "key_workflows": {"B": ["b", 1, None], "A": ["a"], "x": 1}, "bottlenecks": "odd",
        },
        "suggested_prompts": ["one", 2, "two"],
    })  # fmt: skip
    found = known(service)
    assert (found["user_name"], found["job_title"]) == ("Bob", "CTO")
    assert found["key_workflows"] == ["a", "b"]
    assert found["bottlenecks"] == []
    assert found["suggested_prompts"] == {"General": ["one", "two"]}
    changed = learn(service, key_workflows=["c", "a"])
    assert changed["key_workflows"] == ["a", "b", "c"]
    stored = service.value(STORED, user="alice")
    assert (stored["later"], stored["business"]["later"]) == (1, [1]), "nobody's to drop"
    assert stored["suggested_prompts"] == ["one", 2, "two"]


@pytest.mark.parametrize("data", ["odd", None, 1, [], {"business": [1]}, {"business": None}])
def test_what_is_no_object_counts_as_nothing(service_in: Serve, data: Any) -> None:
    service = service_in("v0.6.68", seeded=True)
    store(service, data)
    assert known(service)["pain_points"] == []
    assert learn(service, pain_points=["a"])["pain_points"] == ["a"]
    assert known(service)["pain_points"] == ["a"]


@pytest.mark.parametrize(
    ("prompts", "shown"),
    [
        ([], {}),
        ("x", {}),
        (None, {}),
        ({"A": ["a", 1], "B": "b", "C": []}, {"A": ["a"], "C": []}),
    ],
)
def test_odd_prompts_are_left_out(service_in: Serve, prompts: Any, shown: Any) -> None:
    service = service_in("v0.6.68", seeded=True)
    store(service, {"suggested_prompts": prompts})
    assert known(service)["suggested_prompts"] == shown


@pytest.mark.parametrize(
    "data", [{"name": 1}, {"business": {"industry": 5}}, {"business": {"pain_points": ["a", 1]}}]
)
def test_what_does_not_validate_is_refused_and_left_alone(service_in: Serve, data: Any) -> None:
    service = service_in("v0.6.68", seeded=True)
    store(service, data)
    with pytest.raises(ValidationFailedError):
        known(service)
    with pytest.raises(ValidationFailedError):
        learn(service, bottlenecks=["x"])
    assert service.value(STORED, user="alice") == data


def test_an_unknown_user_and_another_shape_are_refused(service: Service) -> None:
    with pytest.raises(ForeignKeyViolationError, match="CoPilotUnderstanding_userId_fkey"):
        learn(service, "nobody", job_title="x")
    for odd in ({"pain_points": "x"}, {"pain_points": [1]}, {"suggested_prompts": ["x"]}):
        with pytest.raises(ArgumentsInvalidError):
            learn(service, **odd)
    learn(service, unknown=1)
    assert service.value(STORED, user="alice") == {"business": {"version": 1}}


def test_of_many_calls_at_once_none_is_lost(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True, pool_size=8)
    calls = [
        ("upsert_business_understanding",
         {"user_id": "alice", "input_data": {"pain_points": [f"p{n}", "all"]}})
        for n in range(24)
    ]  # fmt: skip
    answers = service.together(calls)
    assert all(isinstance(answer, dict) for answer in answers), answers
    found = known(service)["pain_points"]
    assert sorted(found) == sorted(["all", *(f"p{n}" for n in range(24))])


def test_what_cannot_be_read_any_more_does_not_grow(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True, limits=LimitsSettings(result_bytes=65_536))
    store(service, {"business": {"pain_points": ["x" * 65_536]}})
    with pytest.raises(LimitExceededError, match=r"input_data .* \(limits.result_bytes\)"):
        learn(service, pain_points=["y"])


def test_what_autogpt_keeps_of_it_is_forgotten(service_in: Serve) -> None:
    with RedisServer() as redis:
        redis.keys = {"understanding:alice", "understanding:alice2", "understanding:bob"}
        service = service_in(
            "v0.6.68", seeded=True, redis=RedisSettings(host="127.0.0.1", port=redis.port)
        )
        known(service)
        learn(service, job_title="Dev")
        service.run(background.drain())
        assert redis.keys == {"understanding:alice2", "understanding:bob"}
