"""One request and its reply: when it is given up, what is sent, what is logged."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.api.protocol import CONNECTION
from autogpt_db.errors import (
    CallError,
    DeadlineExceededError,
    RequestRefusedError,
    UnauthorizedError,
    VerbNotAllowedError,
)

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from starlette.types import Scope, Send

    from autogpt_db.database.pool import Database

MARGIN = 0.25
"""Most seconds before its deadline at which a request is given up, so that its reply is in time."""
LEFT = 499
"""Status in the log of a request whose client left before its reply, as nginx has it."""
SERVER_FAULT = 500
CLIENT_FAULT = 400
LONGEST_NAME = 200
"""Characters of a path that are logged."""

_JSON = (b"content-type", b"application/json")
_CLOSE = (b"connection", b"close")
_REQUEST_ID = re.compile(rb"[0-9A-Za-z][0-9A-Za-z._:/+=@-]{0,127}")
_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about every request.

    Attributes:
        deadline: Seconds within which it is answered.
        logged: Which get a line: `all`, `failed` or `none`.
        slow: Seconds from which on that line is a warning.
        log: Bound once: a module's own logger is put together anew for each record.
    """

    deadline: float
    logged: str
    slow: float
    log: Any


class Exchange:
    """A request while it is served.

    Attributes:
        name: The method, or verb and path of anything else.
        request_id: The client's `x-request-id`, or one of ours.
        status: The reply's; None before it.
        handle: What its operation talks to the database through.
        reads: Whether the work only reads, and is cancelled when nobody waits for it any more.
        given_up: Why nobody waits for the work any more: replied to, or the client left.
    """

    __slots__ = (
        "_connection",
        "_logged",
        "_policy",
        "_replying",
        "_send",
        "_task",
        "_timer",
        "authorization",
        "content_type",
        "given_up",
        "handle",
        "name",
        "quiet",
        "reads",
        "request_id",
        "started",
        "status",
    )

    def __init__(self, scope: Scope, send: Send, policy: Policy) -> None:
        """Start the request's clock.

        Args:
            scope: The request.
            send: Where its reply goes.
            policy: The settings' bounds.
        """
        self.started = time.monotonic()
        self.name = scope["path"][1:LONGEST_NAME]
        self.status: int | None = None
        self.handle: Database | None = None
        self.reads = True
        self.given_up = False
        self.quiet = False
        self.content_type = self.authorization = None
        given_id = None
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = self.content_type or value
            elif name == b"x-request-id":
                given_id = value
            elif name == b"authorization":
                self.authorization = value
        if given_id is not None and _REQUEST_ID.fullmatch(given_id):
            self.request_id = given_id.decode("ascii")
        else:
            self.request_id = os.urandom(8).hex()
        self._send = send
        self._policy = policy
        self._logged = False
        self._connection = scope[CONNECTION]
        self._replying: asyncio.Task[None] | None = None
        task = asyncio.current_task()
        assert task is not None, "a request is served by a task"
        self._task = task
        self._timer = asyncio.get_running_loop().call_later(policy.deadline - MARGIN, self._expire)
        self._connection.on_disconnect = self._leave

    @property
    def deadline(self) -> float:
        """Return the `time.monotonic()` moment until which its client waits."""
        return self.started + self._policy.deadline

    # Giving up ---------------------------------------------------------------------------------

    @property
    def may_write(self) -> bool:
        """Tell whether the work may have written, or may yet."""
        return not self.reads and self.handle is not None and self.handle.started

    def give_up(self, error: CallError | None) -> None:
        """Stop waiting for the work: answer with `error`, or nothing when the client has left.

        What cannot have written is cancelled; a write runs on, and is logged when it ends.
        """
        if self.given_up or self.status is not None:
            return
        self.given_up = True
        if error is None:
            self.status = LEFT
            self.log()
        else:
            self._replying = asyncio.get_running_loop().create_task(self._reply_and_log(error))
        if not self.may_write:
            self._task.cancel()
        if self.handle is not None:
            self.handle.abandon()

    def cancel(self) -> None:
        """Cancel a write that was given up: the process ends."""
        if self.given_up and self.may_write:
            self._task.cancel()

    async def settle(self) -> None:
        """Wait until a request that was given up has its reply."""
        if self._replying is not None:
            await asyncio.shield(self._replying)

    def close(self) -> None:
        """Stop the clock."""
        self._timer.cancel()
        # After a write that nobody waited for, the connection may serve another request by now.
        if self._connection.on_disconnect == self._leave:
            self._connection.on_disconnect = None

    async def _reply_and_log(self, error: CallError) -> None:
        await self.fail(error)
        self.log()

    def _expire(self) -> None:
        words = "a write may still complete" if self.may_write else "nothing was written"
        self.give_up(
            DeadlineExceededError(
                f"{self.name} was not done within {self._policy.deadline:g} seconds; {words}."
            )
        )

    def _leave(self) -> None:
        self.give_up(None)

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
        headers = []
        if error.retry_after is not None:
            headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
        if isinstance(error, VerbNotAllowedError):
            headers.append((b"allow", error.allowed.encode("ascii")))
        elif isinstance(error, UnauthorizedError):
            headers.append((b"www-authenticate", b"Bearer"))
        elif isinstance(error, RequestRefusedError) and error.ends_connection:
            headers.append(_CLOSE)
        await self.reply(error.status, encode(error.body()), *headers)

    async def pass_on(self, message: MutableMapping[str, Any]) -> None:
        """Send a part of somebody else's reply, noting its status and adding the request id."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [
                *message.get("headers", ()),
                (b"x-request-id", self.request_id.encode("ascii")),
            ]
        await self._send(message)

    # Logging -----------------------------------------------------------------------------------

    def log(self) -> None:
        """Write the request's line, once."""
        if self._logged:
            return
        self._logged = True
        seconds = time.monotonic() - self.started
        status = self.status or LEFT
        is_slow = seconds >= self._policy.slow
        failed = status >= CLIENT_FAULT
        which, log = self._policy.logged, self._policy.log
        if which == "none" or (which == "failed" and not (failed or is_slow)):
            return
        if is_slow or status >= SERVER_FAULT:
            write = log.warning
        elif self.quiet and not failed:
            write = log.debug
        else:
            write = log.info
        handle = self.handle
        write(
            "request",
            method=self.name,
            status=status,
            seconds=round(seconds, 6),
            pool_wait=round(handle.pool_wait, 6) if handle else 0.0,
            rows=handle.row_count if handle else 0,
            request_id=self.request_id,
        )

    def log_late_end(self, outcome: str) -> None:
        """Tell how a write ended that nobody waited for any more.

        Args:
            outcome: `done`, or what went wrong.
        """
        if self.reads:
            return
        log = self._policy.log
        write = log.info if outcome == "done" else log.warning
        write(
            "late_end",
            method=self.name,
            seconds=round(time.monotonic() - self.started, 3),
            outcome=outcome,
            request_id=self.request_id,
        )


def encode(value: Any) -> bytes:
    """Return `value` as JSON, whatever an error's arguments may be."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only its escape is JSON
        return json.dumps(value, default=str, separators=(",", ":")).encode("ascii")
