"""Errors as RFC 9457 has them, `application/problem+json`; people who wait for a page get one."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from autogpt_db.admin.rendering import render
from autogpt_db.errors import CallError
from autogpt_db.errors.problem_details import MEDIA_TYPE, problem_details, retry_headers
from autogpt_db.logs.events import admin as log

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

_OF_PROGRAMS = ("/v1", "/events", "/live", "/healthz", "/readyz", "/metrics")
"""Paths whose errors are for programs, whatever they say that they accept."""


_DETAILS = {
    404: "There is nothing at this address.",
    405: "This address takes other verbs: Allow names them.",
}


class ProblemError(Exception):
    """A request that is refused: raised anywhere in a route, answered as problem+json.

    Attributes:
        status: The HTTP status.
        title: What happened, in a few words.
        detail: To what, and what to do next, as sentences; it holds no secret and no SQL.
        headers: Of the answer.
        members: Of the answer, beside the standard ones.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        """Say what happened, as described at the class."""
        self.status, self.title, self.detail = status, title, detail
        self.headers = dict(headers or {})
        self.members = members
        super().__init__(title)

    def response(self, request: Request) -> Response:
        """Return the answer to a request."""
        return _answer(
            request, self.status, self.title, self.detail, headers=self.headers, **self.members
        )


def problem(
    status: int,
    title: str,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Return an error's answer.

    Args:
        status: The HTTP status.
        title: What happened.
        detail: To what, and what to do next; None says no more.
        headers: Of the answer.
        members: Beside the standard ones.
    """
    content = problem_details(status, detail, title=title, **members)
    return Response(json.dumps(content), int(status), media_type=MEDIA_TYPE, headers=headers)


def unauthorized(detail: str) -> ProblemError:
    """Return the refusal of who has not said who they are."""
    headers = {"WWW-Authenticate": 'Bearer realm="autogpt-db admin"'}
    return ProblemError(401, "Unauthorized", detail, headers=headers)


def is_page(request: Request) -> bool:
    """Tell whether a person waits for a page."""
    of_programs = request.url.path.startswith(_OF_PROGRAMS)
    asks = "text/html" in request.headers.get("accept", "")
    return request.method == "GET" and asks and not of_programs


def _answer(
    request: Request,
    status: int,
    title: str,
    detail: str | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Return an error's answer, as a page where one is waited for."""
    if not is_page(request):
        return problem(status, title, detail, headers=headers, **members)
    page = render("problem.html", status=int(status), title=title, detail=detail)
    return HTMLResponse(page, int(status), headers=headers)


async def on_problem(request: Request, error: Exception) -> Response:
    """Answer what a route has refused."""
    assert isinstance(error, ProblemError)
    return error.response(request)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what Starlette refuses: an unknown path, a wrong verb."""
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    detail = _DETAILS.get(error.status_code)
    return _answer(request, error.status_code, title, detail, headers=error.headers)


async def on_call_error(request: Request, error: Exception) -> Response:
    """Answer what the database, or an operation, has refused."""
    assert isinstance(error, CallError)
    headers = retry_headers(error)
    return _answer(request, error.status, error.status.phrase, str(error), headers=headers)


async def on_bug(request: Request, error: Exception) -> Response:
    """Answer what nobody has foreseen; the log has the traceback."""
    log.admin_error(path=request.url.path, exc_info=error)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return _answer(request, status, status.phrase, "The log says what happened (admin_error).")
