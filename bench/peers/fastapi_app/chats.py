"""Routes of what the copilot calls for a chat turn."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from bench.peers.fastapi_app.chat_models import (
    ChatMessageToAdd,
    ChatSessionInfo,
    PushSubscriptionModel,
)
from bench.peers.fastapi_app.chat_tables import ChatMessage, ChatSession, PushSubscription
from bench.peers.fastapi_app.sessions import Session, Text, clean, now
from fastapi import APIRouter, Body
from sqlalchemy import func, select, update

router = APIRouter()


@router.post("/count_chat_sessions_by_status")
async def count_chat_sessions_by_status(session: Session, user_id: Text, status: Text) -> int:
    statement = select(func.count()).where(
        ChatSession.user_id == user_id, ChatSession.status == status
    )
    return (await session.scalar(statement)) or 0


@router.post("/list_chat_sessions_by_status")
async def list_chat_sessions_by_status(
    session: Session, user_id: Text, status: Text
) -> list[ChatSessionInfo]:
    statement = (
        select(ChatSession)
        .where(ChatSession.user_id == user_id, ChatSession.status == status)
        .order_by(ChatSession.updated_at, ChatSession.id)
    )
    return [ChatSessionInfo.of(row) for row in await session.scalars(statement)]


@router.post("/update_chat_session_status")
async def update_chat_session_status(
    session: Session,
    session_id: Text,
    status: Text,
    expect_status: Annotated[str | None, Body(embed=True)] = None,
    user_id: Annotated[str | None, Body(embed=True)] = None,
) -> bool:
    statement = update(ChatSession).where(ChatSession.id == session_id)
    if expect_status is not None:
        statement = statement.where(ChatSession.status == expect_status)
    if user_id is not None:
        statement = statement.where(ChatSession.user_id == user_id)
    changed = await session.execute(statement.values(status=status, updated_at=now()))
    await session.commit()
    return bool(changed.rowcount)


@router.post("/update_chat_session")
async def update_chat_session(
    session: Session,
    session_id: Text,
    credentials: Annotated[dict[str, Any] | None, Body(embed=True)] = None,
    successful_agent_runs: Annotated[dict[str, int] | None, Body(embed=True)] = None,
    successful_agent_schedules: Annotated[dict[str, int] | None, Body(embed=True)] = None,
    total_prompt_tokens: Annotated[int | None, Body(embed=True)] = None,
    total_completion_tokens: Annotated[int | None, Body(embed=True)] = None,
    title: Annotated[str | None, Body(embed=True)] = None,
) -> ChatSessionInfo | None:
    given = {
        "credentials": clean(credentials),
        "successful_agent_runs": clean(successful_agent_runs),
        "successful_agent_schedules": clean(successful_agent_schedules),
        "total_prompt_tokens": total_prompt_tokens,
        "total_completion_tokens": total_completion_tokens,
        "title": title,
    }
    row = await session.get(ChatSession, session_id)
    if row is None:
        return None
    for name, value in given.items():
        if value is not None:
            setattr(row, name, value)
    row.updated_at = now()
    await session.commit()
    return ChatSessionInfo.of(row)


@router.post("/get_next_sequence")
async def get_next_sequence(session: Session, session_id: Text) -> int:
    return await _next(session, session_id)


async def _next(session: Session, session_id: str) -> int:
    highest = await session.scalar(
        select(func.max(ChatMessage.sequence)).where(ChatMessage.session_id == session_id)
    )
    return 0 if highest is None else highest + 1


@router.post("/add_chat_messages_batch")
async def add_chat_messages_batch(
    session: Session,
    session_id: Text,
    messages: Annotated[list[ChatMessageToAdd], Body(embed=True)],
    start_sequence: Annotated[int, Body(embed=True)],
) -> int:
    if not messages:
        return start_sequence
    moment = now()
    locked = select(ChatSession).where(ChatSession.id == session_id).with_for_update()
    row = await session.scalar(locked)
    if row is None:
        raise ValueError(f"There is no chat {session_id}.")
    taken = await session.scalar(
        select(func.count()).where(
            ChatMessage.session_id == session_id,
            ChatMessage.sequence >= start_sequence,
            ChatMessage.sequence < start_sequence + len(messages),
        )
    )
    start = await _next(session, session_id) if taken else start_sequence
    row.updated_at = moment
    session.add_all(
        ChatMessage(
            id=message.id or str(uuid4()),
            created_at=moment,
            session_id=session_id,
            sequence=start + place,
            role=message.role,
            content=clean(message.content),
            name=message.name,
            tool_call_id=message.tool_call_id,
            refusal=clean(message.refusal),
            tool_calls=clean(message.tool_calls),
            function_call=clean(message.function_call),
            duration_ms=message.duration_ms,
        )
        for place, message in enumerate(messages)
    )
    await session.commit()
    return start


@router.post("/set_turn_duration")
async def set_turn_duration(
    session: Session, session_id: Text, duration_ms: Annotated[int, Body(embed=True)]
) -> None:
    latest = (
        select(ChatMessage.id)
        .where(ChatMessage.session_id == session_id, ChatMessage.role == "assistant")
        .order_by(ChatMessage.sequence.desc())
        .limit(1)
        .scalar_subquery()
    )
    await session.execute(
        update(ChatMessage).where(ChatMessage.id == latest).values(duration_ms=duration_ms)
    )
    await session.commit()


@router.post("/get_user_push_subscriptions")
async def get_user_push_subscriptions(
    session: Session, user_id: Text
) -> list[PushSubscriptionModel]:
    statement = (
        select(PushSubscription)
        .where(PushSubscription.user_id == user_id)
        .order_by(PushSubscription.created_at)
    )
    return [PushSubscriptionModel.of(row) for row in await session.scalars(statement)]
