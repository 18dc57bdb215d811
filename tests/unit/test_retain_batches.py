"""How much a transaction of retain deletes: less where it takes long."""

from __future__ import annotations

from autogpt_db.worker.jobs.retain import FIRST_BATCH, LONGEST, next_batch

MOST = 250


def test_a_run_begins_with_few_rows_and_soon_takes_all_that_it_may() -> None:
    batches = [FIRST_BATCH]
    while batches[-1] < MOST:
        batches.append(next_batch(batches[-1], LONGEST / 100, MOST))
    assert batches == [10, 20, 40, 80, 160, 250]
    assert next_batch(MOST, 0.0, MOST) == MOST


def test_what_takes_long_is_followed_by_less() -> None:
    assert next_batch(250, LONGEST * 2, MOST) == 125
    assert next_batch(3, LONGEST * 60, MOST) == 1
    assert next_batch(1, LONGEST * 60, MOST) == 1, "it goes on all the same"
    assert next_batch(100, LONGEST * 0.6, MOST) == 100, "neither long nor short"
