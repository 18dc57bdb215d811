"""Sample calls of the methods for users' libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import GRAPH, LISTING, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "add_store_agent_to_library": [{"store_listing_version_id": LISTING, "user_id": USER}],
    "get_library_agent_id_by_graph_id": [{"user_id": USER, "graph_id": GRAPH}],
    "get_library_agent_refs_by_graph_ids": [{"user_id": USER, "graph_ids": [GRAPH]}],
    "list_library_agents": [
        {"user_id": USER},
        {"user_id": USER, "include_executions": True, "include_nodes": True},
        {"user_id": USER, "search_term": "graph"},
        {
            "user_id": USER,
            "folder_id": "f",
            "organization_id": "o",
            "is_hidden": False,
            "include_nodes": True,
        },
    ],
}
