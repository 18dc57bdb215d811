"""A throw-away Debian guest with a real systemd, and the installed service in it."""

from __future__ import annotations

import ctypes
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from load import Writers
from waiting import PATIENCE, wait_for

ROOT = Path(__file__).parents[1]
LAB = ROOT / "tests/service/systemd-lab"
UNIT = "autogpt-db"
CREDENTIALS = "/etc/autogpt-db/credentials"
PORT = 8005
_CLONE_NEWNET = 0x40000000
_NOT_RUNNING = 7
"""How supervisorctl ends where a program that it was asked about does not run."""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/root",
    "SSL_CERT_FILE": "/etc/ssl/certs/ca-certificates.crt",
}


def why_not() -> str | None:
    """Return why no guest can be had here, or None."""
    if os.geteuid() != 0:
        return "needs root, to boot a guest with systemd-nspawn"
    able = subprocess.run([LAB, "able"], capture_output=True, text=True, check=False)
    if able.returncode != 0:
        return able.stderr.strip()
    missing = [tool for tool in ("systemd-nspawn", "mmdebstrap") if shutil.which(tool) is None]
    if missing:
        return f"needs {' and '.join(missing)} (`make test-service` installs them with apt)"
    return None


PACKAGES = "postgresql make curl"
BROWSER = "chromium fonts-dejavu-core"
"""What a guest has besides, where its pages are looked at in a browser."""


