"""A daemon with an admin listener, and those who are let in there."""

from __future__ import annotations

import re

import httpx

import plain_http
from daemon_process import LEAN, DaemonProcess, free_port
from waiting import wait_for


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
        answer = client.post("/login", data={"ticket": self.link().partition("#")[2]})
        assert answer.status_code == 303, answer.text
        found = re.search(r'name="csrf" content="([^"]+)"', client.get("/").text)
        assert found is not None
        client.headers["x-csrf-token"] = found[1]
        return client
