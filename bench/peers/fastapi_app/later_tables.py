"""AutoGPT's tables of organizations, workspaces, credentials and costs."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - SQLAlchemy reads annotations
from typing import Any

from bench.peers.fastapi_app.tables import Base
from sqlalchemy import ForeignKey
from sqlalchemy.dialects.postgresql import ENUM, JSONB
from sqlalchemy.orm import Mapped, mapped_column


def _enum(name: str, *labels: str) -> ENUM:
    return ENUM(*labels, name=name, schema="platform", create_type=False)


class Workspace(Base):
    __tablename__ = "UserWorkspace"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    updated_at: Mapped[datetime] = mapped_column("updatedAt")
    user_id: Mapped[str] = mapped_column("userId", unique=True)


class Review(Base):
    __tablename__ = "PendingHumanReview"

    node_execution_id: Mapped[str] = mapped_column("nodeExecId", primary_key=True)
    graph_execution_id: Mapped[str] = mapped_column("graphExecId")
    status: Mapped[str] = mapped_column(_enum("ReviewStatus", "WAITING", "APPROVED", "REJECTED"))


class Organization(Base):
    __tablename__ = "Organization"

    id: Mapped[str] = mapped_column(primary_key=True)
    is_personal: Mapped[bool] = mapped_column("isPersonal")


class Member(Base):
    __tablename__ = "OrgMember"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column("orgId", ForeignKey(Organization.id))
    user_id: Mapped[str] = mapped_column("userId")
    is_owner: Mapped[bool] = mapped_column("isOwner")


class Balance(Base):
    __tablename__ = "OrgBalance"

    organization_id: Mapped[str] = mapped_column("orgId", primary_key=True)
    balance: Mapped[int]
    updated_at: Mapped[datetime] = mapped_column("updatedAt")


class CreditTransaction(Base):
    __tablename__ = "OrgCreditTransaction"

    key: Mapped[str] = mapped_column("transactionKey", primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    organization_id: Mapped[str] = mapped_column("orgId")
    user_id: Mapped[str | None] = mapped_column("initiatedByUserId")
    team_id: Mapped[str | None] = mapped_column("teamId")
    amount: Mapped[int]
    type: Mapped[str] = mapped_column(
        _enum(
            "CreditTransactionType", "TOP_UP", "USAGE", "GRANT", "REFUND", "CARD_CHECK",
            "SUBSCRIPTION",
        )
    )  # fmt: skip
    running_balance: Mapped[int | None] = mapped_column("runningBalance")
    is_active: Mapped[bool] = mapped_column("isActive")
    details: Mapped[Any] = mapped_column("metadata", JSONB)


class Credential(Base):
    __tablename__ = "IntegrationCredential"

    id: Mapped[str] = mapped_column(primary_key=True)
    owner_type: Mapped[str] = mapped_column(
        "ownerType", _enum("CredentialOwnerType", "USER", "TEAM", "ORG")
    )
    owner_id: Mapped[str] = mapped_column("ownerId")
    status: Mapped[str]
    payload: Mapped[str] = mapped_column("encryptedPayload")
    created_at: Mapped[datetime] = mapped_column("createdAt")


class PlatformCost(Base):
    __tablename__ = "PlatformCostLog"

    id: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime] = mapped_column("createdAt")
    user_id: Mapped[str | None] = mapped_column("userId")
    graph_exec_id: Mapped[str | None] = mapped_column("graphExecId")
    node_exec_id: Mapped[str | None] = mapped_column("nodeExecId")
    graph_id: Mapped[str | None] = mapped_column("graphId")
    node_id: Mapped[str | None] = mapped_column("nodeId")
    block_id: Mapped[str | None] = mapped_column("blockId")
    block_name: Mapped[str | None] = mapped_column("blockName")
    provider: Mapped[str]
    credential_id: Mapped[str | None] = mapped_column("credentialId")
    cost_microdollars: Mapped[int | None] = mapped_column("costMicrodollars")
    input_tokens: Mapped[int | None] = mapped_column("inputTokens")
    output_tokens: Mapped[int | None] = mapped_column("outputTokens")
    cache_read_tokens: Mapped[int | None] = mapped_column("cacheReadTokens")
    cache_creation_tokens: Mapped[int | None] = mapped_column("cacheCreationTokens")
    data_size: Mapped[int | None] = mapped_column("dataSize")
    duration: Mapped[float | None]
    model: Mapped[str | None]
    tracking_type: Mapped[str | None] = mapped_column("trackingType")
    tracking_amount: Mapped[float | None] = mapped_column("trackingAmount")
    details: Mapped[Any] = mapped_column("metadata", JSONB)
