"""The types that operations' signatures are written in, beyond Python's own.

A JSON-valued parameter is delivered as `JsonText`, cleaned: bind it as `%(name)s::jsonb`. The
aliases below differ in what they accept. What has declared members is a `TypedDict` of
`autogpt_db.models` and an alias here, or beside the only method that takes it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated, Any

from autogpt_db.models import execution_arguments, notifications, spending
from autogpt_db.signatures.json_text import JsonText


@dataclass(frozen=True, slots=True)
class Document:
    """Marks a JSON-valued parameter.

    Attributes:
        shape: The type that the JSON must validate as: `Any`, a `TypedDict`, or containers of
            them. What is delivered is the validated value: conversions made, defaults filled in.
        endless_as_null: Whether NaN, infinities and numbers beyond a double become null inside
            it, instead of making the request fail.
        keeps_extra_keys: Whether members that aren't declared are kept, and not dropped.
    """

    shape: Any
    endless_as_null: bool = False
    keeps_extra_keys: bool = False


@dataclass(frozen=True, slots=True)
class Bits:
    """Marks an integer parameter with the width it must fit; an unmarked one has 32 bits."""

    width: int


@dataclass(frozen=True, slots=True)
class AtMost:
    """Marks an integer parameter with the option of `limits` that bounds it, sign aside."""

    limit: str


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

CleanText = Annotated[JsonText, Document(str)]
"""Text without control characters, as a JSON string: bind it as `%(name)s::jsonb #>> '{}'`."""

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


class Platform(enum.StrEnum):
    """Where people chat with AutoGPT's bots: platform."PlatformType"."""

    DISCORD = "DISCORD"
    TELEGRAM = "TELEGRAM"
    SLACK = "SLACK"
    TEAMS = "TEAMS"
    WHATSAPP = "WHATSAPP"
    GITHUB = "GITHUB"
    LINEAR = "LINEAR"


NotificationEvent = Annotated[JsonText, Document(notifications.NotificationEventModel)]
"""The whole model; only its `data` is stored."""


UsageTransactionMetadata = Annotated[
    JsonText, Document(spending.UsageTransactionMetadata, endless_as_null=True)
]
"""The whole model: every declared member, null where nothing was said."""

CredentialInputs = Annotated[
    JsonText, Document(dict[str, execution_arguments.CredentialsMetaInput])
]
"""Credential references by input name."""


GraphExecutionStats = Annotated[
    JsonText, Document(execution_arguments.GraphExecutionStats, keeps_extra_keys=True)
]
"""The whole model: declared members with their defaults, and the members beyond them."""
