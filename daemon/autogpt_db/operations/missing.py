"""What isn't there, told as AutoGPT tells it in the age that a database is of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.errors import NotFoundError, NotFoundWithStatusError

if TYPE_CHECKING:
    from autogpt_db.database.capabilities import Capabilities


def not_found(capabilities: Capabilities, message: str) -> NotFoundError:
    """Return the error to raise: clients go by its type, what watches them by its status.

    Args:
        capabilities: What the database has.
        message: What isn't there.
    """
    kind = NotFoundWithStatusError if capabilities.pods else NotFoundError
    return kind(message)
