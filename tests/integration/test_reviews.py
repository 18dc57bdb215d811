"""Human reviews: asked for once, answered once, and never lost to a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ages import AS_OF_V0_6_48
from autogpt_db.errors import ForeignKeyViolationError, InvalidValueError
from examples import check, examples_of
from releases.building import TABLES

if TYPE_CHECKING:
    from releases.building import TABLES
from service import Service

AUTO = "auto_approve_e1_n-in"
AUTO_MESSAGE = "Auto-approved (user approved all future actions for this node)"


@pytest.mark.parametrize(
    "example", examples_of("has_pending_reviews_for_graph_exec", "check_approval")
)
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def ask(service: Service, data: Any = None, key: str = "r1", **options: Any) -> Any:
    request = {
        "user_id": "alice",
        "node_exec_id": key,
        "graph_exec_id": "e1",
        "graph_id": "g1",
        "graph_version": 2,
        "input_data": data,
        "message": "please",
        "editable": True,
    }
    return service.call("get_or_create_human_review", **(request | options))


def approval(service: Service, **options: Any) -> Any:
    request = {
        "node_exec_id": "r1", "graph_exec_id": "e1", "node_id": "n-in", "user_id": "alice",
    }  # fmt: skip
    return service.call("check_approval", **(request | options))


def change(service: Service, key: str = "r1", **columns: Any) -> None:
    assignments = ", ".join(f'"{name}" = %({name})s' for name in columns)
    service.rows(
        f'UPDATE "PendingHumanReview" SET {assignments} WHERE "nodeExecId" = %(key)s',
        key=key,
        **columns,
    )


def stored(service: Service, columns: str, key: str = "r1") -> tuple[Any, ...]:
    (row,) = service.rows(
        f'SELECT {columns} FROM "PendingHumanReview" WHERE "nodeExecId" = %(key)s', key=key
    )
    return row


def test_a_review_is_made_once_and_waits(service: Service) -> None:
    assert ask(service, {"a": "x\x00y", "_sa": 1}, editable=False) is None
    assert service.statements == 1
    columns = (
        '"userId", "graphExecId", "graphId", "graphVersion", payload, instructions, editable, '
        'status::text, processed, "reviewMessage", "updatedAt" IS NOT NULL'
    )
    made = stored(service, columns)
    assert made == (
        "alice", "e1", "g1", 2, {"a": "xy"}, "please", False, "WAITING", False, None, True,
    )  # fmt: skip
    assert ask(service, {"other": 1}, user_id="bob", message="again") is None
    assert stored(service, columns) == made


@pytest.mark.parametrize("data", [None, [1, {"b": None}], "text", 5, 1.5, True, {}])
def test_any_json_can_be_reviewed(service: Service, data: Any) -> None:
    ask(service, data)
    assert stored(service, "payload, jsonb_typeof(payload) IS NULL") == (data, False)
    change(service, status="APPROVED")
    assert ask(service, "other")["data"] == data


@pytest.mark.parametrize("status", ["APPROVED", "REJECTED"])
def test_an_answer_is_returned_until_it_is_processed(service: Service, status: str) -> None:
    ask(service, {"a": 1})
    change(service, status=status)
    expected = {
        "data": {"a": 1}, "status": status, "message": "", "processed": False, "node_exec_id": "r1",
    }  # fmt: skip
    assert ask(service) == expected
    change(service, reviewMessage="fine", payload='{"a": 2}')
    # Whoever owns it: upstream looks at the key alone.
    assert ask(service, user_id="bob") == expected | {"message": "fine", "data": {"a": 2}}
    change(service, updatedAt="2026-01-01")
    for _ in range(2):
        assert (
            service.call("update_review_processed_status", node_exec_id="r1", processed=True)
            is None
        )
    assert stored(service, """processed, "updatedAt" > '2026-01-02'""") == (True, True)
    assert ask(service) is None
    service.call("update_review_processed_status", node_exec_id="r1", processed=False)
    assert ask(service) is not None


def test_marking_an_unknown_review_is_passed_over(service: Service) -> None:
    assert (
        service.call("update_review_processed_status", node_exec_id="nope", processed=True) is None
    )


@AS_OF_V0_6_48
def test_unknown_users_and_executions_are_refused(service: Service) -> None:
    with pytest.raises(ForeignKeyViolationError, match="PendingHumanReview_userId_fkey"):
        ask(service, user_id="nobody")
    if TABLES == "v0.6.48":  # later a review may belong to what is no execution
        with pytest.raises(ForeignKeyViolationError, match="PendingHumanReview_graphExecId_fkey"):
            ask(service, graph_exec_id="nope")
    assert service.value('SELECT count(*) FROM "PendingHumanReview"') == 0


def test_the_data_must_be_there(service: Service) -> None:
    request = {
        "user_id": "alice", "node_exec_id": "r", "graph_exec_id": "e1", "graph_id": "g1",
        "graph_version": 2, "message": "", "editable": True,
    }  # fmt: skip
    assert service.answer("get_or_create_human_review", request)[0] == 422


def test_askers_at_once_make_one_review(service: Service) -> None:
    request = {
        "user_id": "alice", "node_exec_id": "r1", "graph_exec_id": "e1", "graph_id": "g1",
        "graph_version": 2, "input_data": 1, "message": "", "editable": True,
    }  # fmt: skip
    assert service.together([("get_or_create_human_review", request)] * 32) == [None] * 32


def test_only_an_approval_of_that_user_counts(service: Service) -> None:
    ask(service, {"a": 1})
    assert approval(service) is None
    change(service, status="REJECTED")
    assert approval(service) is None
    # Whether it was processed, and for which graph execution it was asked, plays no part.
    change(service, status="APPROVED", processed=True, graphExecId="e2")
    expected = {
        "data": {"a": 1}, "status": "APPROVED", "message": "", "processed": True,
        "node_exec_id": "r1",
    }  # fmt: skip
    assert approval(service) == expected
    assert approval(service, input_data={"b": 1}) == expected
    change(service, reviewMessage="ok")
    assert approval(service)["message"] == "ok"
    assert approval(service, user_id="bob") is None
    assert approval(service, node_exec_id="r2") is None


@pytest.mark.parametrize("data", [{}, 0, "", {"a": "x\x00y", "_sa": 1}, [1], False])
def test_an_approval_of_the_node_takes_the_data_passed(service: Service, data: Any) -> None:
    ask(service, {"stored": 1}, key=AUTO)
    change(service, AUTO, status="APPROVED", reviewMessage="not shown")
    found = approval(service, input_data=data)
    assert found == {
        "data": data, "status": "APPROVED", "message": AUTO_MESSAGE, "processed": True,
        "node_exec_id": AUTO,
    }  # fmt: skip
    assert approval(service)["data"] == {"stored": 1}
    assert approval(service, input_data=None)["data"] == {"stored": 1}
    assert approval(service, node_id="n-out") is None


def test_numbers_that_json_lacks_come_back_as_null(service: Service) -> None:
    ask(service, 1, key=AUTO)
    change(service, AUTO, status="APPROVED")
    body = (
        b'{"node_exec_id": "r1", "graph_exec_id": "e1", "node_id": "n-in", "user_id": "alice", '
        b'"input_data": %s}'
    )
    assert service.send("check_approval", body % b'{"a": [NaN, 1e999]}')["data"] == {
        "a": [None, None]
    }
    with pytest.raises(InvalidValueError):
        service.send("check_approval", body % b"NaN")


def test_of_both_approvals_the_older_counts(service: Service) -> None:
    ask(service, 1)
    ask(service, 2, key=AUTO)
    change(service, status="APPROVED", createdAt="2026-01-01")
    change(service, AUTO, status="APPROVED", createdAt="2026-01-02")
    assert approval(service)["node_exec_id"] == "r1"
    change(service, createdAt="2026-01-03")
    assert approval(service)["node_exec_id"] == AUTO


def pending(service: Service) -> bool:
    found: bool = service.call("has_pending_reviews_for_graph_exec", graph_exec_id="e1")
    return found


def cancel(service: Service, **options: Any) -> int:
    request = {"graph_exec_id": "e1", "user_id": "alice"} | options
    cancelled: int = service.call("cancel_pending_reviews_for_execution", **request)
    return cancelled


def test_a_stop_rejects_what_waits_for_its_user(service: Service) -> None:
    assert cancel(service) == 0
    for key in ("r1", "r2", "r3"):
        ask(service, key=key)
    ask(service, key="of bob", user_id="bob")
    ask(service, key="of e2", graph_exec_id="e2")
    change(service, "r3", status="APPROVED")
    assert pending(service)
    assert cancel(service) == 2
    assert service.statements == 1
    assert stored(
        service,
        'status::text, "reviewMessage", processed, "reviewedAt" IS NOT NULL, '
        '"reviewedAt" = "updatedAt"',
    ) == ("REJECTED", "Execution was stopped by user", True, True, True)
    assert stored(service, "status::text", "r3") == ("APPROVED",)
    assert pending(service)  # bob's
    assert stored(service, "status::text", "of e2") == ("WAITING",)
    assert cancel(service) == 0
    change(service, "of bob", status="REJECTED")
    assert not pending(service)


@pytest.mark.parametrize(
    "options", [{"graph_exec_id": "nope"}, {"user_id": "bob"}, {"graph_exec_id": "e5"}]
)
def test_a_stop_of_nobodys_execution_is_refused(service: Service, options: Any) -> None:
    for graph_exec_id in ("e1", "e5"):
        ask(service, key=graph_exec_id, graph_exec_id=graph_exec_id)
    with pytest.raises(InvalidValueError) as caught:
        cancel(service, **options)  # e5 is deleted
    assert caught.value.wire_type == "ValueError"
    assert service.value("""SELECT count(*) FROM "PendingHumanReview" WHERE processed""") == 0
