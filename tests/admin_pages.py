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
    """Asks the listener for pages, as somebody who may read.

    Args:
        service: Its pool is the listener's.
        state: The state directory.
        content: Whether users' content is shown.

    Attributes:
        stopping: Set while it is asked to stop.
    """

    def __init__(self, service: Service, state: Path, *, content: bool = False) -> None:
        self._service = service
        admin = msgspec.structs.replace(service.settings.admin, show_content=content)
        settings = msgspec.structs.replace(
            service.settings, admin=admin, state_directory=state, runtime_directory=state / "run"
        )
        tokens = TokensInEffect(settings)
        self._token = read_token(state / "admin" / "read_token")
        store = open_store(settings, "admin")
        scraping = Scraping(service.pool, settings, store)
        self.stopping = asyncio.Event()
        self._app = build_app(
            AdminState(settings, service.pool, store, scraping, tokens, self.stopping)
        )

    def get(self, target: str, **headers: str) -> httpx.Response:
        """Return the response to one request."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asks:
                given = {"authorization": f"Bearer {self._token}"} | headers
                return await asks.get(target, headers=given)

        response: httpx.Response = self._service.run(ask())
        return response
