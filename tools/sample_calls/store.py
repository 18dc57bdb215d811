"""Sample calls of the methods for the marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import AGENT, CREATOR, LISTED_GRAPH, SEARCHED, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "backfill_missing_embeddings": [{}],
    "cleanup_orphaned_embeddings": [{}],
    "get_embedding_stats": [{}],
    "get_store_agent_details": [{"username": CREATOR, "agent_name": AGENT}],
    "get_store_agents": [
        {},
        {"creators": [CREATOR], "sorted_by": "runs"},
        {"search_query": SEARCHED},
    ],
    "unified_hybrid_search": [
        {"query": SEARCHED},
        {"query": SEARCHED, "user_id": USER, "content_types": ["LIBRARY_AGENT"], "min_score": 0},
        {"query": SEARCHED, "lexical_query": "coo", "prefix_match": True, "page_size": 5},
    ],
    "get_store_listed_graphs": [{"graph_ids": [LISTED_GRAPH, "none"]}],
}
