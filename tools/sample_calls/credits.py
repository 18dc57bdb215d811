"""Sample calls of the methods for credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import BLOCK, EXECUTION, KNOWN_USER, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "get_credits": [{"user_id": USER}, {"user_id": KNOWN_USER}],
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
}
