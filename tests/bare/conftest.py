"""Which newly installed machines there are: releases, and accounts on each."""

from __future__ import annotations

import os
import platform

import pytest

RELEASES = "bookworm trixie noble"
"""Those that README names: Debian 12 and 13, Ubuntu 24.04."""


def _asked(name: str, default: str) -> list[str]:
    return (os.environ.get(f"AUTOGPT_DB_TEST_{name}") or default).split()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suites = _asked("SUITES", RELEASES)
    if suites == ["own"]:
        suites = [platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")]
    metafunc.parametrize("suite", suites)
    metafunc.parametrize("account", _asked("ACCOUNTS", "root ada"))


@pytest.fixture
def selection() -> str | None:
    """Return which tests are run there: `all`, pytest's words, or None for a few of all kinds."""
    return os.environ.get("AUTOGPT_DB_TEST_SELECTION") or None


@pytest.fixture
def demanded() -> bool:
    """Tell whether the releases were asked for, and aren't just this machine's own."""
    return os.environ.get("AUTOGPT_DB_TEST_SUITES") != "own"
