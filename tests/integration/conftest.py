"""Fixtures of the tests that call operations without HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from service import Service
from worker_scenarios import Queries

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    """Yield the operations on a fresh database with the contract's rows."""
    with Service(seeded_database_url, copy_of=seeded_template) as running:
        yield running


@pytest.fixture
def queries(database_url: str) -> Iterator[Queries]:
    """Yield what looks at a fresh database from outside, as tests of jobs do."""
    found = Queries(database_url)
    yield found
    found.close()


@pytest.fixture
def with_vector(service: Service) -> None:
    """Skip a test that needs pgvector where this PostgreSQL has none."""
    if service.value("SELECT to_regtype('vector') IS NULL"):
        pytest.skip("this PostgreSQL has no pgvector")
