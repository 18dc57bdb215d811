"""A request while it is served, however it came in: when it is given up, and what is logged."""

from __future__ import annotations

import json
import math
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from logging import INFO, WARNING
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.api.request_log import LEFT, RequestLog
from autogpt_db.errors import (
    CallError,
    DeadlineExceededError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    UnauthorizedError,
    VerbNotAllowedError,
)
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    import asyncio

    from autogpt_db.database import pool

MARGIN = 0.25
"""Most seconds before its deadline at which a request is given up, so that its reply is in time."""

_encode = msgspec.json.Encoder(enc_hook=str).encode


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about every request.

    Attributes:
        deadline: Seconds within which it is answered.
        log: Where its line goes.
    """

    deadline: float
    log: RequestLog


class Call(ABC):
    """A request while it is served.

    Attributes:
        name: The method, or verb and path of anything else.
        request_id: What its records have in common.
        started: `time.monotonic()` moment of its arrival.
        status: The reply's; None before it.
        handle: What its operation talks to the database through.
        reads: Whether the work only reads, and is cancelled when nobody waits for it any more.
        replayed: Whether its reply is that of another call with the same idempotency key.
        failure: What it was answered with instead of a result.
        given_up: Whether nobody waits for the work any more: it has been replied to, or the
            client left.
        task: What does the work.
    """

    __slots__ = (
        "_logged",
        "_policy",
        "failure",
        "given_up",
        "handle",
        "name",
        "quiet",
        "reads",
        "replayed",
        "request_id",
        "started",
        "status",
        "task",
    )

    task: asyncio.Task[Any]

    def __init__(self, name: str, request_id: str, policy: Policy) -> None:
        """Start the request's clock.

        Args:
            name: The method, or verb and path of anything else.
            request_id: What its records have in common.
            policy: The settings' bounds.
        """
        self.started = time.monotonic()
        self.name = name
        self.request_id = request_id
        self.status: int | None = None
        self.handle: pool.Call | None = None
        self.reads = True
        self.given_up = False
        self.failure: CallError | None = None
        self.replayed = False
        self.quiet = False
        self._policy = policy
        self._logged = False

    @property
    def deadline(self) -> float:
        """Return the `time.monotonic()` moment until which its client waits."""
        return self.started + self._policy.deadline

    @property
    def may_write(self) -> bool:
        """Tell whether the work may have written, or may yet."""
        return not self.reads and self.handle is not None and self.handle.started

    @property
    def outcome_unknown(self) -> bool:
        """Tell whether something may have been written although the caller is told of a failure."""
        return self.may_write

    @property
    def state_in_words(self) -> str:
        """Say what has become of the work so far, for a caller who is not waiting any longer."""
        return "a write may still complete" if self.outcome_unknown else "nothing was written"

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
            self._answer_early(error)
        if not self.may_write:
            self.task.cancel()
        if self.handle is not None:
            self.handle.abandon()

    def expire(self) -> None:
        """Give it up: its deadline is here."""
        self.give_up(
            DeadlineExceededError(
                f"{self.name} was not done within {self._policy.deadline:g} seconds; "
                f"{self.state_in_words}."
            )
        )

    def leave(self) -> None:
        """Give it up: its client left."""
        self.give_up(None)

    def end_now(self) -> None:
        """Give it up, and cancel even a write: the process ends."""
        self.give_up(
            OutcomeUnknownError(
                f"The service stops while {self.name} is under way: it may or may not be applied."
            )
            if self.outcome_unknown
            else ServiceUnavailableError(f"The service stops before {self.name} is done.")
        )
        if self.given_up and self.may_write:
            self.task.cancel()

    @abstractmethod
    def _answer_early(self, error: CallError) -> None:
        """Send a failure, and log the request, while the work still runs."""

    def log(self) -> None:
        """Write the request's line, once."""
        if self._logged:
            return
        self._logged = True
        handle = self.handle
        self._policy.log.ended(
            self.name,
            self.status or LEFT,
            time.monotonic() - self.started,
            request_id=self.request_id,
            pool_wait=handle.pool_wait if handle else 0.0,
            rows=handle.row_count if handle else 0,
            quiet=self.quiet,
            replayed=self.replayed,
            failure=self.failure,
        )

    def log_late_end(self, outcome: str) -> None:
        """Tell how a write ended that nobody waited for any more.

        Args:
            outcome: `done`, or what went wrong.
        """
        if self.reads:
            return
        log.late_end.at(
            INFO if outcome == "done" else WARNING,
            method=self.name,
            seconds=round(time.monotonic() - self.started, 3),
            outcome=outcome,
            request_id=self.request_id,
        )


def failure_headers(error: CallError) -> list[tuple[bytes, bytes]]:
    """Return what a failure's reply says beside its body."""
    headers = []
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after))))
    if isinstance(error, VerbNotAllowedError):
        headers.append((b"allow", error.allowed.encode("ascii")))
    elif isinstance(error, UnauthorizedError):
        headers.append((b"www-authenticate", b"Bearer"))
    elif error.ends_connection:
        headers.append((b"connection", b"close"))
    return headers


def encode(value: Any) -> bytes:
    """Return `value` as JSON, whatever an error's arguments may be."""
    try:
        return _encode(value)
    except UnicodeEncodeError:  # a lone surrogate: only its escape is JSON
        return json.dumps(value, default=str, separators=(",", ":")).encode("ascii")
