"""Database.

Told of the schema, AutoGPT's and our own, by main at its start and by each process later.
"""

from __future__ import annotations

from logging import ERROR, INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.declaration import event

if TYPE_CHECKING:
    from collections.abc import Sequence


@event(INFO)
def schema_changed(*, seconds: float) -> None:
    """AutoGPT's schema, or what we may do with it, has changed; it has been read again."""


@event(WARNING)
def methods_not_served(
    *, methods: Sequence[str], release: str | None, missing: Sequence[str], remedy: str
) -> None:
    """Methods whose needs the database doesn't meet: their calls are passed on, or get 404."""


@event(INFO)
def methods_of_later_releases(*, methods: Sequence[str], release: str | None) -> None:
    """Methods that only later releases of AutoGPT call, and whose needs this older database doesn't
    meet.
    """


@event(INFO)
def methods_served_again(*, methods: Sequence[str], release: str | None) -> None:
    """Methods whose needs the database meets now."""


@event(ERROR)
def keys_not_told(*, exc_info: BaseException) -> None:
    """Saying in the database which keys this process has failed for a reason of ours; it is tried
    again.

    Report it, with the traceback. `autogpt-db rotate-key` changes nothing while it doesn't know.
    """


@event(ERROR)
def schema_unreadable(*, exc_info: BaseException) -> None:
    """A look at AutoGPT's schema failed for a reason of ours; the next one follows.

    Report it, with the traceback.
    """


@event(WARNING)
def schema_partly_there(*, missing: Sequence[str], remedy: str) -> None:
    """Optional parts of AutoGPT's schema are missing; what needs them answers without."""
