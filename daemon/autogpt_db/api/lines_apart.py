"""Lines of heads that are of one call alone: its key, and the trace that it belongs to.

Without them the heads of a client's calls are the same, and known by their bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEY_LINE = re.compile(rb"\r\n(?i:idempotency-key):[ \t]*([\x21-\x7e]{1,255})(?=\r\n[^ \t])").search
# A line that the next doesn't go on with: without it the others mean the same.
_LINE = re.compile(
    rb"\r\n(?:(?i:(idempotency-key)):[ \t]*([\x21-\x7e]{1,255})"
    rb"|(?i:(traceparent|tracestate|baggage|sentry-trace)):[ \t]*"
    rb"([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?))(?=\r\n[^ \t])"
)
KEY, TRACEPARENT, TRACESTATE = b"idempotency-key", b"traceparent", b"tracestate"
Lines = tuple[tuple[int, bytes, bytes], ...]
"""Which of the head's lines each is, from 0; its name in small letters; its value as it came."""


class Apart(NamedTuple):
    """What a head says of one call alone.

    Attributes:
        lines: Its lines, in their order.
        key: Its `idempotency-key`, if it has one.
        traceparent: The caller's span, if it says one.
        tracestate: What goes with that.
    """

    lines: Lines = ()
    key: bytes | None = None
    traceparent: bytes | None = None
    tracestate: bytes | None = None


NOTHING = Apart()


def key_taken_apart(text: bytes) -> tuple[bytes, Apart] | None:
    """Return a head without its key, and that; None where it has none.

    What else stands apart is still there: most calls have nothing else.

    Args:
        text: The head, with its empty line.
    """
    found = _KEY_LINE(text)
    if found is None:
        return None
    key, start = found[1], found.start()
    line = (text.count(b"\r\n", 0, start), KEY, key)
    return text[:start] + text[found.end() :], Apart((line,), key)


def taken_apart(text: bytes) -> tuple[bytes, Apart] | None:
    """Return a head without such lines, and them; None where it has none, or a name twice.

    Args:
        text: The head, with its empty line.
    """
    rest: list[bytes] = []
    lines: list[tuple[int, bytes, bytes]] = []
    values: dict[bytes, bytes] = {}
    end = 0
    for found in _LINE.finditer(text):
        name = (found[1] or found[3]).lower()
        value = found[2] or found[4]
        if name in values:
            return None
        values[name] = value
        lines.append((text.count(b"\r\n", 0, found.start()), name, value))
        rest.append(text[end : found.start()])
        end = found.end()
    if not lines:
        return None
    rest.append(text[end:])
    return b"".join(rest), Apart(
        tuple(lines), values.get(KEY), values.get(TRACEPARENT), values.get(TRACESTATE)
    )


def apart_of(values: Mapping[bytes, list[bytes]]) -> Apart:
    """Return what values by name say of one call alone; of two parents neither is one."""
    if not values:
        return NOTHING
    keys, states = values.get(KEY), values.get(TRACESTATE)
    parents = values.get(TRACEPARENT, ())
    return Apart(
        key=b", ".join(keys) if keys else None,
        traceparent=parents[0] if len(parents) == 1 else None,
        tracestate=b",".join(states) if states else None,
    )
