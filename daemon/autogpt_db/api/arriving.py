"""A request's body as it arrives: whole, or part by part, and never more than may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.api.protocol import REFUSAL
from autogpt_db.api.refusals import body_too_large

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Receive, Scope

    from autogpt_db.api.exchange import Exchange
    from autogpt_db.api.memory import Memory


class ClientLeftError(Exception):
    """The connection ended before the whole request was there."""


async def whole_body(
    exchange: Exchange, scope: Scope, receive: Receive, *, limit: int, memory: Memory
) -> bytes:
    """Return a request's body.

    Args:
        exchange: The request, which the body is counted for.
        scope: The same, as ASGI has it.
        receive: Gives the next message.
        limit: Most bytes of it.
        memory: Where it is counted.

    Raises:
        ClientLeftError: It doesn't come to its end.
        RequestRefusedError: It is too large, or may not be held.
    """
    message = await receive()
    if REFUSAL in scope:
        raise scope[REFUSAL]
    if not message.get("more_body", False) and message["type"] == "http.request":
        only: bytes = message["body"]
        if len(only) > limit:
            raise body_too_large(limit)
        exchange.count_body(memory, len(only))
        return only
    parts = []
    async for part in parts_of(message, scope, receive, limit=limit):
        exchange.count_body(memory, len(part))
        parts.append(part)
    return b"".join(parts)


async def parts_of(
    message: Message, scope: Scope, receive: Receive, *, limit: int
) -> AsyncIterator[bytes]:
    """Yield a body as it arrives, from its first message on.

    Args:
        message: The first message.
        scope: The request.
        receive: Gives the next one.
        limit: Most bytes of it.

    Raises:
        ClientLeftError: It doesn't come to its end.
        RequestRefusedError: It is too large.
    """
    size = 0
    while True:
        if message["type"] != "http.request":
            raise ClientLeftError
        if REFUSAL in scope:
            raise scope[REFUSAL]
        size += len(message["body"])
        if size > limit:
            raise body_too_large(limit)
        yield message["body"]
        if not message.get("more_body", False):
            return
        message = await receive()


async def whole(body: bytes) -> AsyncIterator[bytes]:
    """Yield a body that is all there."""
    yield body
