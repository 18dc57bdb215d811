"""The .deb of this checkout, made for a guest to install."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from checkout import copy_checkout, uv, uv_cache
from guest import ROOT, Guest


def make_package(target: Path, directory: Path) -> None:
    """Make the package for guests of the release that LAB_SUITE names, or of this machine's.

    Args:
        target: Where to put it.
        directory: Place for a copy of the checkout.
    """
    if os.environ.get("LAB_SUITE"):
        _build_elsewhere(target, directory)
    else:
        _build(target)


def _build_elsewhere(target: Path, directory: Path) -> None:
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


def _build(target: Path) -> None:
    """Build the package as `make deb` does."""
    done = subprocess.run(
        ["make", "--no-print-directory", "deb"],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    shutil.move(ROOT / done.stdout.split()[-1], target)
