"""Embedded PostgreSQL.

Told by main, of the private PostgreSQL that runs where no database is configured.
"""

from __future__ import annotations

from logging import INFO, WARNING
from typing import TYPE_CHECKING

from autogpt_db.logs.declaration import event

if TYPE_CHECKING:
    from collections.abc import Sequence


@event(WARNING)
def embedded_account_shared(*, account: str, remedy: str) -> None:
    """Root's private PostgreSQL runs as nobody, for want of an account of its own: whatever else
    runs as nobody may read its data.
    """


@event(INFO)
def embedded_initialising(*, version: str, directory: str) -> None:
    """The private PostgreSQL's data is being made, which takes some seconds."""


@event(INFO)
def embedded_binaries_copied(*, version: str, directory: str, seconds: float) -> None:
    """The packaged PostgreSQL was copied to where its account reaches it; once for each version."""


@event(INFO)
def embedded_initialised(*, version: str, directory: str, seconds: float) -> None:
    """The data directory was made."""


@event(WARNING)
def embedded_leftover_ended(*, pid: int | Sequence[int], directory: str) -> None:
    """A PostgreSQL that a killed daemon had left on the data was ended; `pid`: one, or a list.

    Nothing has to be done; what killed the daemon may be worth a look.
    """


@event(INFO)
def embedded_started(
    *, version: str, directory: str, pid: int | None, seconds: float, account: str | None = None
) -> None:
    """It serves; `account`: whom it runs as, if not as the daemon."""


@event(INFO)
def embedded_stopped(*, pid: int, seconds: float) -> None:
    """It was ended."""
