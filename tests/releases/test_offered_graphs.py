"""The graphs behind what the marketplace offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import NotFoundError
from releases.building import LATEST
from releases.library_rows import INPUT, started
from releases.rows import graph, listed, listing, node

if TYPE_CHECKING:
    from releases.library_rows import Start
    from service import Service

STATES = ("v0.6.50", "v0.6.68", LATEST)
EXECUTOR = "e189baac-8c20-45a1-94a7-55177ea42565"


def offered(service_in: Start, state: str, **version: Any) -> Service:
    service = started(service_in, state)
    graph(service, "below", name="Below")
    node(service, "in", INPUT, "g", 1, name="key", value="hidden", secret=True)
    node(service, "runs", EXECUTOR, "g", 1)
    service.rows(
        """UPDATE "AgentNode" SET "constantInput" = '{"graph_id": "below", "graph_version": 1}'
            WHERE id = 'runs'"""
    )
    listing(service, "s", "bob", "g")
    listed(service, "sv", "s", "g", **version)
    return service


@pytest.mark.parametrize("state", STATES)
def test_an_approved_graph_comes_without_what_others_must_not_see(
    service_in: Start, state: str
) -> None:
    service = offered(service_in, state)
    found = service.call("get_agent", store_listing_version_id="sv")
    assert service.statements == 2
    assert (found["id"], found["version"], found["user_id"]) == ("g", 1, "")
    assert [below["name"] for below in found["sub_graphs"]] == ["Below"]
    inputs = {each["id"]: each["input_default"] for each in found["nodes"]}
    assert "value" not in inputs["in"]
    assert found == service.call(
        "get_graph", graph_id="g", version=1, user_id=None, for_export=True
    )
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'PENDING'""")
    for key in ("sv", "none"):
        with pytest.raises(NotFoundError) as failure:
            service.call("get_agent", store_listing_version_id=key)
        assert failure.value.status == (404 if state == LATEST else 400)


@pytest.mark.parametrize("state", STATES)
def test_an_available_graph_shows_its_inside_where_asked(service_in: Start, state: str) -> None:
    service = offered(service_in, state, submissionStatus="PENDING")
    asked = {"store_listing_version_id": "sv"}
    hidden = service.call("get_available_graph", **asked)
    assert service.statements == 1
    assert hidden.keys().isdisjoint({"nodes", "links", "sub_graphs"})
    assert (hidden["id"], hidden["user_id"], hidden["name"]) == ("g", "alice", "First")
    assert service.call("get_available_graph", **asked, include_subgraphs=True) == hidden
    shown = service.call("get_available_graph", **asked, hide_nodes=False)
    assert shown.items() >= hidden.items()
    assert {each["id"] for each in shown["nodes"]} == {"in", "runs"}
    assert (shown["links"], shown["sub_graphs"]) == ([], [])
    whole = service.call("get_available_graph", **asked, hide_nodes=False, include_subgraphs=True)
    assert [below["name"] for below in whole["sub_graphs"]] == ["Below"]
    assert whole | {"sub_graphs": []} == shown
    for column, value in (("isAvailable", "false"), ("isDeleted", "true")):
        service.rows('UPDATE "StoreListingVersion" SET "isAvailable" = true, "isDeleted" = false')
        service.rows(f'UPDATE "StoreListingVersion" SET "{column}" = {value}')
        with pytest.raises(NotFoundError):
            service.call("get_available_graph", **asked)
    with pytest.raises(NotFoundError):
        service.call("get_available_graph", store_listing_version_id="none", hide_nodes=False)
