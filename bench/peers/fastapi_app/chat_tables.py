"""AutoGPT's tables of chats."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads annotations
from typing import Any

from bench.peers.fastapi_app.tables import Base
from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import ENUM, JSONB
from sqlalchemy.orm import Mapped, mapped_column

_STATUS = ENUM(
    "idle", "queued", "running", name="ChatSessionStatus", schema="platform", create_type=False
)


class ChatSession(Base):
    __tablename__ = "ChatSession"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    updated_at: Mapped[datetime] = mapped_column("updatedAt")
    user_id: Mapped[str] = mapped_column("userId")
    title: Mapped[str | None]
    credentials: Mapped[Any]
    successful_agent_runs: Mapped[Any] = mapped_column("successfulAgentRuns")
    successful_agent_schedules: Mapped[Any] = mapped_column("successfulAgentSchedules")
    total_prompt_tokens: Mapped[int] = mapped_column("totalPromptTokens")
    total_completion_tokens: Mapped[int] = mapped_column("totalCompletionTokens")
    details: Mapped[Any] = mapped_column("metadata")
    organization_id: Mapped[str | None] = mapped_column("organizationId")
    team_id: Mapped[str | None] = mapped_column("teamId")
    status: Mapped[str] = mapped_column("chatStatus", _STATUS)
    is_pinned: Mapped[bool] = mapped_column("isPinned")


class ChatMessage(Base):
    __tablename__ = "ChatMessage"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    session_id: Mapped[str] = mapped_column("sessionId", ForeignKey(ChatSession.id))
    sequence: Mapped[int]
    role: Mapped[str]
    content: Mapped[str | None]
    name: Mapped[str | None]
    tool_call_id: Mapped[str | None] = mapped_column("toolCallId")
    refusal: Mapped[str | None]
    tool_calls: Mapped[Any | None] = mapped_column("toolCalls", JSONB(none_as_null=True))
    function_call: Mapped[Any | None] = mapped_column("functionCall", JSONB(none_as_null=True))
    duration_ms: Mapped[int | None] = mapped_column("durationMs")


class PushSubscription(Base):
    __tablename__ = "PushSubscription"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    user_id: Mapped[str] = mapped_column("userId")
    endpoint: Mapped[str]
    p256dh: Mapped[str]
    auth: Mapped[str]
