"""What users want to be told, and who of them is active."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import InvalidValueError
from examples import check, examples_of

if TYPE_CHECKING:
    from service import Service

EXAMPLES = examples_of(
    "get_active_user_ids_in_timerange",
    "get_user_email_verification",
    "get_user_notification_preference",
)
COLUMNS = {
    "AGENT_RUN": "notifyOnAgentRun",
    "ZERO_BALANCE": "notifyOnZeroBalance",
    "LOW_BALANCE": "notifyOnLowBalance",
    "BLOCK_EXECUTION_FAILED": "notifyOnBlockExecutionFailed",
    "CONTINUOUS_AGENT_ERROR": "notifyOnContinuousAgentError",
    "DAILY_SUMMARY": "notifyOnDailySummary",
    "WEEKLY_SUMMARY": "notifyOnWeeklySummary",
    "MONTHLY_SUMMARY": "notifyOnMonthlySummary",
    "AGENT_APPROVED": "notifyOnAgentApproved",
    "AGENT_REJECTED": "notifyOnAgentRejected",
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def active(service: Service, start: str, end: str) -> list[str]:
    found = service.call("get_active_user_ids_in_timerange", start_time=start, end_time=end)
    assert service.statements == 1
    return sorted(found)


def test_users_with_any_execution_in_the_range_are_active(service: Service) -> None:
    assert active(service, "2026-01-01", "2026-01-06") == ["alice", "bob"]
    # e5, of the fifth, is deleted, and counts.
    assert active(service, "2026-01-04T00:00:00.001", "2026-01-05T00:00:00") == ["alice"]
    # Both ends belong to the range, cut to the columns' milliseconds.
    assert active(service, "2026-01-04T00:00:00.000900Z", "2026-01-04T00:00:00Z") == ["bob"]
    assert active(service, "2026-01-04T01:00:00+01:00", "2026-01-04T01:00+01:00") == ["bob"]
    assert active(service, "2026-01-04T00:00:00.001Z", "2026-01-04T23:00:00Z") == []
    assert active(service, "2027-01-01", "2026-01-01") == []


def test_a_moment_without_an_offset_is_utc_wherever_the_service_runs(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as changed:
        changed.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        assert active(service, "2026-01-04", "2026-01-04T00:00:00") == ["bob"]
    time.tzset()


@pytest.mark.parametrize("text", ["x", "", "2026-13-01", "0001-01-01T00:00:00+05:00"])
def test_an_unreadable_moment_is_refused_for_good(service: Service, text: str) -> None:
    with pytest.raises(InvalidValueError):
        active(service, text, "2026-01-01")
    with pytest.raises(InvalidValueError):
        active(service, "2026-01-01", text)


def test_a_users_address_is_verified_or_not(service: Service) -> None:
    assert service.call("get_user_email_verification", user_id="alice") is True
    assert service.call("get_user_email_verification", user_id="bob") is False
    with pytest.raises(InvalidValueError, match="nobody") as caught:
        service.call("get_user_email_verification", user_id="nobody")
    assert (caught.value.status, caught.value.wire_type) == (400, "ValueError")


def preference(service: Service) -> dict[str, Any]:
    found: dict[str, Any] = service.call("get_user_notification_preference", user_id="alice")
    return found


@pytest.mark.parametrize("kind", COLUMNS)
def test_each_preference_is_its_own_column(service: Service, kind: str) -> None:
    service.rows(f"""UPDATE "User" SET "{COLUMNS[kind]}" = false WHERE id = 'alice'""")
    assert preference(service)["preferences"] == dict.fromkeys(COLUMNS, True) | {kind: False}


def test_the_daily_limit_is_the_columns_and_3_for_0(service: Service) -> None:
    for stored, shown in ((7, 7), (0, 3), (-1, -1)):
        service.rows('UPDATE "User" SET "maxEmailsPerDay" = %(n)s', n=stored)
        found = preference(service)
        assert (found["daily_limit"], found["emails_sent_today"]) == (shown, 0)
    now = datetime.now(UTC).replace(tzinfo=None)
    assert abs((datetime.fromisoformat(found["last_reset_date"]) - now).total_seconds()) < 10


@pytest.mark.parametrize(
    ("stored", "shown"),
    [
        ("a.b+c@EXAMPLE.com", "a.b+c@example.com"),
        ("Alice X <Alice@Mail.Example.org>", "Alice@mail.example.org"),
        (" a@example.com ", "a@example.com"),
        ("jörg@exämple.com", "jörg@exämple.com"),
        ("a@localhost", None),
        ("a@host.local", None),
        ("a@host.test", None),
        ("a@host.invalid", None),
        ("a@", None),
        ("@example.com", None),
        ("a b@example.com", None),
        ("a..b@example.com", None),
        ("a@-x.com", None),
        ("a@1.2.3.4", None),
        ("a@b.c1", None),
        ("a@4.example", "a@4.example"),
        ("a\u200b@example.com", None),
        ("a@exam\u00adple.com", None),
        ("a@b@example.com", None),
        ("x" * 65 + "@example.com", None),
        ("", None),
    ],
)
def test_the_address_is_shown_bare_and_must_be_one(
    service: Service, stored: str, shown: str | None
) -> None:
    service.rows("""UPDATE "User" SET email = %(email)s WHERE id = 'alice'""", email=stored)
    if shown is None:
        with pytest.raises(InvalidValueError, match="alice is not a valid one"):
            preference(service)
    else:
        assert preference(service)["email"] == shown


def test_nobodys_preference_is_refused(service: Service) -> None:
    with pytest.raises(InvalidValueError):
        service.call("get_user_notification_preference", user_id="nobody")
