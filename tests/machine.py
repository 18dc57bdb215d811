"""A newly installed machine with README's packages and nothing else, by `systemd-lab fresh`."""

from __future__ import annotations

import os
import re
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkout import ROOT, copy_checkout
from console_sessions import Shell

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = ROOT / "tests/service/systemd-lab"
_NOT_TO_BE_HAD = 3  # the lab's own exit code


def packages() -> str:
    """Return what README tells a newcomer to install with apt."""
    found = re.search(r"`apt install ([^`]+)`", (ROOT / "README.md").read_text("utf-8"))
    assert found is not None
    return found[1]


def install(suite: str, *, demanded: bool) -> Path:
    """Make the release's files, or skip the test where they can't be had.

    Args:
        suite: Debian's or Ubuntu's name of the release.
        demanded: Whether it was asked for by name: then only a silent mirror is a reason to skip.

    Returns:
        Where they are, for reading only.
    """
    done = subprocess.run(
        [LAB, "installed"], env=_environment(suite), capture_output=True, text=True, check=False
    )
    if done.returncode == _NOT_TO_BE_HAD or (done.returncode and not demanded):
        pytest.skip(f"{suite} cannot be installed: {' '.join(done.stderr.split()[-40:])}")
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


@contextmanager
def shell(suite: str, account: str, directory: Path, *binds: str) -> Iterator[Shell]:
    """Yield a shell of an account's in its home on a new machine, which is gone afterwards.

    Args:
        suite: A release whose files `install` has made.
        account: `root` or `ada`.
        directory: Any, where the program that makes the machine is started.
        binds: Files and directories of this machine with their places there, for reading.
    """
    bound = [word for each in binds for word in ("--bind-ro", each)]
    through = [str(LAB), "fresh", f"--user={account}", *bound, "--"]
    with Shell(directory, _environment(suite), through) as opened:
        yield opened


@contextmanager
def newcomer(suite: str, account: str, directory: Path) -> Iterator[Shell]:
    """Yield a shell of an account's, in whose home the checkout stands as `autogpt-db`.

    Args:
        suite: A release whose files `install` has made.
        account: `root` or `ada`.
        directory: Place for a copy of the checkout.
    """
    clone = directory / "clone"
    copy_checkout(clone)
    with shell(suite, account, directory, f"{clone}:/clone") as opened:
        opened.check("cp -r /clone autogpt-db && cd autogpt-db")
        yield opened


def _environment(suite: str) -> dict[str, str]:
    return os.environ | {"LAB_SUITE": suite, "LAB_PACKAGES": packages()}
