"""Which releases the packages are for, and where they are."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT
from guest import why_not
from machine import install

RELEASES = "bookworm trixie noble"
"""Those that README names: Debian 12 and 13, Ubuntu 24.04."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    suites = (os.environ.get("AUTOGPT_DB_TEST_SUITES") or RELEASES).split()
    if suites == ["own"]:
        suites = [platform.freedesktop_os_release().get("VERSION_CODENAME", "unknown")]
    metafunc.parametrize("suite", suites, scope="module")


@pytest.fixture(scope="module")
def demanded() -> bool:
    """Tell whether the releases were asked for, and aren't just this machine's own."""
    return os.environ.get("AUTOGPT_DB_TEST_SUITES") != "own"


@pytest.fixture(scope="module")
def package(suite: str, demanded: bool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the release's .deb: of the files that are to be published, or made as those are."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    tree = install(suite, demanded=demanded)
    given = os.environ.get("AUTOGPT_DB_TEST_DIST")
    directory = Path(given).resolve() if given else tmp_path_factory.mktemp(suite)
    if not given:
        done = subprocess.run(
            ["make", "--no-print-directory", "dist", f"DIST={directory}", f"SUITES={suite}"],
            cwd=ROOT,
            # Another make's variables, which runs these tests, are not for this one.
            env={name: text for name, text in os.environ.items() if not name.startswith("MAKE")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (done.stdout, done.stderr)
    release = _described(tree)
    found = list(directory.glob(f"autogpt-db_*+{release['ID']}{release['VERSION_ID']}_*.deb"))
    assert len(found) == 1, f'{directory}: {found}; make dist SUITES="{suite}" makes it there'
    return found[0]


def _described(tree: Path) -> dict[str, str]:
    lines = (tree / "etc/os-release").read_text("utf-8").splitlines()
    return {name: text.strip('"') for name, _, text in (line.partition("=") for line in lines)}
