"""The pages that people look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from autogpt_db.admin.identity import identity_of
from autogpt_db.admin.rendering import render

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState


def routes(_state: AdminState) -> list[BaseRoute]:
    """Return the pages' routes."""

    async def overview(request: Request) -> Response:
        session = identity_of(request).session
        return HTMLResponse(render("overview.html", csrf=session.csrf if session else ""))

    return [Route("/", overview, methods=["GET"])]
