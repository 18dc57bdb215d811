"""Live events of a running daemon, followed over HTTP and by the command."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import textwrap
import threading
import tomllib
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psycopg
import pytest

import plain_http
from admin_daemon import Admin
from console_sessions import Shell
from daemon_process import PROGRAM
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

HOWTOS = Path(__file__).parents[2] / "docs" / "howto"
ON = ("events.enabled=true", "credits.enabled=true", "credits.monthly_refill=on")


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str) -> Iterator[Admin]:
    with Admin(seeded_database_url_for_module, *ON) as started:
        started.wait_admin()
        yield started


@pytest.fixture(scope="module")
def headers(daemon: Admin) -> dict[str, str]:
    return {"authorization": f"Bearer {daemon.command_output('admin', 'token')}"}


class Follower:
    """An EventSource: takes what comes, and knows the last id.

    Attributes:
        events: What came, each with its kind.
        id: The last id.
    """

    def __init__(
        self, daemon: Admin, headers: dict[str, str], last: str = "", **choice: str
    ) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.id = ""
        self._url = f"{daemon.admin}/events"
        self._headers = headers | ({"last-event-id": last} if last else {})
        self._choice = choice
        self._client = plain_http.client(timeout=PATIENCE)
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        wait_for(lambda: self.id, what="the first id")

    def _read(self) -> None:
        kind = ""
        with (
            suppress(httpx.HTTPError),
            self._client.stream(
                "GET", self._url, headers=self._headers, params=self._choice
            ) as answer,
        ):
            self._socket = answer.extensions["network_stream"].get_extra_info("socket")
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    self.id = value
                elif name == "event":
                    kind = value
                elif name == "data":
                    self.events.append((kind, json.loads(value)))

    def until(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Return the events, once there are so many."""
        wait_for(lambda: len(self.events) >= count, what=f"{count} events")
        return self.events

    def close(self) -> None:
        with suppress(OSError):  # the other side was quicker
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE)
        self._client.close()


