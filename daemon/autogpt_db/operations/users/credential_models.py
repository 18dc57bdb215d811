"""What users' integrations hold: credentials for other services, and logins under way.

Members that aren't declared are kept: each AutoGPT release has brought new ones, and whoever stores
the rest again must not lose them.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal

import msgspec

from autogpt_db.signatures.json_text import JsonText
from autogpt_db.signatures.types import Document, Model, absent


def _new_id() -> str:
    return str(uuid.uuid4())


class OAuth2CredentialsModel(Model, keeps_extra_keys=True):
    """Tokens of an OAuth 2 login; times in unix seconds."""

    id: str = msgspec.field(default_factory=_new_id)
    provider: str
    title: str | None = None
    type: Literal["oauth2"] = "oauth2"
    is_managed: bool = absent
    username: str | None = None
    access_token: str
    access_token_expires_at: int | None = None
    refresh_token: str | None = None
    refresh_token_expires_at: int | None = None
    scopes: list[str]
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class ApiKeyCredentialsModel(Model, keeps_extra_keys=True):
    """An API key."""

    id: str = msgspec.field(default_factory=_new_id)
    provider: str
    title: str | None = None
    type: Literal["api_key"] = "api_key"
    is_managed: bool = absent
    metadata: dict[str, Any] = absent
    api_key: str
    expires_at: int | None = None


class UserPasswordCredentialsModel(Model, keeps_extra_keys=True):
    """A user name and its password."""

    id: str = msgspec.field(default_factory=_new_id)
    provider: str
    title: str | None = None
    type: Literal["user_password"] = "user_password"
    is_managed: bool = absent
    metadata: dict[str, Any] = absent
    username: str
    password: str


class HostScopedCredentialsModel(Model, keeps_extra_keys=True):
    """Headers that go to one host only."""

    id: str = msgspec.field(default_factory=_new_id)
    provider: str
    title: str | None = None
    type: Literal["host_scoped"] = "host_scoped"
    is_managed: bool = absent
    metadata: dict[str, Any] = absent
    host: str
    headers: dict[str, str] = msgspec.field(default_factory=dict)


class OAuthStateModel(Model, keeps_extra_keys=True):
    """An OAuth login under way."""

    token: str
    provider: str
    expires_at: int
    code_verifier: str | None = None
    scopes: list[str]
    credential_id: str | None = absent
    callback_url: str | None = None
    state_metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    initiated_by_api_key_id: str | None = None


class ManagedCredentialsModel(Model, keeps_extra_keys=True):
    """Credentials that the platform made for a user."""

    ayrshare_profile_key: str | None = None


def _no_managed_credentials() -> Any:
    return {"ayrshare_profile_key": None}


class UserIntegrationsModel(Model, keeps_extra_keys=True):
    """Everything that a user has stored."""

    managed_credentials: ManagedCredentialsModel = msgspec.field(
        default_factory=_no_managed_credentials
    )
    credentials: list[
        OAuth2CredentialsModel
        | ApiKeyCredentialsModel
        | UserPasswordCredentialsModel
        | HostScopedCredentialsModel
    ] = msgspec.field(default_factory=list)
    oauth_states: list[OAuthStateModel] = msgspec.field(default_factory=list)


UserIntegrations = Annotated[JsonText, Document(UserIntegrationsModel)]
"""The whole model; use its `received`, which isn't cleaned."""
