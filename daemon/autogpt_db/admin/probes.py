"""Health, plain and without a token: whether the listener lives, and whether its database does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from autogpt_db.admin.problems import problem

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
            return problem(503, "Not ready", reasons=reasons)
        return JSONResponse({"status": "ready"})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]
