"""Failures as their callers are told of them."""

from __future__ import annotations

import pytest

from autogpt_db.api.replies import failure_headers
from autogpt_db.errors import DatabaseUnavailableError, InternalError
from autogpt_db.errors.problem_details import retry_headers


@pytest.mark.parametrize(("after", "told"), [(0.0, 1), (0.2, 1), (1.0, 1), (1.2, 2), (5.0, 5)])
def test_both_faces_say_alike_when_to_try_again(after: float, told: int) -> None:
    error = DatabaseUnavailableError("It rests.", retry_after=after)
    assert retry_headers(error) == {"Retry-After": str(told)}
    assert failure_headers(error) == [(b"retry-after", b"%d" % told)]


def test_what_no_repeat_mends_has_no_time_to_try_again() -> None:
    error = InternalError("r1")
    assert (retry_headers(error), failure_headers(error)) == ({}, [])
