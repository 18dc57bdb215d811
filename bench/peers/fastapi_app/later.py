"""Routes of what AutoGPT v0.6.67 and later call for a node and its run."""

from __future__ import annotations

import os
from typing import Annotated, Any
from uuid import uuid4

from bench.peers.fastapi_app.later_models import (
    Credentials,
    GraphExecutionMeta,
    PlatformCostEntry,
    RunStats,
    UsageTransactionMetadata,
    WorkspaceModel,
    credentials_adapter,
)
from bench.peers.fastapi_app.later_tables import (
    Balance,
    Credential,
    CreditTransaction,
    Member,
    Organization,
    PlatformCost,
    Review,
    Workspace,
)
from bench.peers.fastapi_app.models import GraphExecutionModel  # noqa: TC002 - FastAPI reads it
from bench.peers.fastapi_app.sessions import Session, Text, clean, now, whole
from bench.peers.fastapi_app.tables import GraphExecution
from cryptography.fernet import Fernet
from fastapi import APIRouter, Body
from sqlalchemy import exists, select, update
from sqlalchemy.dialects.postgresql import insert

router = APIRouter()
fernet = Fernet(os.environ["KEY"])


@router.post("/get_or_create_workspace")
async def get_or_create_workspace(session: Session, user_id: Text) -> WorkspaceModel:
    statement = select(Workspace).where(Workspace.user_id == user_id)
    row = (await session.scalars(statement)).one_or_none()
    if row is None:
        made = insert(Workspace).values(
            id=str(uuid4()), user_id=user_id, created_at=now(), updated_at=now()
        )
        await session.execute(made.on_conflict_do_nothing(index_elements=[Workspace.user_id]))
        await session.commit()
        row = (await session.scalars(statement)).one()
    return WorkspaceModel.of(row)


@router.post("/get_graph_execution_meta")
async def get_graph_execution_meta(
    session: Session, user_id: Text, execution_id: Text
) -> GraphExecutionMeta | None:
    statement = select(GraphExecution).where(
        GraphExecution.id == execution_id,
        GraphExecution.user_id == user_id,
        ~GraphExecution.is_deleted,
    )
    row = (await session.scalars(statement)).one_or_none()
    return GraphExecutionMeta.of(row) if row else None


@router.post("/has_pending_reviews_for_graph_exec")
async def has_pending_reviews_for_graph_exec(session: Session, graph_exec_id: Text) -> bool:
    waiting = exists().where(Review.graph_execution_id == graph_exec_id, Review.status == "WAITING")
    return bool(await session.scalar(select(waiting)))


@router.post("/update_graph_execution_stats")
async def update_graph_execution_stats(
    session: Session, graph_exec_id: Text, stats: Annotated[RunStats, Body(embed=True)]
) -> GraphExecutionModel:
    await session.execute(
        update(GraphExecution)
        .where(GraphExecution.id == graph_exec_id)
        .values(stats=clean(stats.model_dump()), updated_at=now())
    )
    row = await session.get(GraphExecution, graph_exec_id)
    if row is None:
        raise ValueError(f"There is no graph execution {graph_exec_id}.")
    found = await whole(session, row, with_nodes=False)
    await session.commit()
    return found


@router.post("/spend_org_credits")
async def spend_org_credits(
    session: Session,
    org_id: Text,
    user_id: Text,
    cost: Annotated[int, Body(embed=True)],
    metadata: Annotated[UsageTransactionMetadata, Body(embed=True)],
    team_id: Annotated[str | None, Body(embed=True)] = None,
) -> int:
    owner = await session.scalar(
        select(Member.user_id)
        .join(Organization, Organization.id == Member.organization_id)
        .where(Organization.id == org_id, Organization.is_personal, Member.is_owner)
    )
    if owner is not None:
        raise ValueError("No organization of a user's own is measured.")
    balance = await session.scalar(
        update(Balance)
        .where(Balance.organization_id == org_id, Balance.balance >= cost)
        .values(balance=Balance.balance - cost, updated_at=now())
        .returning(Balance.balance)
    )
    if balance is None:
        raise ValueError("The balance doesn't suffice.")
    session.add(
        CreditTransaction(
            key=str(uuid4()), created_at=now(), organization_id=org_id, user_id=user_id,
            team_id=team_id, amount=-cost, type="USAGE", running_balance=balance, is_active=True,
            details=metadata.model_dump(),
        )
    )  # fmt: skip
    await session.commit()
    return int(balance)


@router.post("/get_user_credentials")
async def get_user_credentials(session: Session, user_id: Text) -> list[Credentials]:
    statement = (
        select(Credential)
        .where(
            Credential.owner_type == "USER",
            Credential.owner_id == user_id,
            Credential.status == "active",
        )
        .order_by(Credential.created_at)
    )
    rows = (await session.scalars(statement)).all()
    return [credentials_adapter.validate_json(fernet.decrypt(row.payload)) for row in rows]


@router.post("/log_platform_cost")
async def log_platform_cost(
    session: Session, entry: Annotated[PlatformCostEntry, Body(embed=True)]
) -> None:
    given: dict[str, Any] = entry.model_dump()
    given |= {"provider": entry.provider.lower(), "details": clean(given.pop("metadata")) or {}}
    session.add(PlatformCost(id=str(uuid4()), created_at=now(), **given))
    await session.commit()
