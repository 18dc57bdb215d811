"""Small look-ups that a run's start and end make: library ids, tiers, sign-ins, waiting reviews."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import catalogue_of
from autogpt_db.errors import InvalidValueError, LimitExceededError, UserNotFoundError
from autogpt_db.settings import LimitsSettings
from releases.catalogues import RELEASES
from service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]


LATER = {
    "create_briefing": "v0.7.1",
    "get_auth_user_flag_fields": "v0.7.0",
    "get_briefing_for_date": "v0.7.1",
    "get_latest_briefings": "v0.7.1",
    "get_library_agent_refs_by_graph_ids": "v0.6.70",
    "get_pending_reviews_for_user": "v0.7.1",
    "get_user_subscription_tier": "v0.6.58",
    "mark_briefing_delivered": "v0.7.1",
    "update_briefing_content": "v0.7.1",
}
"""Methods, and the first state of the schema that has all that they need."""


@pytest.mark.parametrize("method", sorted(LATER))
def test_a_method_is_served_as_soon_as_there_is_what_it_reads(method: str) -> None:
    def lacking(state: str) -> bool:
        catalogue = catalogue_of(state)
        return bool(OPERATIONS[method].needs(Capabilities.of(catalogue)).lacks(catalogue))

    able = [state for state in RELEASES if not lacking(state)]
    assert able == [*RELEASES[RELEASES.index(LATER[method]) :]]


# Library agents --------------------------------------------------------------------------------


def test_an_agents_id_is_that_of_the_highest_version(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)

    def found(graph: str, user: str = "alice") -> Any:
        return service.call("get_library_agent_id_by_graph_id", user_id=user, graph_id=graph)

    assert found("g7") == "la3"
    assert found("g1") == "la1", "la20 is of version 1, though newer"
    assert found("g5") is None, "deleted"
    assert found("g7", "bob") is None
    assert found("zz") is None


def test_references_have_the_entries_own_names(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)

    def found(*graphs: str) -> Any:
        return service.call(
            "get_library_agent_refs_by_graph_ids", user_id="alice", graph_ids=list(graphs)
        )

    assert found("g7", "g1", "g1", "g5", "zz") == [
        {"id": "la1", "graph_id": "g1", "name": ""},
        {"id": "la3", "graph_id": "g7", "name": "My own name"},
    ]
    assert found() == []


def test_references_are_bounded(service_in: Serve) -> None:
    service = service_in("v0.7.2", limits=LimitsSettings(items=3))
    with pytest.raises(LimitExceededError, match="graph_ids"):
        service.call("get_library_agent_refs_by_graph_ids", user_id="a", graph_ids=["g"] * 4)


# Users -----------------------------------------------------------------------------------------


def test_a_users_tier(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    service.rows("""UPDATE "User" SET "subscriptionTier" = 'MAX' WHERE id = 'bob'""")
    assert service.call("get_user_subscription_tier", user_id="alice") == "NO_TIER"
    assert service.call("get_user_subscription_tier", user_id="bob") == "MAX"
    with pytest.raises(UserNotFoundError, match="nobody"):
        service.call("get_user_subscription_tier", user_id="nobody")


@pytest.mark.parametrize("state", ["v0.7.0", "v0.7.2"])
def test_what_flags_go_by(service_in: Serve, state: str) -> None:
    service = service_in(state)
    service.rows("""
        INSERT INTO "UserAuthIdentity" (id, name, email, role, "createdAt")
        VALUES ('ann', 'Ann', 'ann@example.com', 'admin', '2026-01-01 02:03:04.5'),
               ('ben', 'Ben', 'ben@example.com', NULL, '2026-01-01')""")
    found = service.call("get_auth_user_flag_fields", user_id="ann")
    assert found == {
        "role": "admin",
        "email": "ann@example.com",
        "created_at": "2026-01-01T02:03:04.500000Z",
    }
    assert service.call("get_auth_user_flag_fields", user_id="ben")["role"] is None
    assert service.call("get_auth_user_flag_fields", user_id="nobody") is None


# Reviews ---------------------------------------------------------------------------------------


def waiting(service: Service, user: str = "alice", **page: int) -> Any:
    return service.call("get_pending_reviews_for_user", user_id=user, **page)


def test_waiting_reviews_say_where_they_come_from(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    found = {each["node_exec_id"]: each for each in waiting(service)}
    assert service.statements == 1
    assert list(found) == [
        "y4",
        "copilot-node-b:2",
        "copilot-node-b:1",
        "y1",
        "lost",
        "copilot-node-blk:abcdef01",
        "x1",
    ]
    origin = (
        "node_id", "expert_id", "expert_name", "agent_name", "library_agent_id", "session_id",
    )  # fmt: skip
    seen = {name: tuple(each[member] for member in origin) for name, each in found.items()}
    assert seen == {
        "y4": ("y4", None, None, None, None, None),
        "copilot-node-b:2": ("copilot-node-b", None, None, None, None, "csxb"),
        "copilot-node-b:1": ("copilot-node-b", "x1", "Maria", None, None, "csx1"),
        "y1": ("n-g7-1", "x1", "Maria", "My own name", "la3", None),
        "lost": ("lost", None, None, "Graph one v2", "la1", None),
        "copilot-node-blk:abcdef01": ("copilot-node-blk", None, None, None, None, "cs1"),
        "x1": ("n-in", None, None, "Graph one v2", "la1", None),
    }
    assert waiting(service, "nobody") == []


def test_waiting_reviews_of_anothers_execution_say_nothing_of_it(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    service.rows("""
        INSERT INTO "LibraryAgent" (id, "userId", "agentGraphId", "agentGraphVersion")
        VALUES ('own', 'alice', 'g5', 1)
            ON CONFLICT ("userId", "agentGraphId", "agentGraphVersion")
               DO UPDATE SET "isDeleted" = false""")
    service.rows("""UPDATE "AgentGraphExecution" SET "expertId" = 'x1' WHERE id = 'e11'""")
    review = waiting(service)[0]
    assert review["node_exec_id"] == "y4"
    for member in ("expert_id", "expert_name", "agent_name", "library_agent_id", "session_id"):
        assert review[member] is None, member


def test_waiting_reviews_come_in_pages(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    whole = [each["node_exec_id"] for each in waiting(service)]
    service.rows("""UPDATE "PendingHumanReview" SET "createdAt" = '2026-01-09'""")
    tied = [each["node_exec_id"] for each in waiting(service)]
    assert sorted(tied) == sorted(whole)
    pages = [waiting(service, page=page, page_size=3) for page in (1, 2, 3, 4)]
    assert [each["node_exec_id"] for page in pages for each in page] == tied
    assert [len(page) for page in pages] == [3, 3, 1, 0]
    assert waiting(service, page_size=0) == []
    assert waiting(service, page=2**31 - 1) == []
    for page, page_size in ((0, 3), (-1, 3), (1, -1)):
        with pytest.raises(InvalidValueError, match="page"):
            waiting(service, page=page, page_size=page_size)
