"""A request and its reply by ASGI: the plain road, which everything can take."""

from __future__ import annotations

import asyncio
import os
import re
from typing import TYPE_CHECKING, Any

from autogpt_db.api.calls import MARGIN, Call, Policy, encode, failure_headers
from autogpt_db.api.protocol import CONNECTION

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import Scope, Send

    from autogpt_db.api.memory import Memory
    from autogpt_db.errors import CallError

LONGEST_NAME = 200
"""Characters of a path that are logged."""

_JSON = (b"content-type", b"application/json")
_REQUEST_ID = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:/+=@-]{0,127}")


class Exchange(Call):
    """A request that came by ASGI.

    Attributes:
        body_size: Bytes of its body that are counted.
        content_type: The body's type, or None.
        authorization: The credentials it came with, or None.
        idempotency_key: Its `idempotency-key`, several of them joined, or None.
        waits_for: What keeps the work from beginning, in words, while something does.
        in_doubt: Whether the work may have been done although its connection was lost.
    """

    __slots__ = (
        "_connection",
        "_memory",
        "_passed_on",
        "_replying",
        "_send",
        "_timer",
        "authorization",
        "body_size",
        "content_type",
        "idempotency_key",
        "in_doubt",
        "waits_for",
    )

    def __init__(self, scope: Scope, send: Send, policy: Policy) -> None:
        """Start the request's clock.

        Args:
            scope: The request.
            send: Where its reply goes.
            policy: The settings' bounds.
        """
        self.content_type = self.authorization = None
        given_id = None
        keys: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = self.content_type or value
            elif name == b"x-request-id":
                given_id = value
            elif name == b"authorization":
                self.authorization = value
            elif name == b"idempotency-key":
                keys.append(value)
        self.idempotency_key = b", ".join(keys) if keys else None
        if given_id is not None and _REQUEST_ID.fullmatch(given_id):
            request_id = given_id.decode("ascii")
        else:
            request_id = os.urandom(8).hex()
        super().__init__(scope["path"][1:LONGEST_NAME], request_id, policy)
        self._send = send
        self._connection = scope[CONNECTION]
        self._replying: asyncio.Task[None] | None = None
        self._passed_on = False
        self._memory: Memory | None = None
        self.body_size = 0
        self.in_doubt = False
        self.waits_for: str | None = None
        task = asyncio.current_task()
        assert task is not None, "a request is served by a task"
        self.task = task
        self._timer = asyncio.get_running_loop().call_later(policy.deadline - MARGIN, self.expire)
        self._connection.on_disconnect = self.leave

    # Giving up ---------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Wait until a request that was given up has its reply."""
        if self._replying is not None:
            await asyncio.shield(self._replying)

    @property
    def outcome_unknown(self) -> bool:
        """Tell whether something may have been written, here or where it was passed on to."""
        return self._passed_on or self.in_doubt or self.may_write

    @property
    def state_in_words(self) -> str:
        """Say what has become of the work so far, or what it waits for."""
        return self.waits_for or super().state_in_words

    def passes_on(self, seconds: float) -> None:
        """Hand the call to another service, whose bound counts instead of the policy's.

        Args:
            seconds: Within which whoever passes it on gives up by himself.
        """
        self._passed_on = True
        self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds + MARGIN, self.expire)

    def leave(self) -> None:
        """Give it up: its client left, maybe in the middle of a reply that is passed on."""
        if self._passed_on and self.status is not None:
            self.given_up = True
            self.task.cancel()
        else:
            super().leave()

    def cut(self) -> None:
        """End the connection in the middle of a reply that cannot be completed."""
        self._connection.cut()

    def count_body(self, memory: Memory, more: int) -> None:
        """Count bytes of its body until it ends.

        Raises:
            MemoryExhaustedError: There is no room for them.
        """
        memory.take(more, self.body_size + more)
        self._memory = memory
        self.body_size += more

    def close(self) -> None:
        """Stop the clock, and let go of its body."""
        self._timer.cancel()
        if self._memory is not None:
            self._memory.give(self.body_size)
            self._memory = None
        # After a write that nobody waited for, the connection may serve another request by now.
        if self._connection.on_disconnect == self.leave:
            self._connection.on_disconnect = None

    def _answer_early(self, error: CallError) -> None:
        self._replying = asyncio.get_running_loop().create_task(self._reply_and_log(error))

    async def _reply_and_log(self, error: CallError) -> None:
        await self.fail(error)
        self.log()

    # Replying ----------------------------------------------------------------------------------

    async def reply(self, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
        """Send a JSON reply, unless the client has left."""
        self.status = status
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    _JSON,
                    (b"content-length", b"%d" % len(body)),
                    (b"x-request-id", self.request_id.encode("ascii")),
                    *headers,
                ],
            }
        )
        await self._send({"type": "http.response.body", "body": body})

    async def fail(self, error: CallError) -> None:
        """Send a failure."""
        self.failure = error
        await self.reply(error.status, encode(error.body()), *failure_headers(error))

    async def pass_on(self, message: MutableMapping[str, Any]) -> None:
        """Send a part of somebody else's reply, noting its status and adding the request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode("ascii")),
            ]
        await self._send(message)
