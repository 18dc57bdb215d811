"""The package of 0.1.0, replaced by this one under load, and the way back: `make test-upgrade`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

import earlier
from autogpt_db import __version__
from checkout import uv
from console_sessions import steps
from guest import ROOT, Guest, GuestWriters
from load import lost

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    "AUTOGPT_DB_TEST_UPGRADE" not in os.environ, reason="builds another package: make test-upgrade"
)
PAGES = ROOT / "docs/howto"
PACKAGE = "autogpt-db-before.deb"
SAVED = re.compile(r"/var/lib/autogpt-db/backups/\S+")


@pytest.fixture
def before(packages: Path) -> Path:
    """Put the package of the version before beside this one's."""
    if reason := earlier.why_not():
        pytest.skip(reason)
    done = subprocess.run(
        ["make", "--no-print-directory", "deb"],
        cwd=earlier.source(), env=os.environ | {"UV": str(uv())},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.move(earlier.source() / done.stdout.split()[-1], packages / PACKAGE)
    return packages / PACKAGE


def section(page: str, heading: str) -> list[str]:
    """Return the commands below a heading of a page."""
    _, _, text = (PAGES / page).read_text("utf-8").partition(f"\n## {heading}\n")
    return [step.command for step in steps(text.partition("\n## ")[0], prompt="# ")]


def typed(guest: Guest, command: str) -> str:
    """Run a page's command; the packages are elsewhere than on the page."""
    command = re.sub(
        r"apt install \./autogpt-db_0\.1\.0\S*", f"dpkg -i /packages/{PACKAGE}", command
    )
    command = re.sub(r"apt install \./\S*", "dpkg -i /packages/autogpt-db.deb", command)
    print(f"# {command}")
    return guest.run("bash", "-ec", command)


def test_the_package_is_upgraded_under_load_and_put_back(before: Path, fresh_guest: Guest) -> None:
    guest = fresh_guest
    guest.run("dpkg", "-i", f"/packages/{before.name}")
    guest.run("systemctl", "enable", "--now", "autogpt-db")
    guest.wait_serving()
    backup, install, status, doctor = section("upgrade.md", "One host")
    with GuestWriters(guest) as writers:
        writers.wait_for_more()
        typed(guest, backup)
        assert f"autogpt-db {earlier.VERSION}" in typed(guest, status)
        typed(guest, install)
        writers.wait_for_more()
    history = writers.history
    print(f"upgraded: {history}")
    assert set(history.outcomes) == {"ok"}, history.first_failures
    assert lost(guest.database_url(), history.acknowledged) == []
    assert f"autogpt-db {__version__}" in typed(guest, status)
    assert not re.search(r"(?m)^fail ", typed(guest, doctor))
    assert guest.records("EVENT=schema_migrated")

    stop, look, install, restore, start = section(
        "bring-autogpts-tables-forward.md", "The way back"
    )
    typed(guest, stop)
    (saved,) = typed(guest, f"{look}/").split()
    typed(guest, install)
    refused = guest.attempt("systemctl", "start", "autogpt-db")
    assert refused.returncode != 0, "not with these tables"
    assert f"Install {__version__} or newer." in guest.log()
    typed(guest, SAVED.sub(f"/var/lib/autogpt-db/backups/{saved}", restore))
    typed(guest, start)
    guest.wait_serving()
    assert f"autogpt-db {earlier.VERSION}" in typed(guest, status)
    assert lost(guest.database_url(), history.acknowledged[:100]) == []
