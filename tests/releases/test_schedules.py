"""Which agents are scheduled: what AutoGPT's scheduler says, and never a wait for it."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import pytest
import structlog

from autogpt_db.backoff import Backoff
from autogpt_db.gateways import scheduler as gateway
from autogpt_db.gateways.scheduler import LARGEST_REPLY, MOST_AT_ONCE, Scheduler
from autogpt_db.settings import LibrarySettings
from gateway_figures import GatewayFigures
from releases.building import LATEST
from releases.library_rows import EXECUTOR, entry, started
from releases.rows import graph, node
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from releases.library_rows import Start


class SchedulerServer:
    """A server that speaks AutoGPT's RPC for schedules.

    Attributes:
        url: Its address.
        requests: The bodies that came in.
        schedules: What it answers.
        status: With which status.
        reply: Bytes to answer instead.
        answering: Whether it answers at all, or waits.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.schedules: Any = []
        self.status = 200
        self.reply: bytes | None = None
        self.answering = threading.Event()
        self.answering.set()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                server.requests.append((self.path, body))
                server.answering.wait(PATIENCE)
                reply = server.reply or json.dumps(server.schedules).encode()
                self.send_response(server.status)
                self.send_header("content-length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_arguments: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_about: object) -> None:
                """Nobody waited for the answer: that is what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.answering.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def server() -> Iterator[SchedulerServer]:
    with SchedulerServer() as running:
        yield running


def schedule(graph_id: Any, moment: Any) -> dict[str, Any]:
    return {"id": "x", "graph_id": graph_id, "next_run_time": moment, "cron": "* * * * *"}


EARLIEST = "2026-12-01T10:00:00+02:00"


def test_agents_are_shown_with_their_next_run(service_in: Start, server: SchedulerServer) -> None:
    library = LibrarySettings(scheduler_url=f"{server.url}/", scheduler_timeout=PATIENCE)
    service = started(service_in, LATEST, library=library)
    entry(service, "a", "g", 2)
    graph(service, "other")
    entry(service, "b", "other")
    graph(service, "trigger")
    node(service, "n", EXECUTOR, "trigger", 1)
    service.rows("""UPDATE "AgentNode" SET "constantInput" = '{"graph_id": "g"}'""")
    entry(service, "t", "trigger", isHidden=True)
    server.schedules = [
        schedule("g", "2026-12-01T08:30:00"),
        schedule("g", EARLIEST),
        schedule("trigger", "2026-12-02T08:00:00Z"),
        schedule("another user's", EARLIEST),
    ]

    def told(agent: Any) -> tuple[bool, str | None]:
        return agent["is_scheduled"], agent["next_scheduled_run"]

    agent = service.call("get_library_agent", id="a", user_id="alice")
    assert told(agent) == (True, EARLIEST), "the earliest moment, as it is written"
    assert told(service.call("get_library_agent", id="b", user_id="alice")) == (False, None)
    assert agent["input_schema"]["properties"] == {}
    found = service.call("get_library_agent_by_graph_id", user_id="alice", graph_id="g")
    assert told(found) == (True, EARLIEST)
    (trigger,) = service.call("list_trigger_agents", user_id="alice", library_agent_id="a")
    assert told(trigger) == (True, "2026-12-02T08:00:00Z")
    for nodes in (False, True):
        page = service.call("list_library_agents", user_id="alice", include_nodes=nodes)
        assert {one["id"]: told(one) for one in page["agents"]} == {
            "a": (True, EARLIEST),
            "b": (False, None),
            "t": (True, "2026-12-02T08:00:00Z"),
        }
        assert page["pagination"]["total_items"] == 3
    bodies = [body for _, body in server.requests]
    assert {path for path, _ in server.requests} == {"/get_graph_execution_schedules"}
    assert {"graph_id": "g", "user_id": "alice"} in bodies
    assert {"graph_id": None, "user_id": "alice"} in bodies


def test_a_scheduler_that_hangs_costs_one_call_its_patience(
    service_in: Start, server: SchedulerServer
) -> None:
    library = LibrarySettings(scheduler_url=server.url, scheduler_timeout=2)
    service = started(service_in, LATEST, library=library)
    entry(service, "a", "g", 2)
    server.answering.clear()
    server.schedules = [schedule("g", EARLIEST)]
    with structlog.testing.capture_logs() as events:
        for _ in range(5):
            agent = service.call("get_library_agent", id="a", user_id="alice")
            assert (agent["is_scheduled"], agent["next_scheduled_run"]) == (False, None)
    # The server may come to read what it was sent after nobody waits for it any more.
    wait_for(lambda: server.requests, what="the scheduler has read the one request")
    assert len(server.requests) == 1, "then it is left alone"
    ((event),) = [each for each in events if each["event"] == "schedules_unknown"]
    assert event["reason"] == "no whole answer within 2 seconds"


def status(server: SchedulerServer) -> None:
    server.status = 503


def not_json(server: SchedulerServer) -> None:
    server.reply = b"<html>"


def no_list(server: SchedulerServer) -> None:
    server.schedules = {"detail": "words"}


def too_large(server: SchedulerServer) -> None:
    server.reply = b"[" + b" " * LARGEST_REPLY + b"]"


def away(server: SchedulerServer) -> None:
    server.__exit__()


def asked(scheduler: Scheduler, graph_id: str | None = None) -> dict[str, str]:
    return asyncio.run(scheduler.ask("alice", graph_id))


@pytest.mark.parametrize("fails", [status, not_json, no_list, too_large, away])
def test_whatever_it_answers_nothing_is_scheduled_and_it_is_left_alone_for_a_while(
    fails: Callable[[SchedulerServer], None],
) -> None:
    figures = GatewayFigures()
    server = SchedulerServer().__enter__()
    scheduler = Scheduler(server.url, PATIENCE)
    fails(server)
    with structlog.testing.capture_logs() as events:
        assert asked(scheduler) == {}
        assert asked(scheduler) == {}
    assert figures.failures("scheduler") == 1
    assert [each["event"] for each in events] == ["schedules_unknown"]
    assert events[0]["pause"] > 0
    assert len(server.requests) == (0 if fails is away else 1)
    if fails is not away:
        server.__exit__()


def test_it_is_asked_again_after_the_pause(
    server: SchedulerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "BETWEEN_FAILURES", Backoff(first=0.0, longest=0.0))
    scheduler = Scheduler(server.url, PATIENCE)
    server.status = 500
    assert asked(scheduler) == {}
    server.status = 200
    server.schedules = [schedule("g", EARLIEST)]
    assert asked(scheduler) == {"g": EARLIEST}


def test_few_ask_at_once_and_one_more_waits_for_nobody(server: SchedulerServer) -> None:
    scheduler = Scheduler(server.url, PATIENCE)
    server.schedules = [schedule("g", EARLIEST)]
    server.answering.clear()

    async def main() -> None:
        asking = [asyncio.create_task(scheduler.ask("alice", None)) for _ in range(MOST_AT_ONCE)]
        deadline = time.monotonic() + PATIENCE
        while len(server.requests) < MOST_AT_ONCE:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert await scheduler.ask("alice", None) == {}
        assert not any(task.done() for task in asking)
        server.answering.set()
        assert await asyncio.gather(*asking) == [{"g": EARLIEST}] * MOST_AT_ONCE

    asyncio.run(main())
    assert len(server.requests) == MOST_AT_ONCE


def test_of_many_who_come_at_once_few_ask(server: SchedulerServer) -> None:
    scheduler = Scheduler(server.url, PATIENCE)
    server.schedules = [schedule("g", EARLIEST)]

    async def main() -> list[dict[str, str]]:
        return await asyncio.gather(*(scheduler.ask("alice", None) for _ in range(50)))

    told = asyncio.run(main())
    assert sorted(map(len, told)) == [0] * (50 - MOST_AT_ONCE) + [1] * MOST_AT_ONCE
    assert len(server.requests) == MOST_AT_ONCE


def test_what_cannot_be_read_is_passed_over(server: SchedulerServer) -> None:
    server.schedules = [
        schedule("g", moment)
        for moment in ("", None, 12, "tomorrow", "2026-12-01T09:00:00" + "0" * 60)
    ]
    server.schedules += [schedule(None, EARLIEST), schedule(7, EARLIEST), {}]
    server.schedules += [
        schedule("h", "0001-01-01T00:00:00+23:59"),
        schedule("h", "2026-12-01T09:00:00"),
        schedule("h", "2026-12-01T09:00:00.5+00:00"),
    ]
    assert asked(Scheduler(server.url, PATIENCE)) == {"h": "2026-12-01T09:00:00"}
