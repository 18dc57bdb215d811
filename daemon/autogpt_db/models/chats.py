"""Chats between users and what answers them: sessions, and the messages in them."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.marks import Content, Default, Moment


class ChatSessionMetadata(TypedDict):
    """What kind of session it is, and where it comes from.

    Until AutoGPT v0.6.70 it has no `llm_…` members.
    """

    dry_run: NotRequired[Annotated[bool, Default(False)]]
    llm_auth_provider: NotRequired[Annotated[str, Default("platform")]]
    llm_credential_id: NotRequired[Annotated[str | None, Default(None)]]
    builder_graph_id: NotRequired[Annotated[str | None, Default(None)]]
    source_platform: NotRequired[Annotated[str | None, Default(None)]]
    kind: NotRequired[Annotated[str, Default("normal")]]
    dream_pass_id: NotRequired[Annotated[str | None, Default(None)]]


class ChatMessageToAdd(TypedDict):
    """A message of a batch; its number follows from its place in that."""

    role: str
    id: NotRequired[Annotated[str | None, Default(None)]]
    content: NotRequired[Annotated[str | None, Default(None)]]
    name: NotRequired[Annotated[str | None, Default(None)]]
    tool_call_id: NotRequired[Annotated[str | None, Default(None)]]
    refusal: NotRequired[Annotated[str | None, Default(None)]]
    tool_calls: NotRequired[Annotated[list[dict[str, Any]] | None, Default(None)]]
    function_call: NotRequired[Annotated[dict[str, Any] | None, Default(None)]]
    duration_ms: NotRequired[Annotated[int | None, Default(None)]]
    model: NotRequired[Annotated[str | None, Default(None)]]
    routing_source: NotRequired[Annotated[str | None, Default(None)]]


class ChatUsage(TypedDict):
    """Tokens that a session has used."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int


class ChatSessionInfo(TypedDict):
    """A session without its messages; `expert_id` is there from AutoGPT v0.6.70 on."""

    session_id: str
    user_id: str
    title: Annotated[str | None, Content()]
    usage: list[ChatUsage]
    credentials: Annotated[dict[str, dict[str, Any]], Content()]
    started_at: Moment
    updated_at: Moment
    successful_agent_runs: Annotated[dict[str, int], Content()]
    successful_agent_schedules: Annotated[dict[str, int], Content()]
    metadata: Annotated[ChatSessionMetadata, Content()]
    chat_status: str
    organization_id: str | None
    team_id: str | None
    is_pinned: bool
    expert_id: NotRequired[str | None]


class ChatMessage(TypedDict):
    """A message of a session; `model` is there from AutoGPT v0.7.0 on."""

    id: str
    role: str
    content: str | None
    name: str | None
    tool_call_id: str | None
    refusal: str | None
    tool_calls: list[dict[str, Any]] | None
    function_call: dict[str, Any] | None
    sequence: int
    duration_ms: int | None
    created_at: Moment
    model: NotRequired[str | None]
    session_id: str
    metadata: dict[str, Any] | None


class PaginatedMessages(TypedDict):
    """A page of a session's messages, in their order, and the session."""

    messages: list[ChatMessage]
    has_more: bool
    oldest_sequence: int | None
    session: ChatSessionInfo


class ChatSession(ChatSessionInfo):
    """A session with all its messages."""

    messages: list[ChatMessage]
