"""The admin listener's application on a real database, without a process and a socket for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import msgspec

from autogpt_db.admin.app import build_app
from autogpt_db.admin.state import AdminState
from autogpt_db.admin.tokens import TokensInEffect, read_token
from autogpt_db.database.pool.scraping import Scraping
from autogpt_db.metrics import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from service import Service


class Pages:
    """Asks the listener for pages, as somebody who may read, and for what is done on them.

    Args:
        service: Its pool is the listener's.
        state: The state directory.
        content: Whether users' content is shown.

    Attributes:
        stopping: Set while it is asked to stop.
        state: The listener's.
    """

    def __init__(self, service: Service, state: Path, *, content: bool = False) -> None:
        self._service = service
        admin = msgspec.structs.replace(service.settings.admin, show_content=content)
        settings = msgspec.structs.replace(
            service.settings, admin=admin, state_directory=state, runtime_directory=state / "run"
        )
        tokens = TokensInEffect(settings)
        self._tokens = {
            "GET": read_token(state / "admin" / "read_token"),
            "POST": read_token(state / "admin" / "token"),
        }
        store = open_store(settings, "admin")
        scraping = Scraping(service.pool, settings, store)
        self.stopping = asyncio.Event()
        self.state = AdminState(settings, service.pool, store, scraping, tokens, self.stopping)
        self._app = build_app(self.state)

    def get(self, target: str, **headers: str) -> httpx.Response:
        """Return the response to one request that reads."""
        return self._asked("GET", target, headers)

    def post(self, target: str, **headers: str) -> httpx.Response:
        """Return the response to one request that does something."""
        return self._asked("POST", target, headers)

    def _asked(self, verb: str, target: str, headers: dict[str, str]) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asks:
                given = {"authorization": f"Bearer {self._tokens[verb]}"} | headers
                return await asks.request(verb, target, headers=given)

        response: httpx.Response = self._service.run(ask())
        return response
