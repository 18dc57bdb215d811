"""Refusals that no route has made: of heads that are no requests, and of one client too many.

They look like all others: problem+json, with what browsers are told in every answer.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from autogpt_db.admin.problems import problem

if TYPE_CHECKING:
    from starlette.responses import Response

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "same-origin",  # without one, browsers say no Origin of a form
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""What browsers are told in every answer."""
LARGEST_HEAD = 16_384
"""Bytes of a request's head."""
_DETAILS = {
    400: "This cannot be read as a request.",
    431: f"The head of a request has {LARGEST_HEAD} bytes at most.",
    501: "Of transfer codings, only chunked is understood.",
}


def bad_head(status: int) -> Response:
    """Return the answer to what cannot be read; the connection ends with it.

    Args:
        status: What is wrong with it: 400, or what says more.
    """
    return _refused(HTTPStatus(status), _DETAILS.get(status, _DETAILS[400]))


def too_many(most: int) -> Response:
    """Return the answer to one client too many.

    Args:
        most: Connections that are served.
    """
    detail = f"The admin listener serves {most} connections, and has as many. Try again shortly."
    return _refused(HTTPStatus.SERVICE_UNAVAILABLE, detail, {"Retry-After": "5"})


def written(answer: Response) -> bytes:
    """Return an answer as it goes over the wire, for where there is no request to answer."""
    status = HTTPStatus(answer.status_code)
    head = [f"HTTP/1.1 {status.value} {status.phrase}".encode()]
    head += [name + b": " + value for name, value in answer.raw_headers]
    return b"\r\n".join([*head, b"", bytes(answer.body)])


def _refused(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    always = HEADERS | {"Cache-Control": "no-store", "Connection": "close"}
    return problem(status, status.phrase, detail, headers=always | (headers or {}))
