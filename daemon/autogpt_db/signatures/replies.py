"""What an operation returns, declared: `Reply[…]` names the model of a finished document.

A plain value needs no more than its type: `-> int`, `-> dict[str, int]`.
"""

from __future__ import annotations

import inspect
import json
import re
import typing
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from autogpt_db.signatures.declaration import RegistrationError, hints_of, place_of

if TYPE_CHECKING:
    from typing import TypeAlias

    from autogpt_db.signatures.declaration import AnyFunction
    from autogpt_db.signatures.schemas import Schemas

T = TypeVar("T")

_BYTES = re.compile(r"\bbytes\b")

if TYPE_CHECKING:
    # Beside bytes a value may be given. None stands for no document: null.
    Reply: TypeAlias = bytes | T | None
else:

    class Reply(Generic[T]):
        """A JSON document of type `T`, finished as bytes."""


_HOW = (
    "Name what a finished document is, `-> Reply[models.X]`, with a model of autogpt_db.models; a "
    "plain value needs no more than its type."
)


def decoded(reply: Reply[T]) -> T | None:
    """Return what an operation returned as plain JSON data, for callers inside the service.

    Args:
        reply: A finished document, or a value that is none.
    """
    found: T | None = json.loads(reply) if isinstance(reply, bytes) else reply
    return found


def reply_text(function: AnyFunction) -> str:
    """Return the type of what an operation returns, as its signature writes it.

    Args:
        function: The operation's.

    Raises:
        RegistrationError: It writes nothing, or no more than that it is bytes.
    """
    written = function.__annotations__.get("return", inspect.Signature.empty)
    text = inspect.formatannotation(written).strip("'")
    if text.startswith("Reply[") and text.endswith("]"):
        text = text.removeprefix("Reply[").removesuffix("]")
    if written is inspect.Signature.empty or _BYTES.search(text):
        raise RegistrationError(f"{place_of(function)} doesn't say what it returns. {_HOW}")
    return text


def reply_schema(function: AnyFunction, schemas: Schemas) -> dict[str, Any]:
    """Return the JSON Schema of what an operation returns; all models are loaded for it.

    Args:
        function: The operation's.
        schemas: Takes those of the models that it names.

    Raises:
        RegistrationError: Its annotation names no type of a JSON value.
    """
    try:
        hint = hints_of(function, ("return",))["return"]
        return schemas.of(typing.get_args(hint)[0] if typing.get_origin(hint) is Reply else hint)
    except (NameError, AttributeError, TypeError) as error:
        raise RegistrationError(
            f"{place_of(function)} returns what cannot be described: {error}. {_HOW}"
        ) from error
