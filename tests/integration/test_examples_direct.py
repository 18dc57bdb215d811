"""Every recorded call of a served method, answered without HTTP on the rows it was recorded on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from examples import EXAMPLES, check
from service import OPERATIONS, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVED = [
    pytest.param(example, id=f"{number:02}-{example['method']}")
    for number, example in enumerate(EXAMPLES)
    if example["method"] in OPERATIONS
]


@pytest.fixture(scope="module")
def service(witness_database_url: str) -> Iterator[Service]:
    with Service(witness_database_url) as running:
        yield running


@pytest.mark.parametrize("example", SERVED)
def test_a_recorded_call_is_answered_the_same(service: Service, example: dict[str, Any]) -> None:
    vector = service.value("SELECT to_regtype('vector') IS NOT NULL")
    if example["method"] == "get_embedding_stats" and not vector:
        pytest.skip("its rows need pgvector")
    check(example, *service.answer(example["method"], example["request"]))
