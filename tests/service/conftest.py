"""One guest for the whole session, the .deb installed in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkout import copy_checkout, uv, uv_cache
from guest import ROOT, Guest, why_not

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = why_not()
    for item in items:
        if Path(__file__).parent in item.path.parents:
            # The first one waits for the packages and the guest as well; ROUNDS=20 takes its time.
            item.add_marker(pytest.mark.timeout(900))
            if reason:
                item.add_marker(pytest.mark.skip(reason=reason))


def build_elsewhere(target: Path, directory: Path) -> None:
    """Build the package in a guest of the release that LAB_SUITE names, with its Python."""
    clone = directory / "clone"
    copy_checkout(clone)
    builder = Guest(f"autogpt-db-build-{os.getpid()}")
    try:
        builder.up(
            read_only={"/usr/local/bin/uv": uv()},
            writable={"/clone": clone, "/root/.cache/uv": uv_cache()},
            network=True,
        )
        builder.run("sh", "-c", "cd /clone && UV=/usr/local/bin/uv make deb")
        (package,) = (clone / "dist").glob("*.deb")
        print(f"built {package.name}")
        shutil.move(package, target)
    finally:
        builder.down()


def build(target: Path) -> None:
    """Build the package as `make deb` does."""
    done = subprocess.run(
        ["make", "--no-print-directory", "deb"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.move(ROOT / done.stdout.split()[-1], target)


def newer(package: Path, target: Path, directory: Path) -> None:
    """Pack what is in `package` again, with a higher version."""
    subprocess.run(["dpkg-deb", "--raw-extract", package, directory], check=True)
    control = directory / "DEBIAN/control"
    control.write_text(re.sub(r"(?m)^(Version: .*)$", r"\1+next", control.read_text()))
    pack = ("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build")
    subprocess.run([*pack, directory, target], stdout=subprocess.DEVNULL, check=True)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the package, and a newer one to upgrade to."""
    directory = tmp_path_factory.mktemp("packages")
    package = directory / "autogpt-db.deb"
    if os.environ.get("LAB_SUITE"):
        build_elsewhere(package, tmp_path_factory.mktemp("builder"))
    else:
        build(package)
    newer(package, directory / "autogpt-db-next.deb", tmp_path_factory.mktemp("newer"))
    return directory


@pytest.fixture(scope="session")
def guest(packages: Path) -> Iterator[Guest]:
    """Boot a guest with the .deb installed and the service enabled."""
    made = Guest(f"autogpt-db-{os.getpid()}")
    try:
        made.up(read_only={"/packages": packages})
        made.run("dpkg", "-i", "/packages/autogpt-db.deb")
        made.run("systemctl", "enable", "--now", "autogpt-db")
        yield made
    finally:
        made.down()


@pytest.fixture
def fresh_guest(packages: Path) -> Iterator[Guest]:
    """Boot a guest that has never seen the service; the clone and the packages stand in it.

    It has no network: what `make install` would fetch comes out of this machine's cache.
    """
    made = Guest(f"autogpt-db-fresh-{os.getpid()}")
    try:
        made.up(
            read_only={
                "/packages": packages,
                "/clone": ROOT,
                "/usr/local/bin/uv": uv(),
            },
            writable={"/root/.cache/uv": uv_cache()},
        )
        yield made
    finally:
        made.down()


@pytest.fixture
def service(guest: Guest) -> Guest:
    """Return the guest with its service up."""
    guest.run("systemctl", "start", "autogpt-db")
    guest.wait_serving()
    return guest
