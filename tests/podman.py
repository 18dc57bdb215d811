"""Podman with a storage of its own, as root or not, on machines that allow containers little."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROGRAM = shutil.which("podman")
RUNTIME = shutil.which("runc")
"""Not crun, which refuses machines that have cgroups of both versions."""
_ENVIRONMENT = {"DISABLE_HC_SYSTEMD": "true"}
"""No timer of systemd's for the health check, which is run by the test."""


class Podman:
    """One storage of images and containers.

    Args:
        directory: Place for it.

    Attributes:
        limits: Options of `run` for machines where limits may not be raised, which refuse podman's
            own choice of them.
    """

    limits = ("--ulimit=nproc=4096:4096", "--ulimit=nofile=1024:4096")

    def __init__(self, directory: Path) -> None:
        assert PROGRAM is not None
        assert RUNTIME is not None
        # vfs needs no overlay in the kernel or by fuse; no systemd is asked for cgroups or a log.
        self._command = [
            PROGRAM, f"--root={directory / 'storage'}", f"--runroot={directory / 'run'}",
            f"--tmpdir={directory / 'tmp'}", "--storage-driver=vfs",
            "--cgroup-manager=cgroupfs", "--events-backend=none", f"--runtime={RUNTIME}",
        ]  # fmt: skip

    def start(self, *words: str) -> str:
        """Run a container that must succeed, or start; return what it printed.

        Args:
            words: Options, image and command.
        """
        return self.run("run", *self.limits, *words)

    def run(self, *words: str | Path) -> str:
        """Run a subcommand that must succeed; return what it printed."""
        done = self.attempt(*words)
        assert done.returncode == 0, (words, done.stdout[-4000:], done.stderr[-4000:])
        return done.stdout.strip()

    def attempt(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a subcommand, whatever its outcome."""
        return subprocess.run(
            [*self._command, *map(str, words)],
            env=os.environ | _ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )

    def load(self, tree: Path, name: str, *more: Path) -> None:
        """Make an image of a directory's files, and of files of this machine in their places."""
        files = [str(path).lstrip("/") for path in more]
        # An archive with a file twice is refused.
        without = [f"--exclude=./{name}" for name in files]
        packing = ["tar", "-C", str(tree), "--anchored", *without, "-c", ".", "-C", "/", *files]
        with subprocess.Popen(packing, stdout=subprocess.PIPE) as packed:
            done = subprocess.run(
                [*self._command, "import", "-", name],
                stdin=packed.stdout, capture_output=True, text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert packed.returncode == 0
