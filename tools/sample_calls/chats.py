"""Sample calls of the methods for what is posted into chats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import EXPERT, USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

MESSAGE = {"content": "Done.", "message_id": "message"}

CALLS: Mapping[str, list[Arguments]] = {
    "append_expert_run_message": [
        {"user_id": USER, "expert_id": EXPERT, **MESSAGE, "metadata": {"work_card": {}}}
    ],
    "append_plain_session_message": [{"user_id": USER, **MESSAGE}],
}
