"""The graphs of what the marketplace offers, whole, in the highest version that is approved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import LimitExceededError, ResultTooLargeError
from autogpt_db.settings import LimitsSettings
from releases.rows import graph, insert, listed, listing, node, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]


def found(service: Service, *ids: str) -> Any:
    return service.call("get_store_listed_graphs", graph_ids=list(ids))


def offer(service: Service, *versions: int, **columns: Any) -> None:
    user(service, "ann")
    for version in versions:
        graph(service, "g", version, owner="ann", name=f"Version {version}")
    listing(service, "l", "ann", "g")
    for version in versions:
        listed(service, f"v{version}", "l", "g", agentGraphVersion=version, version=version,
               **columns)  # fmt: skip


@pytest.mark.parametrize("state", ["v0.6.50", "v0.6.68", "v0.7.2"])
def test_the_highest_approved_version_is_whole(service_in: Serve, state: str) -> None:
    service = service_in(state)
    offer(service, 1, 2, 3, 4)
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'PENDING'
                     WHERE version = 3""")
    service.rows("""UPDATE "StoreListingVersion" SET "isDeleted" = true WHERE version = 4""")
    service.rows("""UPDATE "StoreListingVersion" SET "isAvailable" = false""")
    service.rows("""UPDATE "AgentGraph" SET "isActive" = false""")
    node(service, "a", "block", "g", 2, secret="kept")
    node(service, "b", "block", "g", 2)
    insert(service, "AgentNodeLink", id="ab", agentNodeSourceId="a", agentNodeSinkId="b",
           sourceName="o", sinkName="i")  # fmt: skip
    shown = found(service, "g", "zz", "g")
    assert service.statements == 1
    assert list(shown) == ["g"]
    whole = service.call("get_graph", graph_id="g", version=2, user_id="ann")
    assert shown["g"] == whole
    assert (whole["name"], whole["user_id"], whole["is_active"]) == ("Version 2", "ann", False)
    assert {each["id"]: each["input_default"] for each in shown["g"]["nodes"]} == {
        "a": {"secret": "kept"}, "b": {},
    }  # fmt: skip
    assert [each["id"] for each in shown["g"]["links"]] == ["ab"]


def test_what_is_not_listed_is_left_out(service_in: Serve) -> None:
    service = service_in("v0.6.68")
    offer(service, 1, submissionStatus="DRAFT")
    assert found(service, "g", "zz") == found(service) == {}


def test_listed_graphs_are_bounded(service_in: Serve) -> None:
    service = service_in("v0.6.68", limits=LimitsSettings(items=10, result_bytes=65_536))
    with pytest.raises(LimitExceededError, match="graph_ids"):
        found(service, *("g" for _ in range(11)))
    offer(service, 1)
    node(service, "a", "block", "g", 1, text="x" * 65_536)
    with pytest.raises(ResultTooLargeError, match="fewer graphs"):
        found(service, "g")
