"""REST at `/v1`: made, and what it needs loaded, when somebody first asks.

That are all operations and models: 8 MB that a listener without such clients doesn't need, and a
seventh of a second, once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import BaseRoute, Match

if TYPE_CHECKING:
    from starlette.routing import Router
    from starlette.types import Receive, Scope, Send

    from autogpt_db.admin.state import AdminState

_ROOT = "/v1"


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the route; it answers every path below `/v1`, and every verb."""
    return [_Rest(state)]


class _Rest(BaseRoute):
    """Leads to a router that is made when it is first asked for something.

    Args:
        state: The process's.
    """

    def __init__(self, state: AdminState) -> None:
        self._state = state
        self._router: Router | None = None

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Take in every path below the root, with whatever characters in it."""
        below = f"{scope['path']}/".startswith(f"{_ROOT}/")
        return (Match.FULL if below else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._router is None:
            self._router = self._made()
        await self._router(scope, receive, send)

    def _made(self) -> Router:
        from autogpt_db import rest

        content = self._state.settings.admin.show_content
        return rest.router(self._state.pool, content=content)
