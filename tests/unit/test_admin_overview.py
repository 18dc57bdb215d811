"""The overview's figures: the last hour, its quantiles, and the copies of log records."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path

import pytest

from autogpt_db.admin import history
from autogpt_db.admin.history import SAMPLES, History
from autogpt_db.admin.overview.board import Board
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs import copies
from autogpt_db.logs.copies import SOCKET_NAME, RecordCopies
from autogpt_db.logs.events import all_events
from autogpt_db.metrics.families import PASSED_ON, REQUESTS, SECONDS, STATEMENT_SECONDS
from autogpt_db.metrics.layout import VALUES
from autogpt_db.metrics.reading import Figures


def counted(**calls: int) -> list[Figures]:
    """Return what two processes have counted: calls `method__status`, all of them within 1 ms."""
    series: dict[tuple[str, ...], tuple[float, ...]] = {}
    for name, count in calls.items():
        method, _, status = name.partition("__")
        values = [0.0] * VALUES
        values[SECONDS.index(0.001)] = count / 2
        series[REQUESTS.short_name, method, status] = tuple(values)
    return [Figures(name, 1, 1, 1.0, series) for name in ("api_00", "api_01")]


def test_the_last_hour_is_what_has_grown() -> None:
    kept = History()
    kept.take(counted(get__200=1000), 100.0, 0.0)  # from before the listener's start
    kept.take(counted(get__200=1030, put__503=6, put__499=2), 115.0, 15.0)
    kept.take(counted(get__200=1030, put__503=6, put__499=2), 130.0, 30.0)
    shown = kept.document()
    assert shown["times"] == [115, 130]
    assert [(one["name"], one["calls"], one["errors"]) for one in shown["methods"]] == [
        ("get", 30, 0),
        ("put", 8, 6),  # who has left is no error of ours
    ]
    assert shown["errors"] == [{"method": "put", "status": "503", "count": 6}]
    lines = {line["name"]: line for line in shown["lines"]}
    assert lines["get"]["rate"] == [2.0, 0.0]
    assert lines["all"]["rate"] == [2.53, 0.0]
    assert lines["get"]["p99"][1] is None
    assert 0.0005 < lines["get"]["p99"][0] <= 0.001


def test_what_is_older_than_an_hour_goes_and_nothing_grows() -> None:
    kept = History()
    for number in range(2 * SAMPLES):
        kept.take(counted(get__200=2 * number), 15.0 * number, 15.0 * number)
    shown = kept.document()
    assert len(shown["times"]) == SAMPLES
    assert shown["methods"][0]["calls"] == 2 * SAMPLES
    for number in range(SAMPLES):
        kept.take(counted(get__200=2 * (2 * SAMPLES - 1)), 1e5 + number, 1e5 + number)
    assert kept.document()["methods"] == []


def test_a_counter_that_begins_anew_and_names_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_METHODS", 3)
    kept = History()
    kept.take(counted(get__200=50), 0.0, 0.0)
    kept.take(counted(get__200=2), 15.0, 15.0)
    kept.take(counted(**{f"m{number}__500": 4 for number in range(9)}), 30.0, 30.0)
    shown = kept.document()
    assert len(shown["methods"]) == 3
    # What was counted since it began anew is told.
    assert {one["name"]: one["calls"] for one in shown["methods"]} == {"get": 2, "m0": 4, "m1": 4}


def test_what_is_passed_on_is_named() -> None:
    values = (3.0,) + (0.0,) * (VALUES - 1)
    figures = [Figures("api_00", 1, 1, 1.0, {(PASSED_ON.short_name, "newer"): values})]
    kept = History()
    kept.take(figures, 0.0, 0.0)
    kept.take(figures, 15.0, 15.0)
    assert kept.document()["passed_on"] == [{"method": "newer", "calls": 3.0}]


def test_slow_statements_are_of_the_last_hour() -> None:
    def sent(count: int) -> list[Figures]:
        values = [0.0] * VALUES
        values[SECONDS.index(0.5)], values[-1] = float(count), count / 2
        key = (STATEMENT_SECONDS.short_name, "get_graph")
        return [Figures("api_00", 1, 1, 1.0, {key: tuple(values)})]

    kept = History()
    for number in range(SAMPLES):
        kept.take(sent(number), 15.0 * number, 15.0 * number)
    (one,) = kept.document()["statements"]
    assert (one["name"], one["slow"], one["seconds"]) == (
        "get_graph",
        SAMPLES - 1,
        (SAMPLES - 1) / 2,
    )
    for number in range(SAMPLES):
        kept.take(sent(SAMPLES - 1), 1e5 + number, 1e5 + number)
    assert kept.document()["statements"] == []


def test_sections_are_looked_up_while_somebody_watches_and_once_for_all() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        return looks

    async def broken() -> int:
        raise ConfigurationError("away")

    async def scenario() -> None:
        board = Board({"count": (look, 0.001), "broken": (broken, 60.0)})
        await asyncio.sleep(0)
        assert looks == 0
        async with board.watched(), board.watched():
            seen: dict[str, str] = {}
            async for name, document in board.changes():
                seen[name] = document
                if name == "count" and int(document) > 3 and "broken" in seen:
                    break
            assert seen["broken"] == '{"unknown":"away"}'
            assert board.watchers == 2
        done = looks
        await asyncio.sleep(0.02)
        assert looks == done
        assert board.watchers == 0

    asyncio.run(scenario())


def test_only_declared_fields_are_copied_and_nobody_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_events()
    monkeypatch.setattr(copies, "RETRY", 0.0)
    sender = RecordCopies(tmp_path)
    record = {"event": "admin_refused", "level": "warning", "process": "admin", "reason": "why",
              "secret": "s3cret", "exc_info": ValueError("s3cret")}  # fmt: skip
    sender.emit(record)  # nobody listens
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / SOCKET_NAME))
        listening.setblocking(False)
        sender.emit({"event": "SELECT secret", "level": "error", "logger": "library"})
        sender.emit({"event": "output", "level": "info", "process": "postgresql", "line": "s3cret"})
        sender.emit({"event": "admin_refused", "level": "warning", "reason": "x" * 10_000})
        sender.emit(record)
        assert json.loads(listening.recv(65_536)) == {
            "event": "admin_refused", "level": "warning", "process": "admin", "reason": "why"
        }  # fmt: skip
        with pytest.raises(BlockingIOError):
            listening.recv(65_536)
        for _ in range(2000):  # nobody reads
            sender.emit(record)
    (tmp_path / SOCKET_NAME).unlink()
    for _ in range(3):
        sender.emit(record)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as another:
        another.bind(str(tmp_path / SOCKET_NAME))
        sender.emit(record)
        assert json.loads(another.recv(65_536))["reason"] == "why"
    sender.close()
