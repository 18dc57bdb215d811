"""What stands in a document that goes to columns of plain text, and not to one of JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from autogpt_db.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from autogpt_db.operations import JsonText


def members_of(name: str, document: JsonText) -> dict[str, Any]:
    """Return the members of an argument that is one object, as they came.

    Args:
        name: The argument.
        document: Its value: a model of plain values.

    Raises:
        InvalidValueError: A text among them holds U+0000.
    """
    members: dict[str, Any] = json.loads(document.received)
    refuse_nul(name, members)
    return members


def refuse_nul(name: str, members: Mapping[str, Any]) -> None:
    """Refuse texts that PostgreSQL's cannot hold.

    Args:
        name: Where the members stand, for people: `credentials.0`.
        members: Values by name; only texts are looked at.

    Raises:
        InvalidValueError: One holds U+0000.
    """
    for member, value in members.items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidValueError(
                f"{name}.{member} holds the character U+0000, which PostgreSQL's text cannot."
            )
