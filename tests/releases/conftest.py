"""Fixtures of the tests that call operations on the databases of AutoGPT's releases."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def service_in(release_database: Callable[..., str]) -> Iterator[Callable[..., Service]]:
    """Yield what starts the operations on a new database in a release's state.

    `service_in("v0.6.59")` has no rows, with `seeded=True` those that recorded calls start from;
    further keywords are sections of the settings.
    """
    with ExitStack() as running:

        def started(state: str, *, seeded: bool = False, **sections: Any) -> Service:
            url = release_database(state, seeded=seeded, ours=True)
            alike = f"{state} seeded" if seeded else state
            return running.enter_context(Service(url, copy_of=alike, **sections))

        yield started
