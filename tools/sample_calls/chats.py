"""Sample calls of the methods for chats: sessions, messages, and what is posted into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    CHAT_SESSION,
    EXECUTION,
    EXPERT,
    NEW_CHAT_MESSAGE,
    NEW_CHAT_SESSION,
    PERSONAL_ORGANIZATION,
    SHARED_CHAT_SESSION,
    USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

MESSAGE = {"content": "Done.", "message_id": "message"}
IN_SESSION = {"session_id": CHAT_SESSION}
OF_USER = {"session_id": CHAT_SESSION, "user_id": USER}
TOOL_CALLS = [{"id": "call", "type": "function", "function": {"name": "f", "arguments": "{}"}}]

CALLS: Mapping[str, list[Arguments]] = {
    "add_chat_message": [
        {
            **IN_SESSION,
            "role": "user",
            "sequence": 100,
            "content": "Hello",
            "message_id": NEW_CHAT_MESSAGE,
            "metadata": {"mode": "fast"},
        }
    ],
    "add_chat_messages_batch": [
        {
            **IN_SESSION,
            "messages": [
                {"role": "assistant", "tool_calls": TOOL_CALLS, "model": "m"},
                {"role": "tool", "content": "42", "tool_call_id": "call", "name": "f"},
            ],
            "start_sequence": 200,
        },
        {**IN_SESSION, "messages": [{"role": "user", "content": "Hello"}], "start_sequence": 0},
    ],
    "append_expert_run_message": [
        {"user_id": USER, "expert_id": EXPERT, **MESSAGE, "metadata": {"work_card": {}}}
    ],
    "append_plain_session_message": [{"user_id": USER, **MESSAGE}],
    "count_chat_sessions_by_status": [{"user_id": USER, "status": "queued"}],
    "create_chat_session": [
        {
            "session_id": NEW_CHAT_SESSION,
            "user_id": USER,
            "metadata": {"source_platform": "discord"},
            "expert_id": EXPERT,
        }
    ],
    "delete_chat_session": [{"session_id": SHARED_CHAT_SESSION, "user_id": USER}],
    "get_chat_messages_paginated": [
        {**IN_SESSION, "limit": 50},
        {**OF_USER, "limit": 2, "before_sequence": 4},
        {**IN_SESSION, "limit": 2, "before_sequence": 6, "after_sequence": 1},
    ],
    "get_chat_session": [IN_SESSION],
    "get_chat_session_metadata": [IN_SESSION],
    "get_chat_session_status": [IN_SESSION],
    "get_latest_user_message_in_session": [IN_SESSION],
    "get_next_sequence": [IN_SESSION],
    "get_user_chat_sessions": [
        {"user_id": USER, "limit": 25},
        {"user_id": USER, "organization_id": PERSONAL_ORGANIZATION, "title_contains": "first"},
        {"user_id": USER, "expert_id": EXPERT, "pinned_first": False, "offset": 1},
        {"user_id": USER, "autopilot_only": True, "limit": 5},
    ],
    "get_user_session_count": [
        {"user_id": USER},
        {"user_id": USER, "expert_id": EXPERT},
        {"user_id": USER, "autopilot_only": True},
    ],
    "link_new_execution_to_chat_share": [
        {"session_id": SHARED_CHAT_SESSION, "execution_id": EXECUTION}
    ],
    "list_chat_sessions_by_status": [{"user_id": USER, "status": "queued"}],
    "set_turn_duration": [{**IN_SESSION, "duration_ms": 1234}],
    "update_chat_message_stamps": [
        {**IN_SESSION, "sequence": 4, "model": "m", "routing_source": "ld"}
    ],
    "update_chat_message_tool_calls": [{**IN_SESSION, "sequence": 4, "tool_calls": TOOL_CALLS}],
    "update_chat_session": [{**IN_SESSION, "title": "New title", "total_prompt_tokens": 12}],
    "update_chat_session_pinned": [{**OF_USER, "is_pinned": True}],
    "update_chat_session_status": [
        {**OF_USER, "status": "running", "expect_status": "idle"},
        {**IN_SESSION, "status": "queued"},
    ],
    "update_chat_session_title": [{**OF_USER, "title": "Another title"}],
    "update_message_content_by_sequence": [
        {**IN_SESSION, "sequence": 0, "new_content": "Hello again"}
    ],
    "update_tool_message_content": [
        {**IN_SESSION, "tool_call_id": "call1", "new_content": "New result"}
    ],
}