def tree(suite: str) -> Path:
    """Return the files that guests of a Debian release begin with, for reading only."""
    chosen = {"LAB_SUITE": suite, "LAB_PACKAGES": PACKAGES}
    done = subprocess.run(
        [LAB, "build"], env=os.environ | chosen, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


class Guest:
    """One guest, by systemd-lab.

    Args:
        name: Its name.
        suite: Its release; None: what LAB_SUITE says, or this machine's own.
        packages: What is installed in it, besides what any has.

    Attributes:
        pid: Its PID 1, as this machine numbers it.
    """

    def __init__(self, name: str, suite: str | None = None, packages: str = PACKAGES) -> None:
        self._environment = os.environ | {
            "LAB_NAME": name,
            "LAB_OWNER": str(os.getpid()),
            "LAB_PACKAGES": packages,
        }
        if suite is not None:
            self._environment["LAB_SUITE"] = suite
        self.pid = 0

    def up(
        self,
        *,
        read_only: dict[str, Path],
        writable: dict[str, Path] | None = None,
        network: bool = False,
    ) -> None:
        """Boot it, with files and directories of this machine at the given places.

        Args:
            read_only: Place in the guest, and what of this machine's stands there.
            writable: The same, for what the guest may change.
            network: Whether it is in this machine's network, and not in one of its own.
        """
        binds = ["--net=host"] if network else []
        binds += [f"--bind-ro={host}:{place}" for place, host in read_only.items()]
        binds += [f"--bind={host}:{place}" for place, host in (writable or {}).items()]
        self._lab("up", *binds)
        self._look()

    def reboot(self, *, wait: bool = True) -> None:
        """Reboot it.

        Args:
            wait: Return when everything that is started at boot is up; else when its systemd is.
        """
        self._lab("reboot", *([] if wait else ["--no-wait"]))
        self._look()

    def down(self) -> None:
        self._lab("down")

    def run(self, *words: str, check: bool = True, text: str = "") -> str:
        """Run a program as the guest's root; return what it wrote."""
        done = self.attempt(*words, text=text)
        if check and done.returncode != 0:
            said = f"{done.stdout}{done.stderr}\n{self.log()}"
            raise AssertionError(f"{' '.join(words)} ended with {done.returncode}: {said}")
        return done.stdout.strip()

    def attempt(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a program as the guest's root, whatever its outcome."""
        return subprocess.run(
            [*self._enter(), *words],
            input=text,
            capture_output=True,
            text=True,
            timeout=4 * PATIENCE,
            check=False,
            env=_ENVIRONMENT,
        )

    def program(self, name: str, target: Path) -> Path:
        """Write a program of this machine's that runs one of the guest's as its root.

        Pipes that are open here are open there: a browser's, by which it is driven.

        Args:
            name: Where it is in the guest.
            target: Where to write it.
        """
        environment = [f"{variable}={value}" for variable, value in _ENVIRONMENT.items()]
        words = shlex.join(["env", "-i", *environment, *self._enter(), name])
        target.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        target.chmod(0o755)
        return target

    def path(self, name: str) -> Path:
        """Return where this machine sees a file of the guest's."""
        return Path(f"/proc/{self.pid}/root", name.lstrip("/"))

    # The service -------------------------------------------------------------------------------

    def property(self, name: str, unit: str = UNIT) -> str:
        return self.run("systemctl", "show", "-P", name, unit)

    def main_pid(self) -> int:
        """Return main's pid in the guest, 0 when there is none."""
        return int(self.property("MainPID"))

    def child_pid(self, name: str) -> int:
        """Return a child's pid in the guest (`api:api_00`), 0 while it has none."""
        done = self.attempt("autogpt-db", "ctl", "pid", name)
        assert done.returncode in {0, _NOT_RUNNING}, f"{done.stdout}{done.stderr}"
        return int(done.stdout)

    def wait_serving(self, *, seconds: float = PATIENCE) -> None:
        def serving() -> bool:
            return (
                self.property("ActiveState") == "active"
                and self.property("StatusText").startswith("serving:")
            )  # fmt: skip

        try:
            wait_for(serving, seconds=seconds, what="serving")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log()}") from None

    def log(self, lines: int = 60) -> str:
        quiet = ("--no-pager", "-o", "short-precise", "-n", str(lines))
        return self.attempt("journalctl", "-u", UNIT, *quiet).stdout

    def records(self, *matches: str, since: str | None = None) -> list[dict[str, Any]]:
        """Return journal records of the service as journald keeps them."""
        options = ["--since", since] if since else []
        text = self.run("journalctl", "-u", UNIT, "-o", "json", "--all", *options, *matches)
        return [json.loads(line) for line in text.splitlines()]

    def now(self) -> str:
        """Return the guest's time, for `since`."""
        return self.run("date", "+%Y-%m-%d %H:%M:%S.%N")

    def call(self, method: str, *arguments: str) -> Any:
        return json.loads(self.run("autogpt-db", "call", method, *arguments))

    def processes(self) -> list[str]:
        """Return the command lines of the service's account in the guest, but for its clients."""
        return self.run("ps", "-u", "autogpt-db", "-o", "args=", check=False).splitlines()

    def cpu_seconds(self, pid: int) -> float:
        """Return how much CPU time a process of the guest's has used."""
        return int(self.path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9

    def files(self) -> set[str]:
        """Return every file and directory on the guest's disk."""
        return set(self.run("find", "/", "-xdev", "-not", "-path", "/packages/*").splitlines())

    def limits_memory(self) -> bool:
        """Tell whether the guest's systemd can limit memory: a container's may have no control."""
        controllers = self.path("/sys/fs/cgroup/cgroup.controllers")
        if controllers.exists():
            return "memory" in controllers.read_text().split()
        return self.path("/sys/fs/cgroup/memory").exists()

    def database_url(self) -> str:
        """Return the private PostgreSQL's URL, as this machine reaches it."""
        directory = self.path("/var/lib/autogpt-db/postgresql/socket")
        return f"host={directory} user=autogpt_db dbname=autogpt_db"

    @contextmanager
    def credential(self, name: str, text: str) -> Iterator[Path]:
        """Give the service a credential, yield its file; take it back and let the service serve."""
        file = self.path(f"{CREDENTIALS}/{name}")
        file.write_text(text)
        file.chmod(0o600)
        try:
            yield file
        finally:
            self.path(f"{CREDENTIALS}/{name}").unlink(missing_ok=True)  # a reboot changes paths
            self.run("systemctl", "restart", UNIT)

    def drop_in(self, name: str, text: str | None) -> None:
        """Write what `systemctl edit` would, or with None take it back."""
        directory = self.path(f"/etc/systemd/system/{UNIT}.service.d")
        if text is None:
            (directory / name).unlink(missing_ok=True)
        else:
            directory.mkdir(exist_ok=True)
            (directory / name).write_text(text)
        self.run("systemctl", "daemon-reload")

    def _enter(self) -> list[str]:
        spaces = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd")
        return ["nsenter", "--target", str(self.pid), *spaces, "--"]

    def _lab(self, *words: str) -> None:
        done = subprocess.run(
            [LAB, *words], env=self._environment, capture_output=True, text=True,
            timeout=600, check=False,
        )  # fmt: skip
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    def _look(self) -> None:
        done = subprocess.run([LAB, "pid"], env=self._environment, capture_output=True, check=True)
        self.pid = int(done.stdout)


def join_network(guest: Guest) -> None:
    """Have this thread's connections begin inside the guest from now on."""
    with Path(f"/proc/{guest.pid}/ns/net").open() as namespace:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.setns(namespace.fileno(), _CLONE_NEWNET) == 0, ctypes.get_errno()


class GuestWriters(Writers):
    """Writers whose connections begin inside the guest: their thread joins its network."""

    def __init__(self, guest: Guest, *, clients: int = 32) -> None:
        super().__init__(PORT, clients=clients)
        self._guest = guest

    async def _run(self) -> None:
        join_network(self._guest)
        await super()._run()

    def wait_for_more(self, count: int = 200, *, seconds: float = PATIENCE) -> None:
        """Wait until that many more writes were acknowledged."""
        before = self.ok
        wait_for(lambda: self.ok >= before + count, seconds=seconds, what=f"{count} more writes")
