"""How a browser is let in: a link that works once becomes a cookie.

The link's ticket stands behind `#`, which browsers keep to themselves: it is in no request line, no
log and no Referer. The page at `/login` posts it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from autogpt_db.admin.bodies import read_form
from autogpt_db.admin.identity import Scope, identity_of
from autogpt_db.admin.rendering import render
from autogpt_db.admin.sessions import COOKIE, LIFETIME
from autogpt_db.admin.tickets import LIFETIME as TICKET_LIFETIME
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the routes that let browsers in and out."""

    async def page(_request: Request) -> Response:
        return HTMLResponse(render("login.html"))

    async def log_in(request: Request) -> Response:
        given = (await read_form(request)).get("ticket", "").strip()
        if not (state.tickets.take(given) or state.tokens.scope_of(given) is Scope.ACT):
            await state.brake.failed()
            log.admin_refused(reason="wrong ticket")
            return HTMLResponse(render("login.html", refused=True), 401)
        log.admin_session_opened()
        answer = RedirectResponse("/", 303)
        answer.set_cookie(
            COOKIE,
            state.sessions.open(),
            max_age=int(LIFETIME),
            httponly=True,
            samesite="strict",
            # A proxy speaks TLS before us: then the cookie never travels without.
            secure=request.headers.get("origin", "").startswith("https://"),
        )
        return answer

    async def log_out(request: Request) -> Response:
        session = identity_of(request).session
        if session is not None:
            state.sessions.close(session)
            state.streams.look()
        answer = Response(status_code=204)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return answer

    async def issue(_request: Request) -> Response:
        return JSONResponse({"ticket": state.tickets.issue(), "seconds": int(TICKET_LIFETIME)}, 201)

    return [
        Route("/login", page, methods=["GET"]),
        Route("/login", log_in, methods=["POST"]),
        Route("/logout", log_out, methods=["POST"]),
        Route("/tickets", issue, methods=["POST"]),
    ]
