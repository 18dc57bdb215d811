"""Replies: documents with their entity tags, and problems as RFC 9457 has them."""

from __future__ import annotations

import hashlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import Response

from autogpt_db.errors import (
    CallError,
    ExecutionNotFoundError,
    NotFoundError,
    RecordNotFoundError,
    UserNotFoundError,
)
from autogpt_db.errors.problem_details import MEDIA_TYPE, problem_details, retry_headers
from autogpt_db.rest.requests import ParametersInvalidError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

JSON = "application/json"
ALLOWED = "GET, HEAD"

_NOT_THERE = (ExecutionNotFoundError, NotFoundError, RecordNotFoundError, UserNotFoundError)
_LONGEST_TAG = 32

# A document is for its reader alone, may be kept, and is asked for again each time.
_HEADERS = {
    "cache-control": "private, no-cache",
    "vary": "authorization, cookie",
    "x-content-type-options": "nosniff",
}


def document(
    request: Request, body: bytes, headers: Mapping[str, str] | None = None, *, media: str = JSON
) -> Response:
    """Return a document, or that the client has it already.

    Args:
        request: Who asks, and what they have.
        body: The document.
        headers: More than its own.
        media: What it is.
    """
    tag = f'"{hashlib.sha256(body).hexdigest()[:_LONGEST_TAG]}"'
    headers = {**_HEADERS, **(headers or {}), "etag": tag}
    if _has(request.headers.getlist("if-none-match"), tag):
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    return _response(request, body, HTTPStatus.OK, headers, media)


def problem(
    request: Request,
    status: HTTPStatus,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **members: Any,
) -> Response:
    """Return what is wrong.

    Args:
        request: Who asks.
        status: The reply's.
        detail: What happened, to what, and what to do next.
        headers: More than its own.
        members: More than the standard's.
    """
    content = problem_details(status, detail, **members)
    headers = {**_HEADERS, "cache-control": "no-store", **(headers or {})}
    return _response(request, msgspec.json.encode(content), status, headers, MEDIA_TYPE)


def problem_of(request: Request, error: CallError | ParametersInvalidError) -> Response:
    """Return what is wrong where an operation, or the reading of its arguments, has failed."""
    if isinstance(error, ParametersInvalidError):
        faults = [{"parameter": name, "detail": text} for name, text in error.faults]
        return problem(request, HTTPStatus.BAD_REQUEST, "The parameters don't fit.", errors=faults)
    status = HTTPStatus.NOT_FOUND if isinstance(error, _NOT_THERE) else error.status
    detail = str(error.args[0]) if error.args else status.phrase
    return problem(request, status, detail, retry_headers(error))


def _response(
    request: Request, body: bytes, status: HTTPStatus, headers: Mapping[str, str], media: str
) -> Response:
    if request.method != "HEAD":
        return Response(body, status, headers, media_type=media)
    response = Response(None, status, headers, media_type=media)
    response.headers["content-length"] = str(len(body))
    return response


def _has(values: list[str], tag: str) -> bool:
    """Tell whether one of the entity tags that a client has is this one, or is any."""
    given = {each.strip().removeprefix("W/") for value in values for each in value.split(",")}
    return bool({tag, "*"} & given)
