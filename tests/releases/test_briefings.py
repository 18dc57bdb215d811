"""Morning briefings: one for each user and day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ForeignKeyViolationError,
    LimitExceededError,
)
from autogpt_db.settings import LimitsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

ROWS = """
SELECT id, "userId", "briefingDate"::text, content, "deliveredAt" IS NOT NULL
  FROM "UserBriefing" ORDER BY "userId", "briefingDate"
"""


def create(service: Service, day: str, user: str = "alice", **content: Any) -> Any:
    return service.call("create_briefing", user_id=user, briefing_date=day, content=content)


def test_a_day_has_one_briefing_of_each_user(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    made = create(service, "2026-01-12", headline="new", gone="a\0b\x01")
    assert made == {
        "id": made["id"],
        "user_id": "alice",
        "briefing_date": "2026-01-12",
        "content": {"headline": "new", "gone": "ab"},
        "created_at": made["created_at"],
        "delivered_at": None,
    }
    assert create(service, "2026-01-12", other=1) == made, "the one that there is, as it is"
    assert service.statements == 1
    assert create(service, "2026-01-12", "bob")["id"] != made["id"]
    before = service.rows(ROWS)
    with pytest.raises(ForeignKeyViolationError, match="UserBriefing_userId_fkey"):
        create(service, "2026-01-12", "nobody")
    wrong = {"user_id": "alice", "briefing_date": "2026-01-12", "content": [1]}
    assert service.answer("create_briefing", wrong)[0] == 422
    assert service.rows(ROWS) == before


def test_of_many_calls_one_makes_it(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, pool_size=8)
    call = {"user_id": "alice", "briefing_date": "2026-02-01"}
    calls = [("create_briefing", call | {"content": {"n": n}}) for n in range(16)]
    answers = service.together(calls)
    assert all(answer == answers[0] for answer in answers)
    stored = service.value(
        """SELECT content FROM "UserBriefing" WHERE "briefingDate" = '2026-02-01'"""
    )
    assert stored == answers[0]["content"]


@pytest.mark.parametrize("day", ["2026-01-10", "2026-01-10T00:00:00Z", 1768003200])
def test_it_is_found_by_its_day(service_in: Serve, day: Any) -> None:
    service = service_in("v0.7.1", seeded=False)
    service.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())""")
    made = create(service, "2026-01-10", "ann")
    found = service.call("get_briefing_for_date", user_id="ann", briefing_date=day)
    assert found == made
    for other in ({"user_id": "ben"}, {"briefing_date": "2026-01-11"}):
        asked = {"user_id": "ann", "briefing_date": day} | other
        assert service.call("get_briefing_for_date", **asked) is None


@pytest.mark.parametrize("day", ["2026-01-10T05:00:00Z", "yesterday", 86401, None])
def test_what_is_no_day_is_refused(service_in: Serve, day: Any) -> None:
    service = service_in("v0.7.2")
    with pytest.raises(ArgumentsInvalidError) as refused:
        service.call("get_briefing_for_date", user_id="alice", briefing_date=day)
    assert [each["loc"] for each in refused.value.detail] == [["body", "briefing_date"]]


def test_the_latest_come_first(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, limits=LimitsSettings(rows=5))

    def listed(**limit: int) -> list[str]:
        found = service.call("get_latest_briefings", user_id="alice", **limit)
        return [each["id"] for each in found]

    assert listed() == ["ub2", "ub3", "ub1"]
    assert listed(limit=2) == ["ub2", "ub3"]
    assert listed(limit=-1) == ["ub1"]
    assert listed(limit=-2) == ["ub3", "ub1"]
    assert listed(limit=0) == []
    service.rows("""UPDATE "UserBriefing" SET content = '[1]' WHERE id = 'ub3'""")
    contents = {
        each["id"]: each["content"]
        for each in service.call("get_latest_briefings", user_id="alice")
    }
    assert contents["ub3"] == {}, "what is no object hides no other briefing"
    with pytest.raises(LimitExceededError, match=r"limits\.rows"):
        listed(limit=6)


def test_only_the_users_own_is_changed(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    before = service.rows(ROWS)
    for user, briefing in (("bob", "ub2"), ("alice", "ub4"), ("alice", "zz")):
        of = {"user_id": user, "briefing_id": briefing}
        assert service.call("mark_briefing_delivered", **of) is None
        assert service.call("update_briefing_content", **of, content={"v": 3}) is None
    assert service.rows(ROWS) == before
    delivered = """SELECT "deliveredAt" > now() AT TIME ZONE 'UTC' - interval '1 hour'
                     FROM "UserBriefing" WHERE id = 'ub1'"""
    assert service.value(delivered) is False
    service.call("mark_briefing_delivered", user_id="alice", briefing_id="ub1")
    assert service.value(delivered) is True, "the latest delivery counts"
    service.call("update_briefing_content", user_id="alice", briefing_id="ub1", content={"v": 2})
    found = service.call("get_briefing_for_date", user_id="alice", briefing_date="2026-01-08")
    assert found["content"] == {"v": 2}
    assert found["delivered_at"] is not None
