"""Monitoring: failing blocks, agents used most, and scores that drop."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import InvalidValueError, RawQueryError
from examples import check, examples_of
from releases.building import OLD_STORE

if TYPE_CHECKING:
    from releases.building import OLD_STORE
from service import Service

EXAMPLES = examples_of(
    "get_block_error_stats",
    "get_frequently_executed_graphs",
    "get_marketplace_graphs_for_monitoring",
    "get_accuracy_trends_and_alerts",
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def errors(service: Service, start: str, end: str) -> Any:
    return service.call("get_block_error_stats", start_time=start, end_time=end)


def test_blocks_with_ten_executions_in_the_range_are_counted(service: Service) -> None:
    midnight = "2026-01-04T00:00:00Z"
    assert errors(service, midnight, midnight)[0]["total_executions"] == 12
    assert errors(service, "2026-01-04T00:00:00.001Z", "2026-01-05T00:00:00Z") == []
    service.rows("""DELETE FROM "AgentNodeExecution" WHERE id IN ('b1', 'b4')""")
    assert errors(service, midnight, midnight) == [
        {
            "block_id": "1ff065e9-88e8-4358-9d82-8dc91f622ba9",
            "total_executions": 10,
            "failed_executions": 2,
        }
    ]
    service.rows("""DELETE FROM "AgentNodeExecution" WHERE id = 'b2'""")
    assert errors(service, midnight, midnight) == []


def execute(
    service: Service, graph: str, number: int, status: str = "COMPLETED", **given: Any
) -> None:
    service.rows(
        """INSERT INTO "AgentGraphExecution"
               (id, "userId", "agentGraphId", "executionStatus", "createdAt", stats, "isDeleted")
           SELECT gen_random_uuid(), %(user)s, %(graph)s, %(status)s,
                  now() - %(age)s::interval, %(stats)s, %(deleted)s
             FROM generate_series(1, %(number)s)""",
        graph=graph,
        status=status,
        number=number,
        user=given.get("user", "alice"),
        age=given.get("age", "1 hour"),
        stats=given.get("stats"),
        deleted=given.get("deleted", False),
    )


def execute_around_the_bounds(service: Service, graph: str) -> None:
    """Add 6 executions that count, and one of each kind that does not."""
    for status in ("COMPLETED", "FAILED", "TERMINATED"):
        execute(service, graph, 2, status)
    for status in ("RUNNING", "QUEUED", "REVIEW", "INCOMPLETE"):
        execute(service, graph, 1, status)
    execute(service, graph, 1, deleted=True)
    execute(service, graph, 1, age="31 days")


def test_ended_executions_of_the_last_days_are_counted_by_graph_and_user(service: Service) -> None:
    execute_around_the_bounds(service, "g1")
    execute(service, "g1", 8, user="bob")
    execute(service, "g2", 5)
    g1 = {"graph_id": "g1", "user_id": "alice", "execution_count": 6}
    bobs = {"graph_id": "g1", "user_id": "bob", "execution_count": 8}
    assert service.call("get_frequently_executed_graphs", min_executions=6) == [bobs, g1]
    assert service.call("get_frequently_executed_graphs") == []
    aged = service.call("get_frequently_executed_graphs", min_executions=7, days_back=32)
    assert aged == [bobs, g1 | {"execution_count": 7}]


def test_what_the_marketplace_offers_is_counted_for_all(service: Service) -> None:
    execute_around_the_bounds(service, "g3")
    execute(service, "g3", 5, user="bob")
    execute(service, "g1", 50)
    offered = {"graph_id": "g3", "user_id": None, "execution_count": 11}
    method = "get_marketplace_graphs_for_monitoring"
    assert service.call(method) == [offered]
    assert service.call(method, min_executions=12) == []
    for column, value in (
        ("hasApprovedVersion", False), ("isDeleted", True), ("activeVersionId", None),
    ):  # fmt: skip
        service.rows(
            """UPDATE "StoreListing" SET "hasApprovedVersion" = true, "isDeleted" = false,
                                         "activeVersionId" = 'slv1'"""
        )
        assert service.call(method) == [offered]
        service.rows(f'UPDATE "StoreListing" SET "{column}" = %(value)s', value=value)
        assert service.call(method) == []


def test_a_graph_offered_in_two_versions_counts_twice(service: Service) -> None:
    execute(service, "g1", 10)
    version, of_version = (', "agentGraphVersion"', ", 2") if OLD_STORE else ("", "")
    service.rows(
        f"""UPDATE "StoreListingVersion" SET "agentGraphId" = 'g1';
           INSERT INTO "StoreListing" (id, "agentGraphId", "owningUserId", slug,
                                       "hasApprovedVersion"{version})
           VALUES ('sl2', 'g1', 'bob', 's', true{of_version});
           INSERT INTO "StoreListingVersion"
                  (id, "agentGraphId", "agentGraphVersion", name, "subHeading", "imageUrls",
                   description, categories, "storeListingId")
           VALUES ('slv2', 'g1', 2, '', '', '{{}}', '', '{{}}', 'sl2');
           UPDATE "StoreListing" SET "activeVersionId" = 'slv2' WHERE id = 'sl2'"""
    )
    (found,) = service.call("get_marketplace_graphs_for_monitoring")
    assert (found["graph_id"], found["execution_count"]) == ("g1", 20)


def trends(service: Service, **options: Any) -> Any:
    return service.call("get_accuracy_trends_and_alerts", graph_id="g2", **options)


def score(service: Service, days_ago: int, value: str, **given: Any) -> None:
    stats = f'{{"correctness_score": {value}}}'
    # The middle of a day: a test that runs at midnight must not see another one.
    service.rows("SET timezone TO 'UTC'")
    age = service.value(
        "SELECT (now() - current_date - interval '1 minute' + make_interval(days => %(n)s))::text",
        n=days_ago,
    )
    execute(service, "g2", 1, stats=stats, age=age, **given)


def test_averages_go_over_days_that_had_executions(service: Service) -> None:
    # Days with gaps between them, oldest first: 16 of them.
    scores = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 0.5, 0.5, 0.5, 0.4, 0.3, 0.2]
    for number, value in enumerate(reversed(scores)):
        score(service, number * 3 // 2, str(value))
    began = datetime.now(UTC)
    found = trends(service, include_historical=True)
    latest = found["latest_data"]
    percent = [value * 100 for value in scores]
    assert latest["daily_score"] == pytest.approx(20)
    assert latest["three_day_avg"] == pytest.approx(sum(percent[-3:]) / 3)
    assert latest["seven_day_avg"] == pytest.approx(sum(percent[-7:]) / 7)
    assert latest["fourteen_day_avg"] == pytest.approx(sum(percent[-14:]) / 14)
    days = {each.strftime("%Y-%m-%dT00:00:00") for each in (began, datetime.now(UTC))}
    assert latest["date"] in days, "midnight may have passed meanwhile"
    assert len(found["historical_data"]) == 16
    assert found["historical_data"][0] == latest
    dates = [day["date"] for day in found["historical_data"]]
    assert dates == sorted(dates, reverse=True)
    seven, three = latest["seven_day_avg"], latest["three_day_avg"]
    drop = (seven - three) / seven * 100
    assert found["alert"]["drop_percent"] == pytest.approx(drop)
    assert {key: found["alert"][key] for key in ("graph_id", "user_id")} == {
        "graph_id": "g2", "user_id": None,
    }  # fmt: skip
    # An empty text is no filter, and comes back as it was passed.
    assert trends(service, user_id="")["alert"]["user_id"] == ""
    assert trends(service, drop_threshold=drop + 0.1)["alert"] is None
    assert trends(service)["historical_data"] is None


def test_a_day_averages_its_executions_that_have_a_score(service: Service) -> None:
    for value in ("0.5", '"1"', "null"):
        score(service, 0, value)
    execute(service, "g2", 1, age="0")
    score(service, 0, "0", status="RUNNING")
    score(service, 0, "0", deleted=True)
    score(service, 40, "0")
    score(service, 0, "0", user="bob")
    assert trends(service, user_id="alice")["latest_data"]["daily_score"] == 75
    assert trends(service, user_id="")["latest_data"]["daily_score"] == 50
    alert = trends(service, user_id="bob", drop_threshold=-1000)["alert"]
    assert alert is None  # seven days' average of 0: no percentage
    assert trends(service, user_id="alice", drop_threshold=0)["alert"]["user_id"] == "alice"


def test_without_executions_there_is_nothing_but_the_date(service: Service) -> None:
    found = trends(service, include_historical=True)
    assert found["historical_data"] is None
    assert found["alert"] is None
    assert found["latest_data"].pop("date").endswith("Z")
    assert set(found["latest_data"].values()) == {None}


def test_a_score_that_is_no_number_is_refused(service: Service) -> None:
    score(service, 0, '"high"')
    with pytest.raises(RawQueryError) as caught:
        trends(service)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "method", ["get_frequently_executed_graphs", "get_marketplace_graphs_for_monitoring"]
)
def test_days_beyond_all_time_are_refused(service: Service, method: str) -> None:
    for days in (2**31 - 1, -(2**31)):
        with pytest.raises(InvalidValueError):
            service.call(method, days_back=days)
        with pytest.raises(InvalidValueError):
            trends(service, days_back=days)
