"""Notification batches: one for each user and type, no event lost whoever empties it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.errors import CallError, ForeignKeyViolationError
from examples import check, examples_of

if TYPE_CHECKING:
    from service import Service

EXAMPLES = examples_of(
    "get_all_batches_by_type",
    "get_user_notification_batch",
    "get_user_notification_oldest_message_in_batch",
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def event(data: Any = None, **options: Any) -> dict[str, Any]:
    return {
        "type": "AGENT_RUN",
        "user_id": "alice",
        "created_at": "2026-01-02T00:00:00Z",
        "id": None,
        "data": {} if data is None else data,
    } | options


def add(service: Service, data: Any = None, type_: str = "AGENT_RUN", user: str = "alice") -> Any:
    return service.call(
        "create_or_add_to_user_notification_batch",
        user_id=user,
        notification_type=type_,
        notification_data=event(data),
    )


def age(service: Service) -> None:
    service.rows(
        """UPDATE "NotificationEvent" SET "createdAt" = "createdAt" - interval '1 hour';"""
        """UPDATE "UserNotificationBatch" SET "updatedAt" = '2026-01-01 00:00:00.5'"""
    )


def ids(batch: Any) -> list[str]:
    return [each["id"] for each in batch["notifications"]]


def counts(service: Service) -> tuple[int, int]:
    return (
        service.value('SELECT count(*) FROM "UserNotificationBatch"'),
        service.value('SELECT count(*) FROM "NotificationEvent"'),
    )


@AS_OF_V0_6_48
def test_the_first_event_makes_the_batch_and_the_second_joins_it(service: Service) -> None:
    first = add(service, {"a": "x\x00y", "extra": [1], "_sa": 1}, "LOW_BALANCE")
    assert service.statements == 1
    assert set(first) == {"user_id", "type", "notifications", "created_at", "updated_at"}
    (notification,) = first["notifications"]
    assert set(notification) == {"id", "type", "data", "created_at", "updated_at"}
    # The event's type is the argument, whatever the event itself says.
    assert (notification["type"], notification["data"]) == (
        "LOW_BALANCE", {"a": "xy", "extra": [1]},
    )  # fmt: skip
    age(service)
    second = add(service, {"b": 2}, "LOW_BALANCE")
    assert [each["data"] for each in second["notifications"]] == [notification["data"], {"b": 2}]
    assert second["created_at"] == first["created_at"]
    assert second["updated_at"] == "2026-01-01T00:00:00.500000Z"  # not touched
    assert counts(service) == (1, 2)
    batch = service.call(
        "get_user_notification_batch", user_id="alice", notification_type="LOW_BALANCE"
    )
    assert batch == second
    assert service.call("get_all_batches_by_type", notification_type="LOW_BALANCE") == [second]
    assert service.call("get_all_batches_by_type", notification_type="AGENT_RUN") == []


def test_an_unknown_user_is_refused_and_nothing_stays(service: Service) -> None:
    with pytest.raises(ForeignKeyViolationError, match="UserNotificationBatch_userId_fkey"):
        add(service, user="nobody")
    assert counts(service) == (0, 0)


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"type": "agent_Run"}, 200),
        ({"type": "NOPE"}, 422),
        ({"data": None}, 422),
        ({"data": []}, 422),
        ({"created_at": "yesterday"}, 422),
        ({"created_at": 1767312000}, 200),
        ({"user_id": None}, 422),
        ({"id": 5}, 422),
        ({"unknown": 1}, 200),
    ],
)
def test_the_event_must_be_one(service: Service, changed: dict[str, Any], status: int) -> None:
    given = event({"k": 1}) | changed
    request = {"user_id": "alice", "notification_type": "AGENT_RUN", "notification_data": given}
    assert service.answer("create_or_add_to_user_notification_batch", request)[0] == status
    del given["data"]
    assert service.answer("create_or_add_to_user_notification_batch", request)[0] == 422


def test_numbers_that_json_lacks_are_refused(service: Service) -> None:
    body = json.dumps(
        {"user_id": "alice", "notification_type": "AGENT_RUN", "notification_data": event([1])}
    ).replace("[1]", '{"x": NaN}')
    with pytest.raises(CallError, match="NaN") as caught:
        service.send("create_or_add_to_user_notification_batch", body.encode())
    assert caught.value.status == 400
    assert counts(service) == (0, 0)


@AS_OF_V0_6_48
def test_the_oldest_event_is_found(service: Service) -> None:
    first = add(service, {"n": 1})
    age(service)
    add(service, {"n": 2})
    oldest = service.call(
        "get_user_notification_oldest_message_in_batch",
        user_id="alice",
        notification_type="AGENT_RUN",
    )
    assert oldest["id"] == ids(first)[0]
    assert oldest["data"] == {"n": 1}


def test_a_batch_without_events_is_found_by_its_user_only(service: Service) -> None:
    add(service)
    service.rows('DELETE FROM "NotificationEvent"')
    request = {"user_id": "alice", "notification_type": "AGENT_RUN"}
    assert service.call("get_user_notification_batch", **request)["notifications"] == []
    assert service.call("get_user_notification_oldest_message_in_batch", **request) is None
    assert service.call("get_all_batches_by_type", notification_type="AGENT_RUN") == []


def test_emptying_takes_the_batch_and_its_events_and_no_other(service: Service) -> None:
    for user, type_ in (("alice", "AGENT_RUN"), ("alice", "LOW_BALANCE"), ("bob", "AGENT_RUN")):
        add(service, type_=type_, user=user)
        add(service, type_=type_, user=user)
    request = {"user_id": "alice", "notification_type": "AGENT_RUN"}
    for _ in range(2):
        assert service.call("empty_user_notification_batch", **request) is None
        assert counts(service) == (2, 4)
    assert service.statements == 1
    assert service.call("get_user_notification_batch", **request) is None


def test_clearing_takes_all_of_a_users_batches(service: Service) -> None:
    for user, type_ in (("alice", "AGENT_RUN"), ("alice", "LOW_BALANCE"), ("bob", "AGENT_RUN")):
        add(service, type_=type_, user=user)
    for _ in range(2):
        assert service.call("clear_all_user_notification_batches", user_id="alice") is None
        assert counts(service) == (1, 1)


def remove(service: Service, ids: list[str], user: str = "alice", type_: str = "AGENT_RUN") -> None:
    reply = service.call(
        "remove_notifications_from_batch",
        user_id=user,
        notification_type=type_,
        notification_ids=ids,
    )
    assert reply is None


@AS_OF_V0_6_48
def test_removing_takes_the_named_events_of_that_batch(service: Service) -> None:
    add(service)
    first, second = ids(add(service))
    (other,) = ids(add(service, user="bob"))
    # The batch's type decides, not the event's own.
    service.rows("""UPDATE "NotificationEvent" SET type = 'ZERO_BALANCE'""")
    remove(service, [])
    assert service.statements == 0
    remove(service, [other, "unknown"])
    remove(service, [first], type_="ZERO_BALANCE")
    assert counts(service) == (2, 3)
    remove(service, [first, first])
    assert service.statements == 2
    assert counts(service) == (2, 2)
    remove(service, [second])
    assert counts(service) == (1, 1)
    remove(service, [second])


def test_removing_what_is_gone_removes_an_empty_batch_all_the_same(service: Service) -> None:
    add(service)
    service.rows('DELETE FROM "NotificationEvent"')
    remove(service, ["unknown"])
    assert counts(service) == (0, 0)


@pytest.mark.parametrize("round_", range(3))
def test_no_event_gets_lost_between_adding_and_emptying(service: Service, round_: int) -> None:
    request: dict[str, Any] = {"user_id": "alice", "notification_type": "AGENT_RUN"}
    adding = (
        "create_or_add_to_user_notification_batch",
        request | {"notification_data": event({"round": round_})},
    )
    emptying = [
        ("empty_user_notification_batch", request),
        ("remove_notifications_from_batch", request | {"notification_ids": ["unknown"]}),
        ("clear_all_user_notification_batches", {"user_id": "alice"}),
    ][round_]
    replies = service.together([adding, emptying] * 32)
    assert not [reply for reply in replies if isinstance(reply, Exception)]
    orphans = 'SELECT count(*) FROM "NotificationEvent" WHERE "userNotificationBatchId" IS NULL'
    assert service.value(orphans) == 0


def test_first_events_at_once_share_one_batch(service: Service) -> None:
    adding = (
        "create_or_add_to_user_notification_batch",
        {"user_id": "alice", "notification_type": "AGENT_RUN", "notification_data": event()},
    )
    service.together([adding] * 32)
    assert counts(service) == (1, 32)
