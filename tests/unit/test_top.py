"""What `autogpt-db top` draws, in whatever room, whatever things are called."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.cli.top import figures as figures_module
from autogpt_db.cli.top.cells import cut, fit, width_of
from autogpt_db.cli.top.drawing import frame
from autogpt_db.cli.top.figures import Figures
from autogpt_db.cli.top.lines import Line
from autogpt_db.errors import DatabaseUnreachableError
from autogpt_db.metrics.families import REQUESTS, SECONDS
from autogpt_db.metrics.store import Store
from autogpt_db.printable import printable
from terminal_picture import picture_of

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "top.svg"
KEYS = "every 2 s, by calls   [q]uit [s]ort"
SEEN = Path(__file__).parents[1] / "top_seen.json"
"""What `autogpt-db top --once --json` has said beside a daemon at work."""


def seen() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(SEEN.read_text("utf-8"))
    return document


def texts(lines: list[Line]) -> str:
    return "\n".join(line.text for line in lines)


@given(text=st.text(), width=st.integers(0, 60), right=st.booleans())
def test_text_takes_exactly_its_cells(text: str, width: int, *, right: bool) -> None:
    shown = fit(text, width, right=right)
    assert width_of(shown) == width
    assert printable(shown) == shown


def test_wide_and_combining_characters_are_counted_as_they_are_shown() -> None:
    assert width_of("名前") == 4
    assert width_of("e\u0301") == 1
    assert cut("名前名前", 5) == "名前…"
    assert fit("名前名", 4) == "名… "
    assert cut("abc", 0) == ""
    assert cut("abcd", 1) == "…"
    assert fit("a\x1b[2Jb", 12) == "a\\u001b[2Jb "


@pytest.mark.parametrize("size", [(80, 24), (200, 60), (40, 10), (20, 3), (1, 1)])
def test_a_frame_fills_no_more_than_its_room(size: tuple[int, int]) -> None:
    width, height = size
    lines = frame(seen(), "calls", width=width, height=height, keys="[q]uit")
    assert len(lines) <= height
    assert {width_of(line.text) for line in lines} == {width}
    if height < 20:
        assert "enlarge" in lines[-1].text or width < 30
    else:
        assert "[q]uit" in lines[2].text


def test_methods_get_what_the_rest_leaves() -> None:
    document = seen()
    (method, *_) = document["calls"]["methods"]
    document["calls"]["methods"] = [method | {"name": f"m{n:03}"} for n in range(200)]
    shown = texts(frame(document, "name", width=100, height=60))
    assert "m000" in shown
    assert "more methods" in shown
    assert "jobs are idle" in shown
    assert texts(frame(document, "name")).count("\nm") == 200


def test_methods_are_sorted_as_asked() -> None:
    document = seen()
    one = document["calls"]["methods"][0]
    document["calls"]["methods"] = [
        one | {"name": "b", "calls": 9, "errors": 0, "p99": 0.1},
        one | {"name": "a", "calls": 5, "errors": 2, "p99": None},
        one | {"name": "c", "calls": 7, "errors": 1, "p99": 9.0},
    ]
    for sort, order in (("calls", "bca"), ("p99", "cba"), ("errors", "acb"), ("name", "abc")):
        rows = [
            line.text[0] for line in frame(document, sort) if line.text[:2] in {"a ", "b ", "c "}
        ]
        assert "".join(rows) == order, sort


HOSTILE = "\x1b]0;owned\x07\x1b[2J\u202eevil\r\n\u9b3c" * 3


@pytest.mark.parametrize("size", [(None, None), (80, 24)])
def test_nothing_from_outside_moves_the_cursor(size: tuple[int | None, int | None]) -> None:
    document = seen()
    document["tree"]["words"] = HOSTILE
    for process in document["tree"]["processes"]:
        process |= {"name": HOSTILE, "last_exit": HOSTILE, "state": HOSTILE}
        process["lanes"] = {HOSTILE: {"size": 1}}
        if process["pool"]:
            process["pool"]["longest_holder"] = HOSTILE
    document["calls"]["methods"][0]["name"] = HOSTILE
    document["calls"]["passed_on"] = [{"method": HOSTILE, "calls": 1}]
    document["lately"]["errors"] = [{"method": HOSTILE, "status": HOSTILE, "count": 1}]
    document["lately"]["slow"] = [{"method": HOSTILE, "count": 1, "longest_bucket": None}]
    document["lately"]["statements"] = [
        {"name": HOSTILE, "slow": 1.0, "longest_bucket": None, "seconds": 70.0}
    ]
    document["queue"]["jobs"][0] |= {"job": HOSTILE, "last_outcome": HOSTILE, "failed": 1}
    for queue in (document["queue"], {"unknown": HOSTILE}):
        lines = frame(document | {"queue": queue}, "calls", width=size[0], height=size[1])
        assert all(printable(line.text) == line.text for line in lines)
    gone = document | {"tree": {"unknown": HOSTILE, "processes": []}}
    assert printable(frame(gone, "calls")[0].text) == frame(gone, "calls")[0].text


def test_errors_are_shown_by_their_class_and_slow_calls_for_a_while() -> None:
    document = seen()
    document["lately"] = {
        "seconds": 58.0,
        "errors": [
            {"method": "put", "status": "503", "count": 4},
            {"method": "get", "status": "503", "count": 2},
            {"method": "get", "status": "299", "count": 1},
        ],
        "slow": [
            {"method": "put", "count": 3, "longest_bucket": 2.5},
            {"method": "get", "count": 1, "longest_bucket": None},
        ],
        "statements": [
            {"name": "get_graph", "slow": 3.0, "longest_bucket": 0.25, "seconds": 61.0},
        ],
    }
    shown = texts(frame(document, "calls"))
    assert "6  503 Service Unavailable: put 4, get 2" in shown
    assert "1  299: get 1" in shown
    assert "3  put: 1 s and more, up to 2.5 s" in shown
    assert f"longer than {SECONDS[-1]:g} s" in shown
    assert "3  get_graph: over 100 ms, up to 0.25 s; 1 min 1 s in all" in shown


def test_what_waits_for_a_connection_is_told() -> None:
    document = seen()
    api = next(p for p in document["tree"]["processes"] if p["name"] == "api_00")
    api["pool"] |= {"in_use": 4, "waiting": 7, "longest_holder": "get_graph"}
    api["pool"]["longest_holder_seconds"] = 12.3
    api["lanes"] = {"heavy": {"size": 2.0, "in_use": 2.0, "waiting": 3.0}}
    api |= {"state": "BACKOFF", "last_exit": "terminated by SIGKILL", "restarts": 5}
    (row,) = (line for line in frame(document, "calls") if line.text.startswith("api_00"))
    for words in ("4/4 +7", "heavy 2/2 +3", "get_graph 12 s", "terminated by SIGKILL"):
        assert words in row.text
    assert row.style == "bad"


def test_jobs_that_run_wait_or_failed_are_named() -> None:
    document = seen()
    first, second, *rest = document["queue"]["jobs"]
    at = "2026-11-29T17:00:00+00:00"
    first |= {"started_at": at, "done": 1, "total": 4, "last_ended_at": at}
    second |= {"paused": True, "started_at": None}
    document["queue"]["jobs"] = [first, second]
    shown = texts(frame(document, "calls"))
    assert "running 25%" in shown
    assert "17:00:00Z" in shown
    assert "paused" in shown
    assert "0 jobs are idle" in shown
    assert len(rest) > 2
    assert "JOBS: unknown: away" in texts(frame(document | {"queue": {"unknown": "away"}}, "calls"))


def test_rates_are_over_the_interval_and_errors_over_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "metrics").mkdir()
    clock = [100.0]
    watch = SimpleNamespace(monotonic=lambda: clock[0], time=time.time)
    monkeypatch.setattr(figures_module, "time", watch)
    store = Store(tmp_path, "api_00")
    good, bad = (store.place(REQUESTS, "get", status) for status in ("200", "503"))
    store.values[good] += 1000
    looks = Figures(tmp_path)
    with pytest.raises(DatabaseUnreachableError):
        looks.look(lasting=True)  # no daemon answers there
    store.values[good + SECONDS.index(0.005)] += 30
    store.values[bad + SECONDS.index(2.5)] += 2
    clock[0] += 4.0
    shown = looks.look()
    assert "No daemon answers" in shown["tree"]["unknown"]
    assert (shown["seconds"], shown["calls"]["rate"]) == (4.0, 8.0)
    (method,) = shown["calls"]["methods"]
    assert (method["name"], method["rate"], method["errors"]) == ("get", 8.0, 2)
    assert 0.0025 < method["p50"] <= 0.005
    assert 1.0 < method["p99"] <= 2.5
    slow = [{"method": "get", "count": 2, "longest_bucket": 2.5}]
    for _ in range(5):
        assert shown["lately"]["errors"] == [{"method": "get", "status": "503", "count": 2}]
        assert shown["lately"]["slow"] == slow
        clock[0] += 10.0
        shown = looks.look()
        assert shown["calls"]["rate"] == 0.0
    clock[0] += 10.0
    assert looks.look()["lately"]["errors"] == []
    store.close()


def test_the_picture_is_what_is_drawn() -> None:
    """AUTOGPT_DB_TEST_WRITE_PAGES=1 draws docs/images/top.svg anew."""
    drawn = picture_of(frame(seen(), "calls", width=132, height=34, keys=KEYS))
    if os.environ.get("AUTOGPT_DB_TEST_WRITE_PAGES"):
        PICTURE.write_text(drawn, "utf-8")
    assert PICTURE.read_text("utf-8") == drawn, (
        "run: AUTOGPT_DB_TEST_WRITE_PAGES=1 pytest " + __file__
    )
