"""Fixtures of the tests that call operations without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service(seeded_database_url: str) -> Iterator[Service]:
    """Yield the operations on a fresh database with the contract's rows."""
    with Service(seeded_database_url) as running:
        yield running
