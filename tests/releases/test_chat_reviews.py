"""Reviews as the copilot looks them up: what waits in a chat, and what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import LimitExceededError, ResultTooLargeError
from autogpt_db.settings import LimitsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

COUNT = 'SELECT count(*) FROM "PendingHumanReview"'
ORIGIN = (
    "expert_id", "expert_name", "expert_avatar_url", "agent_name", "library_agent_id",
    "session_id",
)  # fmt: skip


def waiting(service: Service, execution: str, user: str = "alice") -> Any:
    return service.call("get_pending_reviews_for_execution", graph_exec_id=execution, user_id=user)


def reviews(service: Service, *ids: str, user: str = "alice") -> Any:
    return service.call("get_reviews_by_node_exec_ids", node_exec_ids=list(ids), user_id=user)


def delete(service: Service, key: str, user: str = "alice") -> Any:
    return service.call("delete_review_by_node_exec_id", node_exec_id=key, user_id=user)


def test_what_waits_in_an_execution_comes_oldest_first(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    found = waiting(service, "e1")
    assert service.statements == 1
    assert [(each["node_exec_id"], each["node_id"]) for each in found] == [
        ("x1", "n-in"), ("lost", "lost"),
    ]  # fmt: skip
    assert found[1]["payload"] == {"z": None}, "as it is stored"
    (chat,) = waiting(service, "copilot-session-cs1")
    assert (chat["node_id"], chat["payload"]) == ("copilot-node-blk", [1])
    assert waiting(service, "e1", "bob") == waiting(service, "zz") == []
    service.rows("""UPDATE "PendingHumanReview" SET "createdAt" = '2026-01-01'""")
    assert [each["node_exec_id"] for each in waiting(service, "e1")] == ["lost", "x1"], "tied"


def test_reviews_are_told_whatever_their_status(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    found = reviews(service, "x1", "x2", "x2", "b1", "zz")
    assert service.statements == 1
    assert {key: each["status"] for key, each in found.items()} == {
        "x1": "WAITING", "x2": "APPROVED",
    }  # fmt: skip
    assert found["x2"]["payload"] == "txt"
    assert not any(member in found["x2"] for member in ORIGIN)
    assert reviews(service) == reviews(service, "x1", user="bob") == {}


@pytest.mark.parametrize(
    ("key", "node"),
    [
        ("copilot-node-a:b:12345678", "copilot-node-a:b"),
        ("copilot-node-a", "copilot-node-a"),
        ("x:1", "x:1"),
    ],
)
def test_a_reviews_node_is_read_off_its_id_in_chats_only(
    service_in: Serve, key: str, node: str
) -> None:
    service = service_in("v0.6.68", seeded=True)
    service.rows(
        """UPDATE "PendingHumanReview" SET "nodeExecId" = %(key)s WHERE "nodeExecId" = 'lost'""",
        key=key,
    )
    assert reviews(service, key)[key]["node_id"] == node


def test_where_a_review_comes_from_is_left_open(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    (found,) = reviews(service, "y1").values()
    assert {member: found[member] for member in ORIGIN} == dict.fromkeys(ORIGIN)


def test_a_review_is_deleted_once_and_by_its_user(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    before = service.value(COUNT)
    assert delete(service, "x2", "bob") == 0
    assert delete(service, "zz") == 0
    assert service.value(COUNT) == before
    assert (delete(service, "x2"), delete(service, "x2")) == (1, 0)
    assert service.value(COUNT) == before - 1


def test_look_ups_of_reviews_are_bounded(service_in: Serve) -> None:
    service = service_in(
        "v0.6.68", seeded=True, limits=LimitsSettings(items=10, rows=10, result_bytes=65_536)
    )
    with pytest.raises(LimitExceededError, match="node_exec_ids"):
        reviews(service, *map(str, range(11)))
    service.rows("""UPDATE "PendingHumanReview" SET payload = to_jsonb(repeat('x', 40000))""")
    with pytest.raises(ResultTooLargeError, match="get_reviews_by_node_exec_ids"):
        waiting(service, "e1")
    with pytest.raises(ResultTooLargeError, match="fewer reviews"):
        reviews(service, "x1", "x2")
    service.rows("""
        INSERT INTO "PendingHumanReview"
               ("nodeExecId", "userId", "graphExecId", "graphId", "graphVersion", payload)
        SELECT n, 'alice', 'many', 'g1', 1, '1' FROM generate_series(1, 11) AS n""")
    with pytest.raises(ResultTooLargeError, match="10 rows"):
        waiting(service, "many")
