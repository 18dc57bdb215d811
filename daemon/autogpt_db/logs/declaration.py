"""Declaring events: a decorated function each, whose signature is its fields.

    @event(WARNING)
    def host_silent(*, address: str) -> None:
        \"\"\"Of several hosts the one in use does not answer.

        What an operator does about it is said in all paragraphs but the first.
        \"\"\"

    host_silent(address="db.example:5432")

Its name is the event's, and its docstring what the reference page and the journal's catalogue say
of it. So mypy knows a call that lacks a field, or has one too many, and there is no second place to
forget. Nothing is done where the level is off.
"""

from __future__ import annotations

import inspect
from logging import DEBUG
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, ParamSpec

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

Fields = ParamSpec("Fields")

EVENTS: dict[str, Event[Any]] = {}
"""Those that are declared, by name, in the order of their declaration."""

_pipe: Any = structlog.get_logger("autogpt_db")  # noqa: TID251 - here they go
_least = DEBUG


def connect(least: int) -> None:
    """Send events through what structlog is set up for now.

    Args:
        least: The least level that is logged, as a number of the standard library's.
    """
    global _pipe, _least  # noqa: PLW0603 - logging is set up once or twice in a process's life
    # Bound once: a module's own logger is put together anew for each record.
    _pipe = structlog.get_logger("autogpt_db").bind()  # noqa: TID251
    _least = least


class Entry(NamedTuple):
    """An entry of the journal's catalogue, which `journalctl -x` shows below an event.

    Its text is the event's: what an operator does about it.

    Attributes:
        message_id: The event's MESSAGE_ID in the journal: 32 hexadecimal digits, never changed.
        subject: Its title. `@CHILD@` stands for the record's field `child`, here and in the text.
        manual: The manual page to read on, if there is one.
    """

    message_id: str
    subject: str
    manual: str | None = None


class Event(Generic[Fields]):
    """An event, which is logged by a call with its fields.

    A field whose default is None is left out of the record where it is None.

    Attributes:
        name: As it stands in a record's field `event`.
        level: At which it is logged, as a number of the standard library's.
        levels: All at which it may be.
        entry: What the journal's catalogue says of it, where somebody has to act.
        counter: The metric that counts the same, without the prefix; it goes on counting where
            an event is told only once.
    """

    __slots__ = ("_declared", "_optional", "counter", "entry", "level", "levels", "name")

    def __init__(
        self,
        declared: Callable[Fields, None],
        levels: tuple[int, ...],
        entry: Entry | None,
        counter: str | None,
    ) -> None:
        self._declared = declared
        defaults: dict[str, object] | None = getattr(declared, "__kwdefaults__", None)
        self._optional = frozenset(defaults or ())
        self.name = declared.__name__
        self.level, self.levels = levels[0], levels
        self.entry = entry
        self.counter = counter

    def __call__(self, *_: Fields.args, **fields: Fields.kwargs) -> None:
        """Log it with `fields`."""
        if self.level >= _least:
            self._log(self.level, fields)

    def at(self, level: int, *_: Fields.args, **fields: Fields.kwargs) -> None:
        """Log it with `fields` at another level than its own.

        Args:
            level: One of its levels.
        """
        if level >= _least:
            self._log(level, fields)

    def _log(self, level: int, fields: dict[str, object]) -> None:
        if self._optional:
            fields = {
                name: value
                for name, value in fields.items()
                if value is not None or name not in self._optional
            }
        _pipe.log(level, self.name, **fields)

    @property
    def fields(self) -> dict[str, bool]:
        """Return the names of its fields, each with whether every record of it has it."""
        found = inspect.signature(self._declared).parameters.values()
        return {
            each.name: each.default is each.empty
            for each in found
            if each.kind is each.KEYWORD_ONLY
        }

    @property
    def types(self) -> dict[str, str]:
        """Return the types of its fields, as they are written, by name."""
        found = inspect.signature(self._declared).parameters.values()
        return {each.name: str(each.annotation) for each in found if each.kind is each.KEYWORD_ONLY}

    @property
    def meaning(self) -> str:
        """Return what it means: the docstring's first paragraph, on one line."""
        return _on_a_line(self._paragraphs[0])

    @property
    def advice(self) -> list[str]:
        """Return what an operator does about it, a line for each paragraph."""
        return [_on_a_line(paragraph) for paragraph in self._paragraphs[1:]]

    @property
    def section(self) -> str:
        """Return the name of the module that declares it."""
        return self._declared.__module__

    @property
    def _paragraphs(self) -> list[str]:
        return (inspect.getdoc(self._declared) or "").split("\n\n")


def event(
    *levels: int, entry: Entry | None = None, counter: str | None = None
) -> Callable[[Callable[Fields, None]], Event[Fields]]:
    """Declare an event.

    Args:
        levels: The level at which it is logged, and others at which it may be (`Event.at`).
        entry: What the journal's catalogue says of it, where somebody has to act.
        counter: The metric that counts the same, without its prefix.

    Raises:
        TypeError: Another event has its name.
    """

    def declare(function: Callable[Fields, None]) -> Event[Fields]:
        declared = Event(function, levels, entry, counter)
        if EVENTS.setdefault(declared.name, declared) is not declared:
            known = EVENTS[declared.name].section
            raise TypeError(f"{known} declares the event {declared.name} as well: rename one.")
        return declared

    return declare


def _on_a_line(paragraph: str) -> str:
    return " ".join(paragraph.split())
