"""Sample calls of the methods for credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    BLOCK,
    EXECUTION,
    KNOWN_USER,
    ORGANIZATION,
    PERSONAL_ORGANIZATION,
    TEAM,
    USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "get_credits": [{"user_id": USER}, {"user_id": KNOWN_USER}],
    "get_org_credits": [{"org_id": PERSONAL_ORGANIZATION}],
    "get_personal_org_owner": [{"org_id": PERSONAL_ORGANIZATION}],
    "log_platform_cost": [
        {
            "entry": {
                "user_id": USER,
                "provider": "openai",
                "graph_exec_id": EXECUTION,
                "block_id": BLOCK,
                "cost_microdollars": 1250,
                "input_tokens": 100,
                "output_tokens": 20,
                "tracking_type": "cost_usd",
                "tracking_amount": 0.00125,
            }
        }
    ],
    "spend_credits": [
        {"user_id": USER, "cost": 5, "metadata": {"graph_exec_id": EXECUTION, "reason": "a run"}}
    ],
    "spend_org_credits": [
        {
            "org_id": ORGANIZATION,
            "user_id": USER,
            "team_id": TEAM,
            "cost": 5,
            "metadata": {"graph_exec_id": EXECUTION, "reason": "a run"},
        },
        {
            "org_id": PERSONAL_ORGANIZATION,
            "user_id": USER,
            "cost": 5,
            "metadata": {"graph_exec_id": EXECUTION},
        },
    ],
}
