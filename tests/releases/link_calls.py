"""How links of chat platforms' servers and accounts are asked for in the tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

SERVER = {"platform": "DISCORD", "platform_server_id": "s"}
ACCOUNT = {"platform": "DISCORD", "platform_user_id": "a"}
ASKED = {
    "server": ("create_server_link_token", {**SERVER, "platform_user_id": "owner"}),
    "user": ("create_user_link_token", ACCOUNT),
}
OWNER = {"server": "find_server_link_owner", "user": "find_user_link_owner"}
RESOLVE = {"server": "resolve_server_link", "user": "resolve_user_link"}
CONFIRM = {"server": "confirm_server_link", "user": "confirm_user_link"}
LISTED = {"server": "list_server_links", "user": "list_user_links"}
DELETE = {"server": "delete_server_link", "user": "delete_user_link"}
TABLES = {"server": "PlatformLink", "user": "PlatformUserLink"}
KINDS = pytest.mark.parametrize("kind", ["server", "user"])
PEOPLE = """
INSERT INTO "User" (id, email, "updatedAt")
SELECT name, name || '@example.com', now() FROM unnest(ARRAY['ann', 'ben', 'cat']) AS name
"""


def started(service_in: Serve, state: str = LATEST, **sections: Any) -> Service:
    """Return the operations on a database with people in it."""
    service = service_in(state, **sections)
    service.rows(PEOPLE)
    return service


def token_for(service: Service, kind: str = "server", **members: Any) -> str:
    """Make a token for the server or the account; members change the request."""
    method, request = ASKED[kind]
    return str(service.call(method, request={**request, **members})["token"])


def confirm(service: Service, kind: str, token: str, user: str = "ann", **more: Any) -> Any:
    """Use a token, and return what is answered."""
    return service.call(CONFIRM[kind], token=token, user_id=user, **more)


def status(service: Service, token: str) -> Any:
    """Return what has become of a token."""
    return service.call("get_link_token_status", token=token)["status"]


def owner(service: Service, kind: str) -> Any:
    """Return whose it is, and see that both methods say the same."""
    asked = SERVER if kind == "server" else ACCOUNT
    found = service.call(OWNER[kind], **asked)
    assert service.call(RESOLVE[kind], **asked) == {"linked": found is not None}
    assert service.statements == 1
    return found
