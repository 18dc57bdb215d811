"""The bridge to what speaks ASGI: everything that stands beside the methods."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Scope

    from autogpt_db.api.body import Body
    from autogpt_db.api.calls import Call
    from autogpt_db.api.replies import StreamedReply


async def pass_to(application: ASGIApp, call: Call, body: Body, limit: int) -> None:
    """Let an application answer a request.

    Args:
        application: Which.
        call: The request.
        body: Its body.
        limit: Most bytes of its body.

    Raises:
        CallError: The body is too large, or was refused.
    """
    parts = body.parts(limit)
    ended = False
    reply: StreamedReply | None = None

    async def receive() -> Message:
        nonlocal ended
        if ended:
            await asyncio.Event().wait()  # until the client leaves, which cancels the call
        part = await anext(parts)
        ended = body.complete and not body.waiting
        return {"type": "http.request", "body": part, "more_body": not ended}

    async def send(message: Message) -> None:
        nonlocal reply
        if message["type"] == "http.response.start":
            reply = call.begin_reply(message["status"], list(message.get("headers", ())))
            return
        assert reply is not None, "a reply begins with its status"
        await reply.send(message.get("body", b""))
        if not message.get("more_body", False):
            reply.end()

    await application(_scope(call), receive, send)


def _scope(call: Call) -> Scope:
    head = call.head
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.version,
        "method": head.verb,
        "scheme": "http",
        "path": head.path,
        "raw_path": head.raw_path,
        "query_string": head.query,
        "root_path": "",
        "headers": head.headers,
        "server": None,
        "client": None,
    }
