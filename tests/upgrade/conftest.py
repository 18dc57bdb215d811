"""What the tests of an upgrade start from: the version before, installed."""

from __future__ import annotations

from pathlib import Path

import pytest

import earlier


@pytest.fixture(scope="session")
def earlier_program() -> Path:
    """Return the program of the version before; skip where there is no telling what it was."""
    reason = earlier.why_not()
    if reason is not None:
        pytest.skip(reason)
    return earlier.program()
