"""What users are told in the morning."""

from __future__ import annotations

from typing import Any, TypedDict

from autogpt_db.models.marks import Date, Moment


class UserBriefing(TypedDict):
    """A user's briefing of a day."""

    id: str
    user_id: str
    briefing_date: Date
    content: dict[str, Any]
    created_at: Moment
    delivered_at: Moment | None
