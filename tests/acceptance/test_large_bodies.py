"""No body within the limits takes a process down or makes others wait: all methods of a daemon.

`make test-bodies` sends 2,000 of 1 to 32 MB; the suite sends fewer and smaller ones, the same each
time.
"""

from __future__ import annotations

import base64
import os
import random
import socket
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from api_process import read_reply, request
from autogpt_db.metrics import families
from autogpt_db.operations import load_operations
from daemon_process import DaemonProcess
from large_bodies import MEGABYTE, SHAPES, Case, cases
from metrics_reading import Samples, parse, total

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMAS = {name: each.request_schema() for name, each in load_operations().items()}
TOTAL = int(os.environ.get("AUTOGPT_DB_TEST_BODIES", "0"))
SEED = int(os.environ.get("AUTOGPT_DB_TEST_SEED", "1"))
LONGEST_HOLD = 0.2


def _sizes() -> Iterator[int]:
    chance = random.Random(SEED)
    if TOTAL:
        for _ in range(TOTAL):
            yield int(2 ** chance.uniform(0, 5) * MEGABYTE * 0.999)
    else:
        # Each shape once, just above what the loop reads by itself: how long it is held is a
        # matter of that bound, and of a body's way, not of what a helper does.
        for _ in SHAPES:
            yield int(chance.uniform(70_000, 300_000))


@pytest.fixture(scope="module")
def daemon(seeded_database_url_for_module: str) -> Iterator[DaemonProcess]:
    key = base64.urlsafe_b64encode(b"0" * 32).decode()
    with DaemonProcess(
        database_url=seeded_database_url_for_module,
        assignments=[
            "api.processes=1",
            "worker.processes=0",
            "credits.enabled=true",
            f"integrations.encryption_key={key}",
            "logging.requests=failed",
        ],
    ) as running:
        yield running


def _scrape(daemon: DaemonProcess) -> Samples:
    return parse(daemon.client.get("/metrics").text)


def _holds(samples: Samples, *, above: float) -> int:
    """Return how often the loop was held for longer than `above` seconds."""
    counts = {
        float(dict(labels)["le"]): count
        for (name, labels), count in samples.items()
        if name == f"{families.LOOP_HOLDS.name}_bucket"
    }
    assert counts[float("inf")] > 0, "nobody measures"
    return int(counts[float("inf")] - counts[above])


def _send(daemon: DaemonProcess, case: Case) -> int:
    body = case.body(SCHEMAS[case.method])
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=90) as connection:
        connection.sendall(request(case.method, body))
        status, headers, reply = read_reply(connection)
    assert status != 0, (case, "the connection ended without a reply")
    assert status < 500 or (status == 503 and "retry-after" in headers), (case, status, reply[:500])
    return status


@pytest.mark.timeout(300 + 120 * TOTAL)
def test_no_body_takes_a_process_down_or_makes_others_wait(daemon: DaemonProcess) -> None:
    before = total(_scrape(daemon), families.PROCESS_EXITS)
    statuses: Counter[int] = Counter()
    for number, case in enumerate(cases(SCHEMAS, SEED, _sizes())):
        statuses[_send(daemon, case)] += 1
        if number % 100 == 0 or not TOTAL:
            assert _holds(_scrape(daemon), above=LONGEST_HOLD) == 0, case
    samples = _scrape(daemon)
    print(f"\nanswers by status: {dict(sorted(statuses.items()))}, {statuses.total()} in all")
    assert _holds(samples, above=LONGEST_HOLD) == 0
    assert total(samples, families.PROCESS_EXITS) == before
    assert total(samples, families.PROCESS_RESTARTS) == 0
    assert '"event":"internal_error"' not in daemon.log_path.read_text("utf-8", "replace")
