"""Spans: what a call, or a job's run, was about while it lasted.

They are plain objects, so that whoever takes part in a call can add to its trace without knowing
what becomes of it (`traces/`), and nobody loads anything for that.
"""

from __future__ import annotations

import random
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

Value = str | int | float | bool
"""What an attribute may be."""

MOST_SPANS = 1000
"""Spans of one call or run that are recorded, its own beside them: a job may send 100,000."""


class Kind(Enum):
    """What a span is to the others of its trace, as OpenTelemetry has it."""

    INTERNAL = auto()
    SERVER = auto()
    CLIENT = auto()


@dataclass(slots=True, eq=False)
class Trace:
    """What the spans of one call or run have in common.

    Attributes:
        id: Of the trace, 128 bits, which other services' spans have, too.
        record: Takes each span that has ended; called on the event loop.
        state: Its `tracestate`, as it came.
        left: Spans that may still be recorded.
        beyond: Those that were not.
    """

    id: int
    record: Callable[[Span], None]
    state: str = ""
    left: int = MOST_SPANS
    beyond: int = 0


class Link(NamedTuple):
    """What another trace's span is found by; the span itself would hold on to this one in turn.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
        state: The trace's `tracestate`.
    """

    trace_id: int
    span_id: int
    state: str


@dataclass(slots=True, eq=False)
class Span:
    """A part of a trace, with its beginning and its end.

    As a context manager it ends with what is done inside, and has failed if that raises.

    Attributes:
        trace: What it is a part of.
        name: What happens, one of few.
        kind: What it is to the others.
        parent: The span's id that it is a part of; 0: none's.
        is_entry: Whether the trace has begun here, or come here, with it.
        started: `time.monotonic()` moment.
        ended: The same; 0.0 before its end.
        attributes: What is told of it, by OpenTelemetry's names.
        links: Spans of other traces that it has to do with.
        failed: Whether it went wrong.
        least: Seconds below which it is not recorded, unless it has failed or has links.
        id: 64 bits.
    """

    trace: Trace
    name: str
    kind: Kind
    parent: int = 0
    is_entry: bool = False
    started: float = field(default_factory=time.monotonic)
    ended: float = 0.0
    attributes: dict[str, Value] = field(default_factory=dict)
    links: list[Link] = field(default_factory=list)
    failed: bool = False
    least: float = 0.0
    id: int = field(default_factory=lambda: new_id(64))

    def begin(self, name: str, kind: Kind = Kind.INTERNAL, *, least: float = 0.0) -> Span:
        """Begin a part of it.

        Args:
            name: What happens, one of few.
            kind: What it is to the others.
            least: Seconds below which it is not recorded, unless it has failed or has links.
        """
        return Span(self.trace, name, kind, self.id, least=least)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.fail(error)
        self.end()

    def end(self) -> None:
        """End it, and have it recorded if it is worth that."""
        self.ended = time.monotonic()
        if self.ended - self.started < self.least and not (self.failed or self.links):
            return
        trace = self.trace
        if self.is_entry:
            if trace.beyond:
                self.attributes["autogpt_db.spans_left_out"] = trace.beyond
        elif trace.left <= 0:
            trace.beyond += 1
            return
        else:
            trace.left -= 1
        trace.record(self)

    def fail(self, error: BaseException) -> None:
        """Say that it went wrong, and how: by the kind of the error, never by its words."""
        self.failed = True
        self.attributes["error.type"] = type(error).__name__

    @property
    def link(self) -> Link:
        """Return what others are linked with it by."""
        return Link(self.trace.id, self.id, self.trace.state)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Return what tells another service that it is a part of this (W3C Trace Context)."""
        parent = f"00-{self.trace_id}-{self.span_id}-01".encode("ascii")
        state = self.trace.state.encode("ascii")
        return [(b"traceparent", parent), *([(b"tracestate", state)] if state else [])]

    @property
    def trace_id(self) -> str:
        """Return the trace's id as it is written: 32 hexadecimal digits."""
        return f"{self.trace.id:032x}"

    @property
    def span_id(self) -> str:
        """Return its own id as it is written: 16 hexadecimal digits."""
        return f"{self.id:016x}"


SPAN: ContextVar[Span | None] = ContextVar("span", default=None)
"""What the current task does a part of; None where that is not traced."""


def new_id(bits: int) -> int:
    """Return an id that is not 0, at random."""
    while True:
        found = random.getrandbits(bits)
        if found:
            return found
