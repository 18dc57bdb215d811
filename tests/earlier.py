"""autogpt-db 0.1.0, as its users have it: built from this repository's history."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

from checkout import ROOT, uv

VERSION = "0.1.0"
COMMIT = "1d38e66df775a1ca47ac21e34d0e5fc96c1f4d40"
"""Its last one."""

_PLACE = ROOT / "build" / f"autogpt-db-{VERSION}"


def why_not() -> str | None:
    """Return why it cannot be built here, None where it can."""
    if shutil.which("git") is None:
        return "git is not installed"
    if _git("cat-file", "-e", f"{COMMIT}^{{commit}}").returncode:
        return (
            f"{VERSION} is not in this checkout's history, which begins later or is none:"
            " git fetch --unshallow"
        )
    return None


def source() -> Path:
    """Return its tree, with the environment that its own lock describes in `environment`.

    Both are made once in a checkout; `make clean` removes them.
    """
    _PLACE.parent.mkdir(exist_ok=True)
    with _PLACE.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (_PLACE / "complete").exists():
            shutil.rmtree(_PLACE, ignore_errors=True)
            _PLACE.mkdir()
            archive = _git("archive", "--format=tar", COMMIT)
            assert archive.returncode == 0, archive.stderr
            subprocess.run(["tar", "-x", "-C", _PLACE], input=archive.stdout, check=True)
            subprocess.run(
                [uv(), "sync", "--quiet", "--frozen", "--compile-bytecode", "--no-dev",
                 "--no-editable", "--extra", "embedded", "--python", sys.executable],
                cwd=_PLACE, check=True,
                env=os.environ | {"UV_PROJECT_ENVIRONMENT": str(_PLACE / "environment")},
            )  # fmt: skip
            (_PLACE / "complete").touch()
    return _PLACE


def program() -> Path:
    """Return its program."""
    return source() / "environment" / "bin" / "autogpt-db"


def _git(*words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", ROOT, *words], capture_output=True, check=False)
