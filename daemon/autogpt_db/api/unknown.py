"""Methods that are none of ours: told apart, remembered by name, refused.

Newer AutoGPT releases call methods that this service does not have. Without `api.fallback_url`
they get 404, which AutoGPT's clients do not repeat; an operator is told once for each name.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from autogpt_db.logs.events import api as log
from autogpt_db.metrics import families

if TYPE_CHECKING:
    from collections.abc import Iterable

    from autogpt_db.metrics import Store

PASSED_ON = b"autogpt-db-passed-on"
"""Header of what was passed on; it is passed on once only, or two services could do it for ever."""
MOST_NAMES = 500
"""Names that are remembered; newer AutoGPT releases have about 200 methods."""
OTHER_NAME = "(other)"
"""What stands for every name beyond `MOST_NAMES`."""

LONGEST_ARGUMENT = 100
"""Characters of an argument's name that are logged."""

_METHOD_PATH = re.compile(r"/([A-Za-z_][A-Za-z0-9_]{0,99})").fullmatch


def method_name(verb: str, path: str) -> str | None:
    """Return the method that a request calls, or None when it can be no call of one."""
    match = _METHOD_PATH(path) if verb == "POST" else None
    return match[1] if match else None


class Names:
    """A set of names that callers cannot make grow for ever."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def add(self, name: str) -> bool:
        """Take a name; tell whether it is a new one that there was room for."""
        if name in self._names or len(self._names) >= MOST_NAMES:
            return False
        self._names.add(name)
        return True

    def bounded(self, name: str) -> str:
        """Return the name if it is remembered, else `OTHER_NAME`."""
        return name if name in self._names else OTHER_NAME


class UnknownArguments:
    """Tells an operator of each argument that somebody sends and we can't honour, once."""

    def __init__(self, store: Store) -> None:
        """Begin with none.

        Args:
            store: Where calls are counted.
        """
        self._names = Names()
        self._store = store

    def met(self, method: str, arguments: Iterable[str], outcome: str) -> None:
        """Take note of a call.

        Args:
            method: The method, one of ours.
            arguments: Those that we can't honour.
            outcome: `passed on` or `refused`.
        """
        self._store.add(families.ARGUMENTS_NOT_HONOURED, 1, method, outcome)
        for argument in arguments:
            shown = argument[:LONGEST_ARGUMENT]
            if self._names.add(f"{method} {shown}"):
                log.argument_unknown(method=method, argument=shown, outcome=outcome)


class UnknownMethods:
    """Tells an operator of each method that somebody calls and nobody serves, once."""

    def __init__(self) -> None:
        self._names = Names()

    def refused(self, name: str, reason: str) -> None:
        """Take note of a call that gets 404.

        Args:
            name: The method.
            reason: Why nobody serves it, for the operator.
        """
        if self._names.add(name):
            log.method_unknown(method=name, reason=reason)
