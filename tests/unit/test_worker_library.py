"""What the queue's library says by itself is passed on, unless an event of ours tells the same."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
import structlog
from procrastinate.exceptions import ConnectorException

from autogpt_db.worker.library import take_over_records

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def library() -> Iterator[logging.Logger]:
    root = logging.getLogger("procrastinate")
    before = root.handlers[:], root.level, root.propagate
    take_over_records()
    yield logging.getLogger("procrastinate.worker.worker")
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


def test_a_surprise_is_passed_on_with_its_traceback(library: logging.Logger) -> None:
    surprise = ValueError("odd")
    with structlog.testing.capture_logs() as events:
        library.error("Side task failed", exc_info=surprise, extra={"action": "side_task_failed"})
    assert events == [
        {
            "event": "queue_error",
            "problem": "Side task failed",
            "log_level": "error",
            "exc_info": surprise,
        }
    ]


@pytest.mark.parametrize("outage", [ConnectorException("away"), TimeoutError()])
def test_an_outage_is_not_told_twice(library: logging.Logger, outage: Exception) -> None:
    with structlog.testing.capture_logs() as events:
        library.error("Side task failed", exc_info=outage, extra={"action": "side_task_failed"})
        library.error("Job failed", exc_info=ValueError("no"), extra={"action": "job_error"})
        library.info("Starting worker")
    assert events == []
