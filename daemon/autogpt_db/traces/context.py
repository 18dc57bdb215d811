"""What a caller says of the trace that its request belongs to (W3C Trace Context, level 1)."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_STATE = 512
"""Characters of a `tracestate` that is passed on; a longer one is left out."""
MOST_MEMBERS = 32
"""Of a `tracestate`."""

# A later version may say more, behind another hyphen; ff is none.
_TRACEPARENT = re.compile(
    rb"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[\x20-\x7e]*)?"
).fullmatch
_MEMBER = re.compile(
    r"[0-9a-z][0-9a-z_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
).fullmatch
_SAMPLED = 1


class Parent(NamedTuple):
    """The caller's span.

    Attributes:
        trace_id: 128 bits.
        span_id: 64 bits.
        sampled: Whether the caller records its part.
    """

    trace_id: int
    span_id: int
    sampled: bool


def parent_of(header: bytes) -> Parent | None:
    """Return what a `traceparent` says; None where it is none, which is no fault of the call's."""
    found = _TRACEPARENT(header)
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    if more is not None and version == b"00":
        return None
    parent = Parent(int(trace_id, 16), int(span_id, 16), bool(int(flags, 16) & _SAMPLED))
    return parent if parent.trace_id and parent.span_id else None


def state_of(header: bytes) -> str:
    """Return a `tracestate` as it is passed on; nothing where it is none, or too long."""
    if len(header) > LONGEST_STATE:
        return ""
    members = [each.strip(" \t") for each in header.decode("latin-1").split(",")]
    kept = [each for each in members if each]
    if len(kept) > MOST_MEMBERS or not all(map(_MEMBER, kept)):
        return ""
    names = [each.partition("=")[0] for each in kept]
    return ",".join(kept) if len(set(names)) == len(names) else ""
