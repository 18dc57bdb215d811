"""Sample calls of the methods for experts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import EXPERT, EXPERT_WITHOUT_TEAM, OWNER_WITHOUT_TEAM, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

OWN = {"user_id": USER, "expert_id": EXPERT}

CALLS: Mapping[str, list[Arguments]] = {
    "enforce_expert_run_budget": [OWN],
    "expert_row_exists": [OWN],
    "get_expert": [OWN, {**OWN, "include_workflows": False, "include_archived": True}],
    "list_experts": [{"user_id": USER}],
    "resolve_attributable_expert": [OWN],
    "resolve_private_expert_tenancy": [
        {"user_id": OWNER_WITHOUT_TEAM, "expert_id": EXPERT_WITHOUT_TEAM}
    ],
    "update_soul_fields": [{**OWN, "identity": "I am a gardener.", "boundaries": "No chemicals."}],
    "update_soul_fields_if_current": [
        {**OWN, "boundaries": "No machines.", "expected_boundaries": "no calls"},
    ],
}
