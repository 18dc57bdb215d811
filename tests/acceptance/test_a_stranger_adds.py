"""Whoever adds something does what CONTRIBUTING.md says, and everything passes.

In a copy of the tree: what is added by hand, then `make reference`, then the tests that concern it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stranger import Stranger, git_is_there

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not git_is_there(), reason="needs git"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path / "tree")


def test_who_adds_nothing_changes_nothing(stranger: Stranger) -> None:
    assert stranger.makes_reference() == set()
    stranger.tests("tests/unit/test_reference.py")
    assert stranger.changed() == set()
