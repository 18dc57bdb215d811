"""Reading what a page or a program sends: small, and soon, or not at all."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect

from autogpt_db.admin.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

MOST_BYTES = 16_384
MOST_FIELDS = 32
TIMEOUT = 10.0
"""Seconds that a body may take."""


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form (`application/x-www-form-urlencoded`); of two, the last.

    Raises:
        ProblemError: It is too large, too slow, or no form.
    """
    try:
        body = (await _read(request)).decode()
        pairs = parse_qsl(
            body, keep_blank_values=True, strict_parsing=bool(body), max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise ProblemError(400, "Bad Request", "The body is no form.") from None
    return dict(pairs)


async def _read(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(TIMEOUT):
            async for part in request.stream():
                body += part
                if len(body) > MOST_BYTES:
                    raise ProblemError(
                        413, "Content Too Large", f"A form has {MOST_BYTES} bytes at most."
                    )
    except TimeoutError:
        raise ProblemError(408, "Request Timeout", "The body did not come in time.") from None
    except ClientDisconnect:
        raise ProblemError(400, "Bad Request", "The body has ended too soon.") from None
    return bytes(body)
