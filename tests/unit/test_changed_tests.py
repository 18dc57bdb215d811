"""Which tests `make quick` takes for a change, asked about this tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.changed_tests import FARTHEST, distances, importers

ROOT = Path(__file__).parents[2]
FILES = [
    str(path.relative_to(ROOT))
    for top in ("daemon", "tests")
    for path in (ROOT / top).rglob("*.py")
]
(CREDITS,) = (
    one
    for one in FILES
    if one.startswith("daemon/autogpt_db/operations/")
    and "\nasync def get_credits(" in (ROOT / one).read_text("utf-8")
)


@pytest.fixture(scope="module")
def edges() -> dict[str, set[str]]:
    return importers(FILES)


@pytest.mark.parametrize(
    ("changed", "test", "far"),
    [
        ("tests/unit/test_printable.py", "tests/unit/test_printable.py", 0),
        ("daemon/autogpt_db/printable.py", "tests/unit/test_printable.py", 1),
        ("tests/worker_scenarios.py", "tests/integration/test_worker_outage.py", 1),
        pytest.param(CREDITS, "tests/integration/test_credits.py", 1, id="by a method's name"),
        ("daemon/autogpt_db/api/runner.py", "tests/integration/test_api_stop.py", 2),
        ("daemon/autogpt_db/supervision/tree.py", "tests/acceptance/test_signals.py", 2),
    ],
)
def test_a_test_is_as_far_from_a_change_as_there_are_imports_between(
    edges: dict[str, set[str]], changed: str, test: str, far: int
) -> None:
    assert distances({changed}, edges)[test] == far


def test_a_first_test_is_begun_however_long_they_took_to_be_found(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = request.config
    file = str(ROOT / "tests" / "conftest.py")
    (conftest,) = (
        one for one in config.pluginmanager.get_plugins() if getattr(one, "__file__", None) == file
    )
    before = config.stash.get(conftest.TIME_IS_UP, None)
    monkeypatch.setattr(conftest, "TIME_LIMIT", "0")
    try:
        config.stash[conftest.TIME_IS_UP] = 0.0
        with pytest.raises(pytest.skip.Exception, match="0 s are over: make test"):
            conftest.pytest_runtest_setup(request.node)
        del config.stash[conftest.TIME_IS_UP]
        conftest.pytest_runtest_setup(request.node)
        assert conftest.TIME_IS_UP in config.stash
    finally:
        config.stash[conftest.TIME_IS_UP] = float("inf") if before is None else before


def test_what_is_farther_is_left_to_all_tests(edges: dict[str, set[str]]) -> None:
    found = distances({"daemon/autogpt_db/printable.py"}, edges)
    assert max(found.values()) == FARTHEST
    assert len(found) < len(FILES)
