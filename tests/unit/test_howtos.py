"""Every how-to is tried: some test names its page, and runs what stands there."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
HOWTOS = sorted((TESTS.parent / "docs" / "howto").glob("*.md"))


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_a_page_has_tests_that_read_it(page: Path) -> None:
    readers = [
        test.name
        for test in TESTS.rglob("test_*.py")
        if test != Path(__file__) and page.name in test.read_text("utf-8")
    ]
    print(f"{page.name}: {', '.join(readers)}")
    assert readers, "a page's commands are run by a test, or they are wrong one day"
