"""A daemon with an admin listener, and those who are let in there."""

from __future__ import annotations

import json
import re
import threading
from contextlib import suppress
from typing import Any

import httpx

import plain_http
from daemon_process import LEAN, DaemonProcess, free_port
from waiting import PATIENCE, wait_for


class Admin(DaemonProcess):
    """A daemon with an admin listener."""

    def __init__(self, database_url: str, *assignments: str) -> None:
        self.admin_port = free_port()
        super().__init__(
            database_url=database_url,
            assignments=[
                *LEAN, "admin.enabled=true", f"admin.port={self.admin_port}", *assignments
            ],
        )  # fmt: skip
        self.admin = f"http://127.0.0.1:{self.admin_port}"

    def wait_admin(self) -> None:
        """Wait until it answers: the service is ready without it."""

        def answers() -> bool:
            try:
                return plain_http.get(f"{self.admin}/healthz").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers, what="the admin listener")

    def link(self) -> str:
        return self.command_output("admin", "open")

    def command_output(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def browser(self) -> httpx.Client:
        """Return a client that was let in by a link, and has the page's CSRF token."""
        client = plain_http.client(base_url=self.admin)
        let_in(client, self.link())
        return client


def let_in(client: httpx.Client, link: str) -> None:
    """Let a client in by a link, and have it prove from now on that its page is one of ours.

    Args:
        client: Its base is the listener's URL.
        link: As `autogpt-db admin open` prints it.
    """
    answer = client.post("/login", data={"ticket": link.partition("#")[2]})
    assert answer.status_code == 303, answer.text
    found = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)
    assert found is not None
    client.headers["x-csrf-token"] = found[1]


class Stream:
    """The overview's stream, read by one thread: the last of each section, and all log lines."""

    def __init__(self, client: httpx.Client, path: str = "/live") -> None:
        self.sections: dict[str, Any] = {}
        self.lines: list[dict[str, Any]] = []
        self._client, self._path = client, path
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._ended = False
        self._thread.start()

    def _read(self) -> None:
        with (
            suppress(httpx.TransportError),  # one test kills the listener
            self._client.stream("GET", self._path, timeout=PATIENCE) as answer,
        ):
            name = ""
            for line in answer.iter_lines():
                if self._ended:
                    return
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    found = json.loads(line.removeprefix("data: "))
                    if name == "log":
                        self.lines += found
                    else:
                        self.sections[name] = found

    def close(self) -> None:
        self._ended = True
        self._thread.join(PATIENCE)  # the tree's uptimes change each second
