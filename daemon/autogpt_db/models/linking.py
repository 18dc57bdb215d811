"""Servers and people of chat platforms, linked with AutoGPT's accounts."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from autogpt_db.models.marks import Default, Label, Length, Moment, Secret

Platform = Literal["DISCORD", "TELEGRAM", "SLACK", "TEAMS", "WHATSAPP", "GITHUB", "LINEAR"]
"""Where people chat with AutoGPT's bots."""

LinkType = Literal["SERVER", "USER"]
"""What a token links: a server, or a person's own account there."""

GivenPlatform = Annotated[Platform, Label()]
"""The same in an argument."""

_Identifier = Annotated[str, Length(1, 255)]
_Name = Annotated[str, Length(0, 255)]


class CreateLinkTokenRequest(TypedDict):
    """Who wants to link which server."""

    platform: GivenPlatform
    platform_server_id: _Identifier
    platform_user_id: _Identifier
    platform_username: NotRequired[Annotated[_Name | None, Default(None)]]
    server_name: NotRequired[Annotated[_Name | None, Default(None)]]
    channel_id: NotRequired[Annotated[_Name | None, Default(None)]]


class CreateUserLinkTokenRequest(TypedDict):
    """Who wants to link their own account."""

    platform: GivenPlatform
    platform_user_id: _Identifier
    platform_username: NotRequired[Annotated[_Name | None, Default(None)]]


class LinkTokenResponse(TypedDict):
    """A token, until when it can be used, and where."""

    token: Annotated[str, Secret()]
    expires_at: Moment
    link_url: Annotated[str, Secret()]


class LinkTokenStatusResponse(TypedDict):
    """What has become of a token."""

    status: Literal["pending", "linked", "expired"]


class LinkTokenInfoResponse(TypedDict):
    """What a token would link; `server_noun` since AutoGPT v0.7.2."""

    platform: Platform
    link_type: LinkType
    server_name: str | None
    server_noun: NotRequired[str]


class ConfirmLinkResponse(TypedDict):
    """The server that has been linked; `return_url` since AutoGPT v0.7.2."""

    success: bool
    link_type: LinkType
    platform: Platform
    platform_server_id: str
    server_name: str | None
    return_url: NotRequired[str | None]


class ConfirmUserLinkResponse(TypedDict):
    """The account that has been linked; `return_url` since AutoGPT v0.7.2."""

    success: bool
    link_type: LinkType
    platform: Platform
    platform_user_id: str
    return_url: NotRequired[str | None]


class PlatformLinkInfo(TypedDict):
    """A server that a user has linked."""

    id: str
    platform: Platform
    platform_server_id: str
    owner_platform_user_id: str
    server_name: str | None
    linked_at: Moment


class PlatformUserLinkInfo(TypedDict):
    """An account on a chat platform that a user has linked."""

    id: str
    platform: Platform
    platform_user_id: str
    platform_username: str | None
    linked_at: Moment


class DeleteLinkResponse(TypedDict):
    """That a link is gone."""

    success: bool


class ResolveResponse(TypedDict):
    """Whether there is a link."""

    linked: bool
