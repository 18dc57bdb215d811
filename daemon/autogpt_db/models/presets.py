"""Presets: what users run an agent with time and again."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from autogpt_db.models.execution_arguments import CredentialsMetaInput
from autogpt_db.models.marks import Moment, Secret
from autogpt_db.models.pages import Pagination


class Webhook(TypedDict):
    """Where a provider calls when something happens there; what is secret of it stays empty."""

    id: str
    user_id: str
    provider: str
    credentials_id: str
    webhook_type: str
    resource: str
    events: list[str]
    config: dict[str, Any]
    secret: Annotated[str, Secret()]
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]
    provider_webhook_id: str
    url: str


class LibraryAgentPreset(TypedDict):
    """What a user runs an agent with time and again."""

    graph_id: str
    graph_version: int
    inputs: dict[str, Any]
    credentials: dict[str, CredentialsMetaInput]
    name: str
    description: str
    is_active: bool
    id: str
    user_id: str
    created_at: Moment
    updated_at: Moment
    organization_id: NotRequired[str | None]
    team_id: NotRequired[str | None]
    webhook_id: str | None
    webhook: Webhook | None
    expert_id: NotRequired[str | None]


class LibraryAgentPresetResponse(TypedDict):
    """A page of a user's presets."""

    presets: list[LibraryAgentPreset]
    pagination: Pagination
