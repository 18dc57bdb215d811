"""Large bodies, at the raw socket: what they may take of a process, and that it is given back."""

from __future__ import annotations

import base64
import os
import resource
import signal
import socket
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api_process import ApiProcess, read_reply, request, resident
from autogpt_db.metrics import families
from autogpt_db.operations import load_operations
from large_bodies import MEGABYTE, Case
from metrics_reading import Samples, parse, total
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = base64.urlsafe_b64encode(b"0" * 32).decode()
SCHEMAS = {name: each.request_schema() for name, each in load_operations().items()}
LONGEST_HOLD = 0.2


@pytest.fixture(scope="module")
def api(seeded_database_url_for_module: str) -> Iterator[ApiProcess]:
    with ApiProcess(
        seeded_database_url_for_module,
        f"integrations.encryption_key={KEY}",
        "logging.requests=failed",
    ) as running:
        yield running


def send(api: ApiProcess, method: str, body: bytes, *headers: str) -> tuple[int, bytes]:
    with api.connect() as connection:
        connection.settimeout(90)
        connection.sendall(request(method, body, *headers))
        status, _, reply = read_reply(connection)
        return status, reply


def scrape(api: ApiProcess) -> Samples:
    return parse(api.client.get("/metrics").text)


def held(samples: Samples) -> int:
    """Return how often the loop was held for longer than it may be."""
    name = families.LOOP_HOLDS.name
    counts = {
        float(dict(labels)["le"]): count
        for (each, labels), count in samples.items()
        if each == f"{name}_bucket"
    }
    assert counts[float("inf")] > 0, "nobody measures"
    return int(counts[float("inf")] - counts[LONGEST_HOLD])


