"""The admin listener of an installed service in a guest, and clients of it on this machine."""

from __future__ import annotations

import re
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

import plain_http
from guest import ROOT, join_network
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guest import Guest

PAGE = ROOT / "docs/howto/look-at-it.md"
FILE = "/etc/autogpt-db/autogpt-db.toml"
LISTENER = "http://127.0.0.1:8905"


def as_the_page_says(text: str) -> str:
    """Return the installed configuration with the how-to's option in the section that is there."""
    (shown,) = re.findall(
        r"^```toml\n\[admin\]\n(enabled = true) .*\n```$", PAGE.read_text(), re.MULTILINE
    )
    before, section, after = text.partition("\n[admin]\n")
    assert section, "the installed file has it"
    return before + section + after.replace("# enabled = false", shown, 1)


def opened(guest: Guest) -> str:
    """Return the link that root is given, as soon as the listener is there."""

    def link() -> str:
        done = guest.attempt("autogpt-db", "admin", "open")
        return done.stdout.strip()

    return wait_for(link, what="a link")


@contextmanager
def admin_listener(guest: Guest) -> Iterator[None]:
    """Turn the listener on by a reload, as the how-to says; and off again."""
    before = guest.path(FILE).read_text()
    guest.path(FILE).write_text(as_the_page_says(before))
    try:
        guest.run("autogpt-db", "ctl", "reload")
        yield
    finally:
        guest.path(FILE).write_text(before)
        guest.run("systemctl", "reload", "autogpt-db")


def client_in(guest: Guest, base: str = LISTENER) -> httpx.Client:
    """Return a client of this process's whose connections begin inside the guest.

    Args:
        guest: Where.
        base: What paths are below.
    """
    transport = httpx.HTTPTransport(verify=plain_http.NO_TLS)
    transport._pool = httpcore.ConnectionPool(network_backend=_Inside(guest))
    return plain_http.client(base_url=base, transport=transport)


class _Inside(httpcore.SyncBackend):
    """Connects in a thread that has joined the guest's network: a socket stays where it began."""

    def __init__(self, guest: Guest) -> None:
        self._guest = guest

    def connect_tcp(self, *words: Any, **options: Any) -> httpcore.NetworkStream:
        made: list[httpcore.NetworkStream | OSError | httpcore.ConnectError] = []

        def connect() -> None:
            join_network(self._guest)
            try:
                made.append(super(_Inside, self).connect_tcp(*words, **options))
            except (OSError, httpcore.ConnectError) as error:
                made.append(error)

        thread = threading.Thread(target=connect)
        thread.start()
        thread.join()
        (outcome,) = made
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
