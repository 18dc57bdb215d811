"""Sample calls of the methods for users' libraries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    EXPERT,
    EXPERT_WITHOUT_TEAM,
    FOLDER,
    GRAPH,
    GRAPH_VERSION,
    LIBRARY_AGENT,
    LISTING,
    OFFERED_GRAPH,
    OTHER_FOLDER,
    OWNER_WITHOUT_TEAM,
    PRESET,
    SPARE_FOLDER,
    USER,
    USER_WITHOUT_TEAM,
    WEBHOOK,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

OF_FOLDER = {"folder_id": FOLDER, "user_id": USER}
NEW_PRESET = {
    "graph_id": GRAPH,
    "graph_version": GRAPH_VERSION,
    "inputs": {"topic": "cats"},
    "credentials": {"credentials": {"id": "c", "provider": "openai", "type": "api_key"}},
    "name": "Cats",
    "description": "All about cats",
}

CALLS: Mapping[str, list[Arguments]] = {
    "add_store_agent_to_library": [{"store_listing_version_id": LISTING, "user_id": USER}],
    "bulk_move_agents_to_folder": [
        {"agent_ids": [LIBRARY_AGENT], "folder_id": FOLDER, "user_id": USER},
        {"agent_ids": [LIBRARY_AGENT], "folder_id": None, "user_id": USER},
    ],
    "create_folder": [
        {"user_id": USER, "name": "Errands", "parent_id": FOLDER, "icon": "📁", "color": "#FF0000"},
        {"user_id": USER, "name": "Errands"},
    ],
    "create_library_agent": [
        {
            "graph": {
                "id": GRAPH,
                "version": GRAPH_VERSION,
                "name": "A graph",
                "description": "What it does",
                "user_id": USER,
                "created_at": "2026-01-01T00:00:00Z",
                "sub_graphs": [],
            },
            "user_id": USER,
        },
        {
            "graph": {
                "id": GRAPH,
                "version": GRAPH_VERSION,
                "name": "A graph",
                "description": "What it does",
                "user_id": USER,
                "created_at": "2026-01-01T00:00:00Z",
            },
            "user_id": USER_WITHOUT_TEAM,
        },
    ],
    "create_preset": [
        {"user_id": USER, "preset": NEW_PRESET},
        {"user_id": USER, "preset": NEW_PRESET, "webhook_id": WEBHOOK, "expert_id": EXPERT},
        {
            "user_id": OWNER_WITHOUT_TEAM,
            "preset": {**NEW_PRESET, "graph_id": OFFERED_GRAPH, "graph_version": 1},
            "expert_id": EXPERT_WITHOUT_TEAM,
        },
    ],
    "delete_folder": [{"folder_id": SPARE_FOLDER, "user_id": USER}],
    "get_folder_agents_map": [{"user_id": USER, "folder_ids": [FOLDER, OTHER_FOLDER]}],
    "get_folder_tree": [{"user_id": USER}],
    "get_library_agent": [{"id": LIBRARY_AGENT, "user_id": USER}],
    "get_library_agent_by_graph_id": [
        {"user_id": USER, "graph_id": GRAPH},
        {
            "user_id": USER,
            "graph_id": GRAPH,
            "graph_version": GRAPH_VERSION,
            "include_archived": True,
        },
    ],
    "get_library_agent_id_by_graph_id": [{"user_id": USER, "graph_id": GRAPH}],
    "get_library_agent_refs_by_graph_ids": [{"user_id": USER, "graph_ids": [GRAPH]}],
    "get_preset": [{"user_id": USER, "preset_id": PRESET}],
    "get_root_agent_summaries": [{"user_id": USER}],
    "list_folders": [
        {"user_id": USER},
        {"user_id": USER, "parent_id": FOLDER, "include_relations": False},
    ],
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
    "list_presets": [
        {"user_id": USER, "page": 1, "page_size": 20},
        {
            "user_id": USER,
            "page": 1,
            "page_size": 20,
            "graph_id": GRAPH,
            "filter_by_expert": True,
        },
    ],
    "list_trigger_agents": [
        {"user_id": USER, "library_agent_id": LIBRARY_AGENT},
        {"user_id": USER, "library_agent_id": LIBRARY_AGENT, "parent_graph_id": GRAPH},
    ],
    "move_folder": [
        {**OF_FOLDER, "target_parent_id": OTHER_FOLDER},
        {**OF_FOLDER, "target_parent_id": None},
    ],
    "update_folder": [{**OF_FOLDER, "name": "Chores"}, {**OF_FOLDER, "color": "#00FF00"}],
    "update_library_agent": [
        {"library_agent_id": LIBRARY_AGENT, "user_id": USER, "is_favorite": False},
        {
            "library_agent_id": LIBRARY_AGENT,
            "user_id": USER,
            "graph_version": GRAPH_VERSION,
            "is_deleted": False,
            "settings": {"human_in_the_loop_safe_mode": False},
            "folder_id": FOLDER,
        },
    ],
}
