"""Every recorded call of the contract, replayed over HTTP and held equal under rpc.md §12."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api_process import resident
from autogpt_db.operations import load_operations
from daemon_process import LEAN, DaemonProcess
from examples import EXAMPLES, check

SERVED = set(load_operations()) | {"health_check", "health_check_async"}


@pytest.fixture(scope="module")
def daemon(witness_database_url: str) -> Iterator[DaemonProcess]:
    with DaemonProcess(database_url=witness_database_url, assignments=LEAN) as running:
        yield running


# Of the installed daemon it is 57, which `make bench-footprint` says. Here structlog finds rich,
# which development's tools bring, and loads it: 4 more.
def test_an_api_process_that_rests_holds_little(daemon: DaemonProcess) -> None:
    assert resident(daemon.pid_of("api:api_00")) <= 64 * 2**20


def cases() -> list[Any]:
    found = []
    for number, example in enumerate(EXAMPLES):
        waits = example["method"] not in SERVED
        marks = [pytest.mark.xfail(reason="not served yet", strict=True)] if waits else []
        found.append(pytest.param(example, id=f"{number:02}-{example['method']}", marks=marks))
    return found


@pytest.mark.parametrize("example", cases())
def test_a_recorded_call_is_answered_the_same(daemon: DaemonProcess, example: Any) -> None:
    reply = daemon.client.post(f"/{example['method']}", json=example["request"])
    check(example, reply.status_code, reply.json())
