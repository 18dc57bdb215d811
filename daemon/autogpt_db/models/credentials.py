"""Users' credentials for other services, and logins under way.

Members that aren't declared are kept: each AutoGPT release has brought new ones, and whoever stores
the rest again must not lose them.
"""

from __future__ import annotations

import uuid
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from autogpt_db.models.marks import Default, Secret


def _new_id() -> str:
    return str(uuid.uuid4())


def _no_managed_credentials() -> dict[str, Any]:
    return {"ayrshare_profile_key": None}


class OAuth2Credentials(TypedDict):
    """Tokens of an OAuth 2 login; times in unix seconds."""

    id: NotRequired[Annotated[str, Default(make=_new_id)]]
    provider: str
    title: NotRequired[Annotated[str | None, Default(None)]]
    type: NotRequired[Annotated[Literal["oauth2"], Default("oauth2")]]
    username: NotRequired[Annotated[str | None, Default(None)]]
    access_token: Annotated[str, Secret()]
    access_token_expires_at: NotRequired[Annotated[int | None, Default(None)]]
    refresh_token: NotRequired[Annotated[str | None, Default(None), Secret()]]
    refresh_token_expires_at: NotRequired[Annotated[int | None, Default(None)]]
    scopes: list[str]
    metadata: NotRequired[Annotated[dict[str, Any], Default(make=dict)]]
    is_managed: NotRequired[bool]
    refresh_strategy: NotRequired[str]
    provider_state: NotRequired[Any]
    provider_state_version: NotRequired[int | None]


class APIKeyCredentials(TypedDict):
    """An API key."""

    id: NotRequired[Annotated[str, Default(make=_new_id)]]
    provider: str
    title: NotRequired[Annotated[str | None, Default(None)]]
    type: NotRequired[Annotated[Literal["api_key"], Default("api_key")]]
    api_key: Annotated[str, Secret()]
    expires_at: NotRequired[Annotated[int | None, Default(None)]]
    is_managed: NotRequired[bool]
    metadata: NotRequired[dict[str, Any]]


class UserPasswordCredentials(TypedDict):
    """A user name and its password."""

    id: NotRequired[Annotated[str, Default(make=_new_id)]]
    provider: str
    title: NotRequired[Annotated[str | None, Default(None)]]
    type: NotRequired[Annotated[Literal["user_password"], Default("user_password")]]
    username: str
    password: Annotated[str, Secret()]
    is_managed: NotRequired[bool]
    metadata: NotRequired[dict[str, Any]]


class HostScopedCredentials(TypedDict):
    """Headers that go to one host only."""

    id: NotRequired[Annotated[str, Default(make=_new_id)]]
    provider: str
    title: NotRequired[Annotated[str | None, Default(None)]]
    type: NotRequired[Annotated[Literal["host_scoped"], Default("host_scoped")]]
    host: str
    headers: NotRequired[Annotated[dict[str, str], Default(make=dict), Secret()]]
    is_managed: NotRequired[bool]
    metadata: NotRequired[dict[str, Any]]


Credentials = (
    OAuth2Credentials | APIKeyCredentials | UserPasswordCredentials | HostScopedCredentials
)


class OAuthState(TypedDict):
    """An OAuth login under way."""

    token: Annotated[str, Secret()]
    provider: str
    expires_at: int
    code_verifier: NotRequired[Annotated[str | None, Default(None), Secret()]]
    scopes: list[str]
    callback_url: NotRequired[Annotated[str | None, Default(None)]]
    state_metadata: NotRequired[Annotated[dict[str, Any], Default(make=dict)]]
    initiated_by_api_key_id: NotRequired[Annotated[str | None, Default(None)]]
    credential_id: NotRequired[str | None]


class ManagedCredentials(TypedDict):
    """Credentials that the platform made for a user."""

    ayrshare_profile_key: NotRequired[Annotated[str | None, Default(None), Secret()]]


class UserIntegrations(TypedDict):
    """Everything that a user has stored."""

    managed_credentials: NotRequired[
        Annotated[ManagedCredentials, Default(make=_no_managed_credentials)]
    ]
    credentials: NotRequired[Annotated[list[Credentials], Default(make=list)]]
    oauth_states: NotRequired[Annotated[list[OAuthState], Default(make=list)]]
