"""The admin listener of the installed service: docs/howto/look-at-it.md, by root and by others.

In a real browser it is looked at by `make test-browser`.
"""

from __future__ import annotations

import json
import re
import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from admin_daemon import Stream, let_in
from guest_admin import FILE, PAGE, admin_listener, client_in, opened
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guest import Guest

STATE = "/var/lib/autogpt-db/admin"
CALL = ("autogpt-db", "call", "get_execution_kv_data", "user_id=u", "key=looked-at")
LARGEST = 60.0
"""MiB that the process may hold when its page has been looked at."""
IDLE = 0.2
"""Percent of a processor that it may take while nobody looks."""


@pytest.fixture(scope="module")
def listening(guest: Guest) -> Iterator[Guest]:
    guest.run("systemctl", "start", "autogpt-db")
    guest.wait_serving()
    with admin_listener(guest):
        yield guest


@pytest.fixture(scope="module")
def browser(listening: Guest) -> Iterator[httpx.Client]:
    """A browser, let in by the first link that can be had: the reload goes on meanwhile."""
    link = opened(listening)
    wait_for(lambda: listening.records("EVENT=reloaded"), what="the end of the reload")
    with closing(client_in(listening)) as client:
        let_in(client, link)
        yield client


def commands() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)


def test_the_page_shows_the_installed_service_live(listening: Guest, browser: httpx.Client) -> None:
    with closing(Stream(browser)) as stream:
        wait_for(lambda: len(stream.sections) == 5, what="every section")

        def processes() -> dict[str, dict[str, Any]]:
            return {each["name"]: each for each in stream.sections["tree"]["processes"]}

        # The sandbox hides other accounts' processes, and lets it see its own.
        assert processes().keys() == {"postgresql", "api_00", "api_01", "worker_00", "admin"}
        assert all(processes()[name]["memory"] > 1e6 for name in ("api_00", "worker_00", "admin"))
        assert stream.sections["database"]["up"]
        killed = listening.child_pid("api:api_01")
        listening.run("kill", "-KILL", str(killed))
        wait_for(lambda: "KILL" in str(processes()["api_01"]["last_exit"]), what="the kill")
        # What the page shows of the log is what journald keeps.
        listening.run(*CALL)
        shown = wait_for(
            lambda: [
                each
                for each in stream.lines
                if each["event"] == "request" and each.get("method") == CALL[2]
            ],
            what="the request",
        )
        kept = listening.records("EVENT=request", f"REQUEST_ID={shown[0]['request_id']}")
        assert [record["METHOD"] for record in kept] == [CALL[2]]
        for action, paused in (("pause", True), ("resume", False)):
            assert browser.post(f"/jobs/retain/{action}").status_code == 200
            wait_for(
                lambda paused=paused: {
                    each["job"]: each["paused"] for each in stream.sections["jobs"]["jobs"]
                }["retain"] is paused,
                what=action,
            )  # fmt: skip


def test_it_is_small_when_it_was_looked_at_and_idle_when_nobody_does(
    listening: Guest, browser: httpx.Client
) -> None:
    browser.get("/runs").raise_for_status()
    pid = listening.child_pid("admin:admin")
    (resident,) = re.findall(
        r"^VmRSS:\s+(\d+) kB$", listening.path(f"/proc/{pid}/status").read_text(), re.MULTILINE
    )
    shares = []

    def is_idle() -> bool:
        began, before = time.monotonic(), listening.cpu_seconds(pid)
        wait_for(lambda: time.monotonic() >= began + 5, what="five seconds")
        took = listening.cpu_seconds(pid) - before
        shares.append(took / (time.monotonic() - began) * 100)
        return shares[-1] <= IDLE

    wait_for(is_idle, what="an idle listener")
    held = int(resident) / 1024
    print(f"{held:.1f} MiB; idle: {', '.join(f'{share:.2f}' for share in shares)} % CPU")
    assert held <= LARGEST


@pytest.mark.usefixtures("browser")
def test_root_and_the_service_s_account_are_let_in_and_nobody_else(listening: Guest) -> None:
    assert listening.run("stat", "-c", "%a %U", STATE, f"{STATE}/token", f"{STATE}/read_token") == (
        "700 autogpt-db\n600 autogpt-db\n600 autogpt-db"
    )
    listening.run("useradd", "--groups", "autogpt-db", "ada")
    for words in (("admin", "open"), ("admin", "token")):
        asked = ("runuser", "-u", "autogpt-db", "--", "autogpt-db", *words)
        assert listening.run(*asked)
        # Its group may call methods; the listener's tokens are not for it.
        done = listening.attempt("runuser", "-u", "ada", "--", "autogpt-db", *words)
        assert (bool(done.returncode), "as root (sudo)" in done.stderr) == (True, True), done
    # The token for scripts reads what REST shows, by the Python of this release.
    bearer = listening.run("autogpt-db", "admin", "token")
    with closing(client_in(listening)) as script:
        script.headers["Authorization"] = f"Bearer {bearer}"
        assert "retain" in script.get("/v1/jobs").raise_for_status().text
    told = listening.run("journalctl", "-u", "autogpt-db", "-o", "json", "--all")
    for name in ("token", "read_token"):
        assert listening.path(f"{STATE}/{name}").read_text().strip() not in told


def test_doctor_says_whom_the_sandbox_keeps_out(listening: Guest) -> None:
    file = listening.path(FILE)
    before = file.read_text()

    def told() -> str:
        done = listening.attempt("autogpt-db", "doctor", "--json")
        (warned,) = (
            check["text"]
            for check in json.loads(done.stdout)["checks"]
            if check["check"] == "admin listener" and check["level"] == "warn"
        )
        return str(warned)

    try:
        file.write_text(
            before.replace("# port = 8905\n", 'host = "0.0.0.0"\nallowed_hosts = "db.example"\n', 1)
        )
        assert "lets in this machine alone" in told()
        listening.drop_in("proxy.conf", "[Service]\nIPAddressAllow=192.0.2.10\n")
        assert "may be reached from other machines" in told()
    finally:
        listening.drop_in("proxy.conf", None)
        file.write_text(before)


def test_the_how_to_s_commands_do_what_it_says(listening: Guest, browser: httpx.Client) -> None:
    """The last one: it restarts the listener, and browsers are let in until then alone."""
    link, figures, restarted = (listening.run("bash", "-ec", each) for each in commands())
    assert re.fullmatch(r"http://127\.0\.0\.1:8905/login#\S{20,}", link)
    assert 'autogpt_db_process_up{process="admin"} 1' in figures
    assert "admin: started" in restarted
    assert link.partition("#")[2] not in json.dumps(listening.records())

    def is_out() -> bool:
        with suppress(httpx.TransportError):
            return browser.get("/").status_code == 401
        return False

    wait_for(is_out, what="the end of the session")
