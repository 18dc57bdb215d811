"""Sample calls of the methods for servers and accounts of chat platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.sample_calls.roles import (
    ACCOUNT_LINK,
    ACCOUNT_TOKEN,
    LINKED_ACCOUNT,
    LINKED_SERVER,
    PENDING_TOKEN,
    SERVER_LINK,
    SERVER_TOKEN,
    USER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.sample_calls import Arguments

OF_SERVER = {"platform": "DISCORD", "platform_server_id": LINKED_SERVER}
OF_ACCOUNT = {"platform": "DISCORD", "platform_user_id": LINKED_ACCOUNT}

CALLS: Mapping[str, list[Arguments]] = {
    "cleanup_expired_platform_link_tokens": [{}],
    "confirm_server_link": [{"token": SERVER_TOKEN, "user_id": USER}],
    "confirm_user_link": [{"token": ACCOUNT_TOKEN, "user_id": USER}],
    "create_server_link_token": [
        {
            "request": {
                "platform": "DISCORD",
                "platform_server_id": "unlinked-server",
                "platform_user_id": "owner",
                "platform_username": "The owner",
                "server_name": "A server",
                "channel_id": "general",
            }
        }
    ],
    "create_user_link_token": [
        {"request": {"platform": "DISCORD", "platform_user_id": "unlinked-account"}}
    ],
    "delete_server_link": [{"link_id": SERVER_LINK, "user_id": USER}],
    "delete_user_link": [{"link_id": ACCOUNT_LINK, "user_id": USER}],
    "find_server_link_owner": [OF_SERVER],
    "find_user_link_owner": [OF_ACCOUNT],
    "get_link_token_info": [{"token": PENDING_TOKEN}],
    "get_link_token_status": [{"token": PENDING_TOKEN}],
    "list_server_links": [{"user_id": USER}],
    "list_user_links": [{"user_id": USER}],
    "refresh_server_link_name": [{**OF_SERVER, "server_name": "Another name"}],
    "resolve_server_link": [OF_SERVER],
    "resolve_user_link": [OF_ACCOUNT],
}
