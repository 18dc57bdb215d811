"""What goes to a helper and comes back: a length, and a pickle of that many bytes.

Both ends are ours and the helper's input comes from its parent alone, so a pickle is as good as
anything, and the only thing that carries a string of 30 MB without looking at each character twice.
"""

from __future__ import annotations

import pickle
import struct
import traceback
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import AutogptDbError

if TYPE_CHECKING:
    from collections.abc import Callable

LENGTH = struct.Struct("!Q")


class Reply(NamedTuple):
    """What a helper answers.

    Attributes:
        result: What the function returned; None when it failed.
        failure: Class, arguments and attributes of the failure of ours that it raised, or None.
        bug: The traceback of whatever else it raised, or None.
        ends: Whether the helper ends now: it has grown.
    """

    result: Any = None
    failure: tuple[type[AutogptDbError], tuple[Any, ...], dict[str, Any]] | None = None
    bug: str | None = None
    ends: bool = False

    def value(self) -> Any:
        """Return the result.

        Raises:
            AutogptDbError: The function raised it.
            RuntimeError: The function has a bug; the message is its traceback.
        """
        if self.failure is not None:
            kind, arguments, attributes = self.failure
            error = kind.__new__(kind, *arguments)
            error.args = arguments
            error.__dict__.update(attributes)
            raise error
        if self.bug is not None:
            raise RuntimeError(self.bug)
        return self.result


def request(function: Callable[..., Any], arguments: tuple[Any, ...]) -> bytes:
    """Return a request's pickle."""
    return pickle.dumps((function, arguments), protocol=5)


def read_request(content: bytes | bytearray) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the function to call and its arguments."""
    function, arguments = pickle.loads(content)  # noqa: S301 - from our parent
    return function, arguments


def reply(result: Reply) -> bytes:
    """Return a reply's pickle."""
    return pickle.dumps(tuple(result), protocol=5)


def read_reply(content: bytes | bytearray) -> Reply:
    """Return what a helper answered."""
    return Reply(*pickle.loads(content))  # noqa: S301 - from our own helper


def failed(error: Exception) -> Reply:
    """Return the reply for a function that raised."""
    if isinstance(error, AutogptDbError):
        return Reply(failure=(type(error), error.args, error.__dict__))
    return Reply(bug="".join(traceback.format_exception(error)))
