"""Pauses between tries: they double up to a bound, and no two processes take the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.backoff import Backoff

seconds = st.floats(min_value=0.001, max_value=1000.0)
failures = st.integers(min_value=1, max_value=10**9)


@given(seconds, seconds, failures)
def test_a_pause_is_half_of_its_bound_at_least_and_never_longer(
    first: float, longest: float, failed: int
) -> None:
    backoff = Backoff(first, longest)
    bound = backoff.bound(failed)
    assert bound <= longest
    assert bound / 2 <= backoff.pause(failed) <= bound


@given(seconds, seconds, failures)
def test_the_bound_doubles_with_each_failure_until_it_is_the_longest(
    first: float, longest: float, failed: int
) -> None:
    backoff = Backoff(first, longest)
    assert backoff.bound(1) == min(first, longest)
    assert backoff.bound(failed + 1) == min(longest, 2 * backoff.bound(failed))


def test_who_failed_together_does_not_come_back_together() -> None:
    backoff = Backoff(1.0, 60.0)
    pauses = {backoff.pause(3) for _ in range(100)}
    assert len(pauses) > 90
    assert max(pauses) - min(pauses) > 1.0, "of two seconds that they may be apart"
