"""Errors as RFC 9457 has them: what every problem+json of the admin listener holds, REST's too."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autogpt_db.errors.calls import CallError

MEDIA_TYPE = "application/problem+json"


def problem_details(
    status: int, detail: str | None = None, *, title: str | None = None, **members: Any
) -> dict[str, Any]:
    """Return a problem's members.

    Args:
        status: The answer's HTTP status.
        detail: What happened, to what, and what to do next, as sentences; None says no more.
        title: What happened, in a few words; None stands for the status's own.
        members: Beside the standard ones.
    """
    details: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase if title is None else title,
        "status": int(status),
    }
    if detail is not None:
        details["detail"] = detail
    return details | members


def retry_headers(error: CallError) -> dict[str, str]:
    """Return the header that says when an error's call may be worth a repeat, where it may be."""
    seconds = error.retry_seconds
    return {} if seconds is None else {"Retry-After": str(seconds)}