def helpers(api: ApiProcess) -> list[int]:
    """Return the processes that help this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text("ascii").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat[1]) == api.pid and stat[0] != "Z":
            found.append(int(entry.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize(
    ("method", "parameter", "shape", "size", "status"),
    [
        ("update_user_integrations", "data", "credentials of nothing", 3 * MEGABYTE, 422),
        ("update_user_integrations", "data", "empty objects", 3 * MEGABYTE, 422),
        ("create_graph_execution", "starting_nodes_input", "starting pairs", 4 * MEGABYTE, 400),
        ("upsert_execution_output", "output_data", "empty lists and a NUL", 6 * MEGABYTE, 400),
        (
            "upsert_execution_output",
            "output_data",
            "empty lists and a lone surrogate",
            6 * MEGABYTE,
            422,
        ),
        ("update_node_execution_status_batch", "node_exec_ids", "ids", MEGABYTE, 400),
        ("get_user_by_id", "user_id", "a long string of four bytes", 31 * MEGABYTE, 400),
    ],
)
def test_nobody_waits_while_a_body_is_read(
    api: ApiProcess, method: str, parameter: str, shape: str, size: int, status: int
) -> None:
    body = Case(method, parameter, shape, size).body(SCHEMAS[method])
    before = held(scrape(api))
    got, reply = send(api, method, body)
    assert got == status, reply[:300]
    assert held(scrape(api)) == before
    assert len(reply) < 2 * MEGABYTE


def test_counts_are_checked_before_items_are_looked_at(api: ApiProcess) -> None:
    # Each item is wrong: whoever looks at one says so.
    body = b'{"node_exec_ids":[' + b",".join([b"0"] * 400_000) + b'],"status":"RUNNING"}'
    status, reply = send(api, "update_node_execution_status_batch", body)
    assert (status, b"has 400000 items" in reply) == (400, True), reply[:300]


def test_a_reply_tells_of_some_of_a_million_faults(api: ApiProcess) -> None:
    body = b'{"node_exec_ids":[' + b",".join([b"0"] * 9_999) + b'],"status":"RUNNING"}'
    status, reply = send(api, "update_node_execution_status_batch", body)
    assert (status, reply.count(b'"string_type"')) == (422, 100)


@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "keyed"])
def test_what_a_helper_has_read_is_what_is_stored(api: ApiProcess, keyed: bool) -> None:
    # More than the loop reads by itself, and something to be cleaned in it.
    text = "ä😀" * 20_000
    body = f'{{"user_id":"u","key":"k","node_exec_id":"n","data":["{text}","a\\u0000b"]}}'
    headers = ["idempotency-key: large"] if keyed else []
    status, reply = send(api, "set_execution_kv_data", body.encode(), *headers)
    assert status == 200, reply
    assert api.call("get_execution_kv_data", user_id="u", key="k") == [text, "ab"]
    if keyed:
        assert send(api, "set_execution_kv_data", body.encode(), *headers) == (200, reply)
        other = body.replace("ab", "ac", 1) if "ab" in body else body.replace("b", "c", 1)
        status, reply = send(api, "set_execution_kv_data", other.encode(), *headers)
        assert status == 422, reply


def test_memory_is_given_back(api: ApiProcess) -> None:
    api.call("get_execution_kv_data", user_id="u", key="memory")
    before = resident(api.pid)
    plain = Case("set_execution_kv_data", "data", "a long string", 16 * MEGABYTE)
    odd = Case("set_execution_kv_data", "data", "strings and a NUL", 2 * MEGABYTE)
    bodies = [each.body(SCHEMAS["set_execution_kv_data"]) for each in (plain, odd)]
    statuses: list[int] = []

    def client() -> None:
        statuses.extend(send(api, "set_execution_kv_data", body)[0] for body in bodies)

    threads = [threading.Thread(target=client) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {200, 400, 503}, statuses
    assert held(scrape(api)) == 0
    wait_for(lambda: resident(api.pid) < 1.5 * before, what="the memory back")
    assert total(scrape(api), families.MEMORY_HELD) == 0


def test_beyond_the_bound_of_memory_requests_are_refused(seeded_database_url: str) -> None:
    bounds = ("api.body_limit=1048576", "api.memory_limit=1048576")
    with ApiProcess(seeded_database_url, *bounds) as api:
        big = request("get_user_by_id", b'{"user_id":"' + b"a" * 1_000_000 + b'"}')
        with api.connect() as first, api.connect() as second:
            first.sendall(big[:-100_000])
            wait_for(lambda: total(scrape(api), families.MEMORY_HELD) >= 900_000, what="its bytes")
            # Another is refused by what it says, and one that says nothing by what it brings.
            second.sendall(big[:1000])
            status, headers, reply = read_reply(second)
            assert (status, headers["retry-after"]) == (503, "1"), reply
            with api.connect() as third:
                head = request("get_user_by_id").replace(
                    b"content-length: 2", b"transfer-encoding: chunked"
                )
                chunk = b"40000\r\n" + b" " * 0x40000 + b"\r\n"
                third.sendall(head[:-2] + chunk)
                status, headers, reply = read_reply(third)
                assert (status, headers["retry-after"]) == (503, "1"), reply
            # Small ones find room; and so does the first one's rest.
            assert api.client.post("/get_user_by_id", json={"user_id": "x"}).status_code == 400
            assert total(scrape(api), families.MEMORY_REFUSALS) == 2
            first.sendall(big[-100_000:])
            status, _, reply = read_reply(first)
            assert (status, b"limits.text_length" in reply) == (400, True), reply
        wait_for(lambda: total(scrape(api), families.MEMORY_HELD) == 0, what="nothing held")


def test_beginnings_of_small_bodies_count(seeded_database_url: str) -> None:
    bounds = ("api.body_limit=1048576", "api.memory_limit=1048576")
    with ApiProcess(seeded_database_url, *bounds) as api, ExitStack() as stack:
        begun = request("get_user_by_id", b'{"user_id":"' + b"a" * 60_000 + b'"}')[:-1]
        connections = [stack.enter_context(api.connect()) for _ in range(30)]
        for connection in connections:
            connection.sendall(begun)
        # Not even a small one finds room any more.
        status, headers, reply = read_reply(connections[-1])
        assert (status, headers["retry-after"]) == (503, "1"), reply
        assert total(scrape(api), families.MEMORY_HELD) > 17 * 60_000
        stack.close()
        wait_for(lambda: total(scrape(api), families.MEMORY_HELD) == 0, what="nothing held")


def test_a_body_that_takes_too_much_memory_is_refused(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url, "api.helper_memory=67108864") as api:
        case = Case("set_execution_kv_data", "data", "objects and a NUL", 12 * MEGABYTE)
        body = case.body(SCHEMAS["set_execution_kv_data"])
        status, reply = send(api, "set_execution_kv_data", body)
        assert (status, b"api.helper_memory" in reply) == (413, True), reply
        case = Case("set_execution_kv_data", "data", "strings and a NUL", MEGABYTE)
        status, reply = send(
            api, "set_execution_kv_data", case.body(SCHEMAS["set_execution_kv_data"])
        )
        assert status in {200, 400}, reply


def _slow_body() -> bytes:
    case = Case("set_execution_kv_data", "data", "objects and a NUL", 24 * MEGABYTE)
    return case.body(SCHEMAS["set_execution_kv_data"])


def test_a_helper_that_is_killed_costs_its_own_call_alone(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api, api.connect() as connection:
        connection.sendall(request("set_execution_kv_data", _slow_body()))
        (helper,) = wait_for(lambda: helpers(api), what="a helper")
        os.kill(helper, signal.SIGKILL)
        status, headers, reply = read_reply(connection)
        assert (status, headers["retry-after"]) == (503, "1"), reply
        assert len(api.events("helper_lost")) == 1
        small = Case("set_execution_kv_data", "data", "strings and a NUL", MEGABYTE)
        status, reply = send(
            api, "set_execution_kv_data", small.body(SCHEMAS["set_execution_kv_data"])
        )
        assert status in {200, 400}, reply


def test_no_helper_can_be_started(seeded_database_url: str) -> None:
    body = Case("set_execution_kv_data", "data", "strings and a NUL", MEGABYTE).body(
        SCHEMAS["set_execution_kv_data"]
    )
    with ApiProcess(seeded_database_url) as api, api.connect() as connection:
        connection.sendall(request("get_user_email_by_id", b'{"user_id": "u1"}'))
        assert read_reply(connection)[0] == 200
        limits = resource.prlimit(api.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(api.pid, resource.RLIMIT_NOFILE, (3, limits[1]))
        connection.sendall(request("set_execution_kv_data", body))
        status, headers, reply = read_reply(connection)
        assert (status, headers["retry-after"]) == (503, "1"), reply
        assert api.events("helper_not_started")
        resource.prlimit(api.pid, resource.RLIMIT_NOFILE, limits)
        connection.sendall(request("set_execution_kv_data", body))
        assert read_reply(connection)[0] == 200


def test_a_client_that_leaves_ends_its_helper(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url) as api:
        with api.connect() as connection:
            connection.sendall(request("set_execution_kv_data", _slow_body()))
            (helper,) = wait_for(lambda: helpers(api), what="a helper")
            # Gone for certain: a reset, not an end that could be of one direction alone.
            linger = b"\1\0\0\0\0\0\0\0"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        wait_for(lambda: not alive(helper), what="the helper's end")


@pytest.mark.parametrize("busy", [True, False], ids=["busy", "idle"])
def test_helpers_end_with_the_process_they_help(seeded_database_url: str, busy: bool) -> None:
    with ApiProcess(seeded_database_url) as api, api.connect() as connection:
        if busy:
            connection.sendall(request("set_execution_kv_data", _slow_body()))
        else:
            case = Case("set_execution_kv_data", "data", "strings and a NUL", 100_000)
            send(api, "set_execution_kv_data", case.body(SCHEMAS["set_execution_kv_data"]))
        (helper,) = wait_for(lambda: helpers(api), what="a helper")
        api.signal(signal.SIGKILL)
        wait_for(lambda: not alive(helper), what="the helper's end")


def test_a_stop_ends_the_helpers(seeded_database_url: str) -> None:
    with ApiProcess(seeded_database_url, "api.drain_timeout=0") as api, api.connect() as connection:
        connection.sendall(request("set_execution_kv_data", _slow_body()))
        (helper,) = wait_for(lambda: helpers(api), what="a helper")
        api.signal(signal.SIGTERM)
        status, headers, reply = read_reply(connection)
        assert (status, "retry-after" in headers) == (503, True), reply
        assert api.exit_code() == 0
        assert not alive(helper)
