"""Sample calls of the methods for credits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import EXECUTION, KNOWN_USER, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "get_credits": [{"user_id": USER}, {"user_id": KNOWN_USER}],
    "spend_credits": [
        {"user_id": USER, "cost": 5, "metadata": {"graph_exec_id": EXECUTION, "reason": "a run"}}
    ],
}
