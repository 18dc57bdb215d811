"""The services whose pages are looked at in a browser: this checkout's, and an installed one."""

from __future__ import annotations

import os
import shutil
import signal
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from daemon_process import DaemonProcess, free_port
from debian_package import make_package
from guest import BROWSER, PACKAGES, Guest
from guest_admin import LISTENER, admin_listener, opened
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

BROWSERS = ("chromium", "chromium-browser")


class Watched(Protocol):
    """A service of two API processes, a worker, and an admin listener.

    Attributes:
        listener: The listener's URL, as the browser beside it calls it.
        database_url: Its database, as this machine reaches it.
        chromium: The program that starts a browser beside it.
    """

    listener: str
    database_url: str
    chromium: str

    def link(self) -> str:
        """Return a link that lets a browser in."""

    def killer(self, name: str) -> Callable[[], object]:
        """Return what kills a process of the tree: `api:api_01`."""

    def call(self, method: str, **arguments: str) -> Any:
        """Call a method of the service."""


class Here(DaemonProcess):
    """This checkout's, with a browser of this machine's.

    Args:
        database_url: Its database.
    """

    def __init__(self, database_url: str) -> None:
        port = free_port()
        settings = ["api.processes=2", "admin.enabled=true", f"admin.port={port}"]
        super().__init__(database_url=database_url, assignments=settings)
        self.database_url = database_url
        self.listener = f"http://127.0.0.1:{port}"
        self.chromium = next(filter(None, map(shutil.which, BROWSERS)), "")

    def __enter__(self) -> Self:
        super().__enter__()
        wait_for(lambda: self.pid_of("admin") and "admin_listening" in self.log(), what="it")
        return self

    def link(self) -> str:
        return self.run("admin", "open").stdout.strip()

    def killer(self, name: str) -> Callable[[], object]:
        pid = self.pid_of(name)
        return lambda: os.kill(pid, signal.SIGKILL)


class Installed(ExitStack):
    """The package's, which systemd runs in a guest, with a browser that is installed there, too.

    What drives the browser is here, and speaks with it through pipes: nothing else goes in or out.

    Args:
        directory: Place for the package.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self.guest = Guest(f"autogpt-db-page-{os.getpid()}", packages=f"{PACKAGES} {BROWSER}")
        self.listener = LISTENER
        self.database_url = self.chromium = ""

    def __enter__(self) -> Self:
        packages = self._directory / "packages"
        packages.mkdir()
        make_package(packages / "autogpt-db.deb", self._directory)
        with ExitStack() as made:
            made.callback(self.guest.down)
            self.guest.up(read_only={"/packages": packages})
            self.guest.run("apt-get", "install", "-y", "/packages/autogpt-db.deb")
            self.guest.run("systemctl", "enable", "--now", "autogpt-db")
            self.guest.wait_serving()
            made.enter_context(admin_listener(self.guest))
            opened(self.guest)
            wait_for(lambda: self.guest.records("EVENT=reloaded"), what="the end of the reload")
            self.push(made.pop_all())
        self.database_url = self.guest.database_url()
        self.chromium = str(self.guest.program("chromium", self._directory / "chromium"))
        return self

    def link(self) -> str:
        return self.guest.run("autogpt-db", "admin", "open")

    def killer(self, name: str) -> Callable[[], object]:
        pid = str(self.guest.child_pid(name))
        return lambda: self.guest.run("kill", "-KILL", pid)

    def call(self, method: str, **arguments: str) -> Any:
        return self.guest.call(method, *(f"{name}={text}" for name, text in arguments.items()))
