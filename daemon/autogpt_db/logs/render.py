"""One event as one line of text: JSON for machines, colours for people."""

from __future__ import annotations

import enum
import io
import traceback
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from autogpt_db.printable import printable, printable_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from structlog.typing import EventDict

_FIRST = ("timestamp", "level", "event", "process", "logger")
_encoder = msgspec.json.Encoder(enc_hook=str)


def exception_text(event: EventDict) -> str | None:
    """Take `exc_info` out of `event` and return its traceback as text, or None."""
    given = event.pop("exc_info", None)
    if given is None or given is False:
        return None
    if given is True:
        import sys

        given = sys.exc_info()
    if isinstance(given, BaseException):
        given = (type(given), given, given.__traceback__)
    if given[1] is None:
        return None
    text = io.StringIO()
    traceback.print_exception(*given, file=text)
    return text.getvalue().rstrip()


def json_renderer(event: EventDict) -> bytes:
    """Return `event` as a line of JSON, the common fields first."""
    text = exception_text(event)
    if text:
        event["exception"] = text
    ordered: dict[str, Any] = {key: event[key] for key in _FIRST if key in event}
    ordered |= event
    return printable_json(_encoder.encode(ordered)) + b"\n"


class _Shown:
    """A value that is no text, as text that a terminal may show."""

    def __init__(self, value: object) -> None:
        # An HTTP status is a number to people, and not a member of an enumeration.
        self._text = printable(repr(int(value) if isinstance(value, enum.IntEnum) else value))

    def __repr__(self) -> str:
        return self._text


def _shown(value: object) -> object:
    return printable(value) if isinstance(value, str) else _Shown(value)


def console_renderer(*, colours: bool = True) -> Callable[[EventDict], bytes]:
    """Return a renderer for terminals: time, level, process, event and fields on one line.

    The only control characters in it are its own: what it shows was written out (`printable`).
    """
    pretty = structlog.dev.ConsoleRenderer(
        colors=colours, pad_event_to=28, exception_formatter=structlog.dev.plain_traceback
    )

    def render(event: EventDict) -> bytes:
        text = exception_text(event)
        stamp = str(event.pop("timestamp", ""))
        event["timestamp"] = stamp[11:23]
        process = event.pop("process", None)
        if process:
            event["event"] = f"{process}: {event.get('event', '')}"
        line = str(pretty(None, "", {key: _shown(value) for key, value in event.items()}))
        text = printable(text, lines=True) if text else None
        return (f"{line}\n{text}\n" if text else f"{line}\n").encode("utf-8", "backslashreplace")

    return render
