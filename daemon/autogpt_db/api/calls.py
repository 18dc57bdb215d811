"""A request while it is served, however it came in: when it is given up, and what is logged."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from logging import INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.api.replies import StreamedReply, Way, encode, failure_headers
from autogpt_db.api.request_log import LEFT, RequestLog
from autogpt_db.api.tracing import end_span
from autogpt_db.errors import (
    CallError,
    DeadlineExceededError,
    OutcomeUnknownError,
    ServiceUnavailableError,
)
from autogpt_db.logs.events import api as log

if TYPE_CHECKING:
    import asyncio

    from autogpt_db.api.body import Body
    from autogpt_db.api.heads import Head
    from autogpt_db.api.memory import Memory
    from autogpt_db.database import pool
    from autogpt_db.spans import Span
    from autogpt_db.traces.tracer import Tracer

    Header = tuple[bytes, bytes]

MARGIN = 0.25
"""Most seconds before its deadline at which a request is given up, so that its reply is in time."""
LONGEST_NAME = 200
"""Characters of a path that are logged."""
NO_HEADERS: list[Header] = []


@dataclass(frozen=True, slots=True)
class Policy:
    """What the settings say about every request.

    Attributes:
        deadline: Seconds within which it is answered.
        log: Where its line goes.
        tracer: Begins the traces of those that have one; None: there are none.
    """

    deadline: float
    log: RequestLog
    tracer: Tracer | None = None


@dataclass(slots=True, eq=False)
class Call:
    """A request while it is served.

    Attributes:
        way: What it is replied to through.
        head: What its head says.
        request_id: What its records have in common.
        policy: The settings' bounds.
        body: Its body; None where all of it was there.
        name: The method, or verb and path of anything else.
        started: `time.monotonic()` moment of its arrival.
        status: The reply's; None before it.
        handle: What its operation talks to the database through.
        reads: Whether the work only reads, and is cancelled when nobody waits for it any more.
        replayed: Whether its reply is that of another call with the same idempotency key.
        failure: What it was answered with instead of a result.
        given_up: Whether nobody waits for the work any more: it has been replied to, or the
            client left.
        quiet: Whether it is one of the many that look whether we are there.
        held: Bytes of its body that are counted.
        in_doubt: Whether the work may have been done although its connection was lost.
        waits_for: What keeps the work from beginning, in words, while something does.
        passed_on: Whether another service does it, whose bound counts.
        span: What is traced of it; None: nothing.
        task: What does the work.
    """

    way: Way
    head: Head
    request_id: str
    policy: Policy
    body: Body | None = None
    name: str = ""
    started: float = 0.0
    status: int | None = None
    handle: pool.Call | None = None
    reads: bool = True
    replayed: bool = False
    failure: CallError | None = None
    given_up: bool = False
    quiet: bool = False
    held: int = 0
    in_doubt: bool = False
    waits_for: str | None = None
    passed_on: bool = False
    span: Span | None = None
    task: asyncio.Task[None] = field(init=False)
    _due: float = 0.0
    _logged: bool = False

    def __post_init__(self) -> None:
        """Start the request's clock."""
        self.started = time.monotonic()
        self.name = self.head.path[1:LONGEST_NAME]
        self._due = self.started + self.policy.deadline - MARGIN

    def hold(self, memory: Memory, more: int) -> None:
        """Count bytes of its body until it ends.

        Raises:
            MemoryExhaustedError: There is no room for them.
        """
        memory.take(more, self.held + more)
        self.held += more

    # Giving up ---------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        """Return the `time.monotonic()` moment until which its client waits."""
        return self.started + self.policy.deadline

    @property
    def may_write(self) -> bool:
        """Tell whether the work may have written, or may yet."""
        return not self.reads and self.handle is not None and self.handle.started

    @property
    def outcome_unknown(self) -> bool:
        """Tell whether something may have been written, here or where it was passed on to."""
        return self.passed_on or self.in_doubt or self.may_write

    @property
    def state_in_words(self) -> str:
        """Say what has become of the work, or what it waits for, to who waits no longer."""
        if self.waits_for is not None:
            return self.waits_for
        return "a write may still complete" if self.outcome_unknown else "nothing was written"

    def is_due(self, now: float) -> bool:
        """Tell whether it must be given up now, a `time.monotonic()` moment."""
        return self._due <= now

    def passes_on(self, seconds: float) -> None:
        """Hand the call to another service, which is given up by itself after `seconds`."""
        self.passed_on = True
        self._due = time.monotonic() + seconds + MARGIN

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
            self.fail(error)
            self.log()
        if not self.may_write:
            self.task.cancel()
        if self.handle is not None:
            self.handle.abandon()

    def expire(self) -> None:
        """Give it up: its deadline is here."""
        self.give_up(
            DeadlineExceededError(
                f"{self.name} was not done within {self.policy.deadline:g} seconds; "
                f"{self.state_in_words}."
            )
        )

    def leave(self) -> None:
        """Give it up: its client left, maybe in the middle of the reply."""
        if self.status is None:
            self.give_up(None)
        else:
            self.given_up = True
            self.task.cancel()

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

    # Replying ----------------------------------------------------------------------------------

    def reply(self, status: int, body: bytes, headers: list[Header] = NO_HEADERS) -> None:
        """Send a JSON reply, unless the client has left."""
        self.status = status
        self.way.reply(self, status, body, headers)

    def fail(self, error: CallError) -> None:
        """Send a failure; where a reply is under way already, it ends too early."""
        self.failure = error
        if self.status is not None:
            self.way.cut()
            return
        self.reply(error.status, encode(error.body()), failure_headers(error))

    def failed(self, error: CallError) -> None:
        """Send a failure of its work, or tell of it, where nobody waits any more."""
        if self.given_up:
            self.log_late_end(str(error))
        else:
            self.fail(error)

    def begin_reply(self, status: int, headers: list[Header]) -> StreamedReply:
        """Begin a reply that is sent part by part."""
        self.status = status
        reply = StreamedReply(self, self.way, has_body=self.head.verb != "HEAD")
        reply.begin(status, [*headers, (b"x-request-id", self.request_id.encode("ascii"))])
        return reply

    def log(self) -> None:
        """Write the request's line, once."""
        if self._logged:
            return
        self._logged = True
        handle = self.handle
        self.policy.log.ended(
            self.name,
            self.status or LEFT,
            time.monotonic() - self.started,
            request_id=self.request_id,
            pool_wait=handle.pool_wait if handle else 0.0,
            rows=handle.row_count if handle else 0,
            quiet=self.quiet,
            replayed=self.replayed,
            failure=self.failure,
            span=self.span,
        )
        if self.span is not None:
            end_span(
                self.span,
                self.head,
                self.status or LEFT,
                name=self.name,
                handle=handle,
                failure=self.failure,
                replayed=self.replayed,
                passed_on=self.passed_on,
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
            trace_id=self.span.trace_id if self.span else None,
            span_id=self.span.span_id if self.span else None,
        )
