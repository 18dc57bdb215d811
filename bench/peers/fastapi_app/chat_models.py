"""What goes over the wire of the chats' routes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from bench.peers.fastapi_app.chat_tables import ChatSession, PushSubscription


class Usage(BaseModel):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0


class ChatSessionMetadata(BaseModel):
    dry_run: bool = False
    builder_graph_id: str | None = None
    source_platform: str | None = None
    kind: str = "normal"
    dream_pass_id: str | None = None


class ChatSessionInfo(BaseModel):
    session_id: str
    user_id: str
    title: str | None
    usage: list[Usage]
    credentials: dict[str, dict[str, Any]]
    started_at: datetime
    updated_at: datetime
    successful_agent_runs: dict[str, int]
    successful_agent_schedules: dict[str, int]
    metadata: ChatSessionMetadata
    chat_status: str
    organization_id: str | None
    team_id: str | None
    is_pinned: bool

    @classmethod
    def of(cls, row: ChatSession) -> ChatSessionInfo:
        sent, got = row.total_prompt_tokens, row.total_completion_tokens
        usage = Usage(prompt_tokens=sent, completion_tokens=got, total_tokens=sent + got)
        return cls(
            session_id=row.id,
            user_id=row.user_id,
            title=row.title,
            usage=[usage] if sent or got else [],
            credentials=row.credentials,
            started_at=row.created_at.replace(tzinfo=UTC),
            updated_at=row.updated_at.replace(tzinfo=UTC),
            successful_agent_runs=row.successful_agent_runs,
            successful_agent_schedules=row.successful_agent_schedules,
            metadata=ChatSessionMetadata.model_validate(row.details),
            chat_status=row.status,
            organization_id=row.organization_id,
            team_id=row.team_id,
            is_pinned=row.is_pinned,
        )


class ChatMessageToAdd(BaseModel):
    role: str
    id: str | None = None
    content: str | None = None
    name: str | None = None
    tool_call_id: str | None = None
    refusal: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    function_call: dict[str, Any] | None = None
    duration_ms: int | None = None


class PushSubscriptionModel(BaseModel):
    user_id: str
    endpoint: str
    p256dh: str
    auth: str

    @classmethod
    def of(cls, row: PushSubscription) -> PushSubscriptionModel:
        return cls(user_id=row.user_id, endpoint=row.endpoint, p256dh=row.p256dh, auth=row.auth)
