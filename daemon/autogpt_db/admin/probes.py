"""Health, plain and without a token: whether the listener lives, and whether its database does.

Metrics follow the API's rule: where scrapes need `api.token` there, they need it here, or a token
of this listener's own.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autogpt_db.admin.problems import problem, unauthorized
from autogpt_db.metrics.exposition import CONTENT_TYPE

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.routing import BaseRoute

    from autogpt_db.admin.state import AdminState

PATIENCE = 2.0
"""Seconds that readiness waits for the database."""


def routes(state: AdminState) -> list[BaseRoute]:
    """Return the routes of the probes."""

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def readyz(_request: Request) -> Response:
        reasons = ["The process is stopping."] if state.stopping.is_set() else []
        verdict = await state.pool.look(PATIENCE)
        reasons += [reason for reason in (verdict.problem, verdict.trouble) if reason is not None]
        if reasons:
            said, soon = " ".join(reasons), {"Retry-After": "1"}
            return problem(503, "Not ready", said, headers=soon, reasons=reasons)
        return JSONResponse({"status": "ready"})

    async def metrics(request: Request) -> Response:
        if not _may_scrape(request, state):
            await state.brake.failed()
            raise unauthorized("Scrapes need a token: api.token, or one of this listener's.")
        return Response(await state.scraping.text(), headers={"content-type": CONTENT_TYPE})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        Route("/metrics", metrics, methods=["GET"]),
    ]


def _may_scrape(request: Request, state: AdminState) -> bool:
    token = state.settings.api.token
    if token is None or not state.settings.metrics.needs_token:
        return True
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    sent = given.strip()
    of_api = hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), token.reveal().encode())
    return of_api or state.tokens.scope_of(sent) is not None
