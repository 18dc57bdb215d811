"""Live events as server-sent events: the bytes that a reader gets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.live_events.reading import Event, Page, Position

GAP = "gap"
"""The event that says that others are missing."""
DROPPED = "dropped"
"""The event that says that the stream ends, because its reader was too slow."""


def encoded(page: Page, event: Event) -> bytes:
    """Return an event of a page."""
    return f"id: {page.position(event)}\nevent: {event.kind}\ndata: {event.document}\n\n".encode()


def place(position: Position) -> bytes:
    """Return what only says how far a reader has come; browsers show it to nobody, and keep it."""
    return f"id: {position}\n\n".encode()


def gap(reason: str, begins: Position) -> bytes:
    """Return what says that events are missing, and that all which are kept follow.

    Args:
        reason: Why.
        begins: Behind which position the log begins.
    """
    data = json.dumps({"reason": reason, "begins": str(begins)})
    return f"event: {GAP}\ndata: {data}\n\n".encode()


def dropped() -> bytes:
    """Return the last thing that a reader hears who was too slow."""
    reason = "more came than waits for a reader; come back with the last id, and miss nothing"
    data = json.dumps({"reason": reason})
    return f"event: {DROPPED}\ndata: {data}\n\n".encode()
