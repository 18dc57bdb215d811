"""Sample calls of the methods for briefings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import BRIEFING, BRIEFING_DATE, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

CALLS: Mapping[str, list[Arguments]] = {
    "create_briefing": [
        {"user_id": USER, "briefing_date": "2026-01-15", "content": {"headline": "Three runs"}}
    ],
    "get_briefing_for_date": [{"user_id": USER, "briefing_date": BRIEFING_DATE}],
    "get_latest_briefings": [{"user_id": USER}, {"user_id": USER, "limit": -1}],
    "mark_briefing_delivered": [{"user_id": USER, "briefing_id": BRIEFING}],
    "update_briefing_content": [
        {"user_id": USER, "briefing_id": BRIEFING, "content": {"headline": "Four runs"}}
    ],
}
