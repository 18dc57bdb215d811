"""The types that operations' signatures are written in, beyond Python's own.

A JSON-valued parameter is delivered as `JsonText`, cleaned: bind it as `%(name)s::jsonb`. The
aliases below differ in what they accept. A new model is a subclass of `Model` and an alias.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime  # noqa: TC003 - the registry reads the models' annotations
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from autogpt_db.signatures.json_text import JsonText


@dataclass(frozen=True, slots=True)
class Document:
    """Marks a JSON-valued parameter.

    Attributes:
        shape: The type that the JSON must validate as: `Any`, a `Model`, or containers of them.
            What is delivered is the validated value: conversions made, defaults filled in.
        endless_as_null: Whether NaN, infinities and numbers beyond a double become null inside
            it, instead of making the request fail.
    """

    shape: Any
    endless_as_null: bool = False


@dataclass(frozen=True, slots=True)
class Bits:
    """Marks an integer parameter with the width it must fit; an unmarked one has 32 bits."""

    width: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """Marks an integer parameter with the option of `limits` that bounds it, sign aside."""

    limit: str


@dataclass(frozen=True, slots=True)
class AnyCase:
    """Marks an enumeration, inside a document, whose labels count in any letter case."""


absent: Any = msgspec.UNSET
"""Default of a member that stays away when it doesn't come."""


class Model:
    """Base of objects with declared members: annotations are members, class attributes defaults.

    Members that aren't declared are ignored, or kept when the class says `keeps_extra_keys=True`.
    """

    keeps_extra_keys: ClassVar[bool] = False

    def __init_subclass__(cls, *, keeps_extra_keys: bool = False) -> None:
        cls.keeps_extra_keys = keeps_extra_keys


BigInteger = Annotated[int, Bits(64)]
"""An integer that goes to no `integer` column."""

Limit = Annotated[int, Bits(64), AtMost("rows")]
"""How many rows a list may have."""

PageSize = Annotated[int, AtMost("page_size")]
"""How many rows a page may have."""

BatchSize = Annotated[int, AtMost("batch_size")]
"""How many rows are worked on at once."""

JsonValue = Annotated[JsonText, Document(Any)]
"""Any JSON value. `null` is delivered as the text `null`, but as None to `JsonValue | None`."""

JsonValueToShow = Annotated[JsonText, Document(Any, endless_as_null=True)]
"""Any JSON value that is only sent back: use its `received`."""

JsonObject = Annotated[JsonText, Document(dict[str, Any])]
"""A JSON object."""

JsonObjectOfObjects = Annotated[JsonText, Document(dict[str, dict[str, Any]])]
"""A JSON object whose members are objects, as `nodes_input_masks` is."""

StartingNodesInput = list[tuple[str, JsonObject]]
"""Pairs of node id and input."""


class ExecutionStatus(enum.StrEnum):
    """Where a graph or node execution stands: platform."AgentExecutionStatus"."""

    INCOMPLETE = "INCOMPLETE"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    TERMINATED = "TERMINATED"
    FAILED = "FAILED"
    REVIEW = "REVIEW"


class UsageTransactionMetadataModel(Model):
    """What credits were spent on."""

    graph_exec_id: str | None = None
    graph_id: str | None = None
    node_id: str | None = None
    node_exec_id: str | None = None
    block_id: str | None = None
    block: str | None = None
    input: dict[str, Any] | None = None
    reason: str | None = None


class NotificationType(enum.StrEnum):
    """What a notification is about: platform."NotificationType"."""

    AGENT_RUN = "AGENT_RUN"
    ZERO_BALANCE = "ZERO_BALANCE"
    LOW_BALANCE = "LOW_BALANCE"
    BLOCK_EXECUTION_FAILED = "BLOCK_EXECUTION_FAILED"
    CONTINUOUS_AGENT_ERROR = "CONTINUOUS_AGENT_ERROR"
    DAILY_SUMMARY = "DAILY_SUMMARY"
    WEEKLY_SUMMARY = "WEEKLY_SUMMARY"
    MONTHLY_SUMMARY = "MONTHLY_SUMMARY"
    REFUND_REQUEST = "REFUND_REQUEST"
    REFUND_PROCESSED = "REFUND_PROCESSED"
    AGENT_APPROVED = "AGENT_APPROVED"
    AGENT_REJECTED = "AGENT_REJECTED"


class LibraryAgentSort(enum.StrEnum):
    """What a list of library agents is ordered by."""

    CREATED_AT = "createdAt"
    UPDATED_AT = "updatedAt"
    LAST_RUN_AT = "lastRunAt"


class NotificationEventModel(Model):
    """A notification on its way."""

    type: Annotated[NotificationType, AnyCase()]
    user_id: str
    created_at: datetime | None = None
    id: str | None = None
    data: dict[str, Any]


NotificationEvent = Annotated[JsonText, Document(NotificationEventModel)]
"""The whole model; only its `data` is stored."""


class CredentialsMetaInputModel(Model):
    """A reference to stored credentials."""

    id: str
    title: str | None = None
    provider: str
    type: Literal["api_key", "oauth2", "user_password", "host_scoped"]


UsageTransactionMetadata = Annotated[
    JsonText, Document(UsageTransactionMetadataModel, endless_as_null=True)
]
"""The whole model: every declared member, null where nothing was said."""

CredentialInputs = Annotated[JsonText, Document(dict[str, CredentialsMetaInputModel])]
"""Credential references by input name."""


class GraphExecutionStatsModel(Model, keeps_extra_keys=True):
    """The figures of one graph execution; times in seconds, cost in credits."""

    error: str | None = None
    walltime: float = 0
    cputime: float = 0
    nodes_walltime: float = 0
    nodes_cputime: float = 0
    node_count: int = 0
    node_error_count: int = 0
    cost: int = 0
    activity_status: str | None = None
    correctness_score: float | None = None
    # Of later releases: stored only if they come.
    is_dry_run: bool = absent
    failure_reason: Literal["insufficient_balance", "entitlement_required"] | None = absent


GraphExecutionStats = Annotated[JsonText, Document(GraphExecutionStatsModel)]
"""The whole model: declared members with their defaults, and the members beyond them."""