def test_a_run_is_followed_from_its_start_to_its_end(
    daemon: Admin, headers: dict[str, str]
) -> None:
    with (
        closing(Follower(daemon, headers)) as everything,
        closing(Follower(daemon, headers, user="bob")) as bob,
    ):
        following = subprocess.Popen(
            [*daemon.command, "events", "--follow", "--json", "--after", everything.id],
            env=daemon.environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        run = daemon.call(
            "create_graph_execution",
            graph_id="g1",
            graph_version=2,
            user_id="alice",
            inputs={},
            starting_nodes_input=[["n-in", {"name": "a"}]],
        )
        node = run["node_executions"][0]["node_exec_id"]
        everything.until(2)
        with closing(Follower(daemon, headers, everything.id, run=run["id"])) as its:
            daemon.call("update_graph_execution_start_time", graph_exec_id=run["id"])
            daemon.call("update_node_execution_status", node_exec_id=node, status="RUNNING")
            daemon.call("update_node_execution_status", node_exec_id=node, status="COMPLETED")
            daemon.call("update_graph_execution_stats", graph_exec_id=run["id"], status="COMPLETED")
            daemon.call("get_credits", user_id="bob")
            found = everything.until(7)
            assert [(kind, told.get("status")) for kind, told in found] == [
                ("graph_execution", "INCOMPLETE"),
                ("node_execution", "QUEUED"),
                ("graph_execution", "RUNNING"),
                ("node_execution", "RUNNING"),
                ("node_execution", "COMPLETED"),
                ("graph_execution", "COMPLETED"),
                ("balance", None),
            ]
            assert {told["graph_execution_id"] for _, told in found[:6]} == {run["id"]}
            assert its.until(4) == found[2:6], "it came when two had happened"
            assert bob.until(1) == found[6:]
        with following:
            assert following.stdout is not None
            lines = [json.loads(following.stdout.readline()) for _ in found]
            following.terminate()
        told = [{"event": kind, **event} for kind, event in found]
        assert [{name: line[name] for name in line if name != "id"} for line in lines] == told

    # Whoever comes back with an id gets what is behind it, once.
    with closing(Follower(daemon, headers, lines[3]["id"])) as again:
        assert again.until(3) == found[4:]


def test_nobody_misses_anything_while_the_listener_is_replaced(
    daemon: Admin, headers: dict[str, str], seeded_database_url_for_module: str
) -> None:
    def spend() -> int:
        left: int = daemon.call("spend_credits", user_id="alice", cost=1, metadata={})
        return left

    daemon.call("get_credits", user_id="alice")
    with closing(Follower(daemon, headers, user="alice")) as first:
        left = spend()
        assert first.until(1)[-1][1]["balance"] == left
    (admin,) = (one for one in daemon.status()["processes"] if one["name"] == "admin")
    with psycopg.connect(seeded_database_url_for_module) as late:
        late.execute("INSERT INTO autogpt_db.live_event (user_id, balance) VALUES ('alice', -1)")
        os.kill(admin["pid"], signal.SIGKILL)
        balances = [spend() for _ in range(3)]
        wait_for(
            lambda: daemon.status()["processes"][0]["pid"] not in {None, admin["pid"]},
            what="another listener",
        )
        daemon.wait_admin()
        with closing(Follower(daemon, headers, first.id, user="alice")) as again:
            assert again.events == []
            late.commit()
            found = [told["balance"] for _, told in again.until(4)]
    assert found == [-1, *balances]


def test_what_is_asked_wrongly_is_refused(daemon: Admin, headers: dict[str, str]) -> None:
    with plain_http.client(base_url=daemon.admin, headers=headers) as client:
        for query, named in [
            ("?status=RUNNING", "status"),
            ("?user=a&user=b", "user"),
            ("?run=", "run"),
            ("?graph=" + "g" * 300, "graph"),
            ("?user=%00", "U+0000"),
            ("?last-event-id=7", "Last-Event-ID"),
        ]:
            answer = client.get(f"/events{query}")
            assert (answer.status_code, named in answer.json()["detail"]) == (400, True), query
        assert client.get("/events", headers={"last-event-id": "x"}).status_code == 400
        assert client.head("/events").status_code == 200
    assert plain_http.get(f"{daemon.admin}/events").status_code == 401


def listener_memory(daemon: Admin) -> float:
    """Return the megabytes that the listener holds."""
    (admin,) = (one for one in daemon.status()["processes"] if one["name"] == "admin")
    status = Path(f"/proc/{admin['pid']}/status").read_text("utf-8")
    (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024


def test_readers_that_stop_reading_are_cut_off_and_hold_up_nobody(
    daemon: Admin, headers: dict[str, str], seeded_database_url_for_module: str
) -> None:
    """What comes for them stays bounded, and many others get all that is theirs."""

    def joined(query: str) -> socket.socket:
        made = socket.create_connection(("127.0.0.1", daemon.admin_port))
        made.settimeout(PATIENCE)
        made.sendall(
            f"GET /events{query} HTTP/1.1\r\nHost: 127.0.0.1:{daemon.admin_port}\r\n"
            f"Authorization: {headers['authorization']}\r\n\r\n".encode()
        )
        assert made.recv(12) == b"HTTP/1.1 200"
        return made

    def readers() -> int:
        text = plain_http.get(f"{daemon.base}/metrics").text
        lines = [line for line in text.splitlines() if "live_event_readers{" in line]
        return int(float(lines[0].rpartition(" ")[2]))

    with ExitStack() as stack:
        stopped = [stack.enter_context(closing(joined(""))) for _ in range(5)]
        many = [stack.enter_context(closing(joined("?user=quick"))) for _ in range(60)]
        wait_for(lambda: readers() == 65, what="all readers")
        before = listener_memory(daemon)
        with psycopg.connect(seeded_database_url_for_module, autocommit=True) as connection:
            for number in range(16):
                connection.execute(
                    "INSERT INTO autogpt_db.live_event (user_id, node_id, balance)"
                    " SELECT CASE n WHEN 1 THEN 'quick' ELSE 'other' END, repeat('x', 1000), %s"
                    "   FROM generate_series(1, 500) AS n",
                    (number,),
                )
        for reader in many:
            got = b""
            while got.count(b'"balance"') < 16:
                got += reader.recv(65_536)
            assert b'"other"' not in got
        wait_for(lambda: readers() == 60, what="the end of those that stopped")
        assert listener_memory(daemon) - before < 40, "megabytes, for 8 that nobody took"
        assert len(stopped) == 5


def blocks(page: str, language: str) -> list[str]:
    found = re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for block in found]


def test_the_how_to_is_right(daemon: Admin) -> None:
    """The page's commands, as they stand there."""
    page = (HOWTOS / "follow-live-events.md").read_text("utf-8")
    (settings,) = blocks(page, "toml")
    assert tomllib.loads(settings) == {"events": {"enabled": True}, "admin": {"enabled": True}}
    looks, follow = blocks(page, "sh")
    daemon.call("get_credits", user_id="alice")
    daemon.call("spend_credits", user_id="alice", cost=1, metadata={})
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
    }
    Path(daemon.environment["AUTOGPT_DB_CONFIG"]).write_text(settings)
    with Shell(daemon.directory, environment) as shell:
        last, run, one = looks.splitlines()
        assert "balance" in shell.check(last)
        shell.check(run)
        newest = json.loads(shell.check(one).splitlines()[0])
        place = newest["id"].rpartition("-")[0]
        command = follow.replace("127.0.0.1:8905", f"127.0.0.1:{daemon.admin_port}")
        status, printed = shell.run(
            command.replace("/events\n", f"/events?last-event-id={place}-0\n")
        )
    assert status == 28, f"it goes on until curl has waited long enough: {printed}"
    shown = dict(line.split(": ", 1) for line in printed.strip().splitlines()[:3])
    assert shown["id"] == newest["id"]
    assert shown["event"] == "balance"
    assert json.loads(shown["data"]).keys() == {"at", "user_id", "balance"}
