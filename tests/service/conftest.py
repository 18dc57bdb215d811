"""One guest for the whole session, the .deb installed in it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkout import uv, uv_cache
from debian_package import make_package
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
    make_package(package, tmp_path_factory.mktemp("builder"))
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
