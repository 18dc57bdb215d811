"""What stands beside the methods: liveness, readiness, metrics, and a description of them all."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from autogpt_db.api.openapi import describe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

    from autogpt_db.api.metrics import Metrics
    from autogpt_db.api.running import State
    from autogpt_db.database.pool import Pool
    from autogpt_db.operations import Operation

PATHS = frozenset({"/live", "/ready", "/openapi.json", "/metrics"})
READY_TIMEOUT = 2.0
"""Seconds that readiness waits for the database."""


def build_app(
    database: Pool,
    operations: Mapping[str, Operation],
    state: State,
    metrics: Metrics,
    lacking: Callable[[], str | None],
) -> Starlette:
    """Return the application for `PATHS`.

    Args:
        database: The process's pool.
        operations: What is served.
        state: Whether the process is draining.
        metrics: What has been counted and measured.
        lacking: Returns what every run needs and nobody has here; None where all is there.
    """
    description: list[bytes] = []

    async def live(_request: Request) -> Response:
        return _json(HTTPStatus.OK, {"status": "live"})

    async def ready(_request: Request) -> Response:
        reasons = await _reasons(database, state, lacking)
        if reasons:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, "Not ready", reasons=reasons)
        return _json(HTTPStatus.OK, {"status": "ready"})

    async def openapi(_request: Request) -> Response:
        if not description:
            description.append(json.dumps(describe(operations)).encode())
        return Response(description[0], media_type="application/json")

    app = Starlette(
        routes=[
            Route("/live", live, methods=["GET"]),
            Route("/ready", ready, methods=["GET"]),
            Route("/openapi.json", openapi, methods=["GET"]),
            Route("/metrics", metrics.reply, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _on_http_exception},
    )
    app.router.redirect_slashes = False
    return app


async def _reasons(database: Pool, state: State, lacking: Callable[[], str | None]) -> list[str]:
    """Return why this process should get no requests now."""
    reasons = ["The process is stopping."] if state.draining else []
    verdict = await database.look(READY_TIMEOUT)
    reasons += [reason for reason in (verdict.problem, verdict.trouble) if reason is not None]
    if missing := lacking():
        reasons.append(f"The database lacks what every run needs: {missing}.")
    if stray := database.figures().stray:
        reasons.append(f"{stray} connections are neither idle nor lent; they are being replaced.")
    return reasons


def _json(status: HTTPStatus, content: Any) -> Response:
    return Response(json.dumps(content), status, media_type="application/json")


def _problem(status: int, title: str, **members: Any) -> Response:
    """Return an error as RFC 9457 has it."""
    content = {"type": "about:blank", "title": title, "status": int(status), **members}
    return Response(json.dumps(content), status, media_type="application/problem+json")


async def _on_http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _problem(error.status_code, error.detail)
    response.headers.update(error.headers or {})
    return response
