"""A chat as a person reads it: who said what when, and which tools were called for it.

Whatever was written stands two columns in from the lines that say who wrote it, so that no message
can look as if it were another.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.cli.tables import duration, moment_of
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SPOKEN = ("user", "assistant", "system")
"""Roles whose messages are shown as a whole."""
_LONGEST = 300
"""Characters that are shown of what a tool was given, or has answered."""


def facts_of(session: dict[str, Any], email: str | None) -> Iterator[str]:
    """Yield the lines that say which chat it is.

    Args:
        session: As the service describes it.
        email: Its user's address.
    """
    usage = session["usage"]
    facts = [
        ("session", session["session_id"]),
        ("title", session["title"] or "-"),
        ("user", f"{email} ({session['user_id']})" if email else session["user_id"]),
        ("status", session["chat_status"]),
        ("started (UTC)", moment_of(session["started_at"])),
        ("last change (UTC)", moment_of(session["updated_at"])),
        ("expert", session.get("expert_id") or "-"),
        ("organization", session["organization_id"] or "-"),
        ("from", session["metadata"].get("source_platform") or "-"),
        (
            "tokens",
            ", ".join(f"{one['prompt_tokens']} in, {one['completion_tokens']} out" for one in usage)
            or "-",
        ),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        yield f"{name.ljust(width)}  {printable(value)}"


def lines_of(message: dict[str, Any], *, full: bool) -> Iterator[str]:
    """Yield a message's lines: who, when, what.

    Args:
        message: As the service describes it.
        full: Whether to show as a whole what tools were given and have answered.
    """
    yield printable("  ".join(_head(message)))
    spoken = full or message["role"] in _SPOKEN
    for text in (message["content"], message["refusal"]):
        if text:
            yield from _indented(text if spoken else _cut(text))
    for call in (*(message["tool_calls"] or ()), message["function_call"]):
        if call is not None:
            yield from _indented(f"-> {_called(call, full=full)}")


def _head(message: dict[str, Any]) -> Iterator[str]:
    yield f"#{message['sequence']}"
    yield moment_of(message["created_at"])
    yield message["role"]
    if message["name"]:
        yield message["name"]
    if message["tool_call_id"]:
        yield f"answers {message['tool_call_id']}"
    if message["refusal"]:
        yield "refused"
    if message.get("model"):
        yield message["model"]
    if message["duration_ms"] is not None:
        yield duration(message["duration_ms"] / 1000)


def _called(call: dict[str, Any], *, full: bool) -> str:
    """Return a call of a tool in the words of programs: name, what it was given, its id."""
    function = call.get("function", call)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        written = _written(call)
        return written if full else _cut(written)
    given = function.get("arguments", "")
    written = given if isinstance(given, str) else _written(given)
    if not full:
        written = _cut(written)
    named = f"  {printable(call['id'])}" if isinstance(call.get("id"), str) else ""
    return f"{printable(function['name'])}({written}){named}"


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _cut(text: str) -> str:
    """Return a text on one line, and its length where only its beginning is shown."""
    line = printable(text[:_LONGEST])
    return line if len(text) <= _LONGEST else f"{line}… ({len(text):,} characters)"


def _indented(text: str) -> Iterator[str]:
    for line in printable(text, lines=True).split("\n"):
        yield f"  {line}".rstrip()
