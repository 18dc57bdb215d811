"""This checkout: a copy of what is written in it, and the program that makes environments of it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
_READ = ".hypothesis"
_MADE_HERE = {".git", ".venv", ".uv", ".make", _READ, "build", "dist"}


def copy_checkout(target: Path, *, compiled: bool = False) -> None:
    """Copy the checkout as a newcomer has it, without what is made in it, for all to read.

    Args:
        target: Where to, which is not there yet.
        compiled: Whether what Python has compiled comes along, and what Hypothesis has read of the
            modules: both would take some seconds again.
    """
    left = ("_cache",) if compiled else ("_cache", "__pycache__")
    made_here = _MADE_HERE - {_READ} if compiled else _MADE_HERE

    def ignored(at: str, names: list[str]) -> set[str]:
        made = made_here if Path(at) == ROOT else set()
        return made | {name for name in names if name.endswith(left)}

    shutil.copytree(ROOT, target, ignore=ignored)
    subprocess.run(["chmod", "-R", "a+rX", target], check=True)


def uv() -> Path:
    """Return the uv that makes environments, as the Makefile finds it."""
    return Path(os.environ.get("UV") or shutil.which("uv") or ROOT / ".uv/bin/uv").resolve()


def uv_cache() -> Path:
    """Return where uv keeps what it has fetched."""
    done = subprocess.run([uv(), "cache", "dir"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())
