"""Sample calls of the methods for graphs and their nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    DESCRIBED_BLOCK,
    GRAPH,
    GRAPH_VERSION,
    LISTING,
    NODE,
    STARTING_NODE,
    USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "get_agent": [{"store_listing_version_id": LISTING}],
    "get_available_graph": [
        {"store_listing_version_id": LISTING},
        {"store_listing_version_id": LISTING, "hide_nodes": False},
        {"store_listing_version_id": LISTING, "hide_nodes": False, "include_subgraphs": True},
    ],
    "get_blocks_needing_optimization": [{}],
    "get_connected_output_nodes": [{"node_id": STARTING_NODE}],
    "get_graph": [
        {"graph_id": GRAPH, "version": None, "user_id": USER},
        {"graph_id": GRAPH, "version": GRAPH_VERSION, "user_id": USER, "for_export": True},
        {"graph_id": GRAPH, "version": None, "user_id": USER, "include_subgraphs": True},
        {"graph_id": GRAPH, "version": None, "user_id": USER, "organization_id": "o"},
        {"graph_id": GRAPH, "version": None, "user_id": None, "team_id": "t"},
    ],
    "get_graph_metadata": [{"graph_id": GRAPH}],
    "get_graph_settings": [{"user_id": USER, "graph_id": GRAPH}],
    "get_node": [{"node_id": NODE}],
    "update_block_optimized_description": [
        {"block_id": DESCRIBED_BLOCK, "optimized_description": "Runs an agent."}
    ],
    "validate_graph_execution_permissions": [
        {"user_id": USER, "graph_id": GRAPH, "graph_version": GRAPH_VERSION}
    ],
}
