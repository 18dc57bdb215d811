"""Runs on the admin listener's pages: what a list is asked for, and how a timeline is drawn."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.rendering import duration, moment, render
from autogpt_db.admin.runs import statements
from autogpt_db.admin.runs.filters import Filters
from autogpt_db.admin.runs.timeline import LABELS, WIDTH, draw

STATUSES = ["INCOMPLETE", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "TERMINATED", "REVIEW"]


@pytest.mark.parametrize(
    ("query", "statement", "names"),
    [
        ("", statements.LIST, {"status", "days", "before", "before_id", "limit"}),
        ("user=u", statements.LIST_BY_USER,
         {"status", "days", "before", "before_id", "limit", "user"}),
        ("graph=g&days=90", statements.LIST_BY_GRAPH,
         {"status", "days", "before", "before_id", "limit", "graph"}),
        ("user=u&graph=g&status=FAILED", statements.LIST_BY_BOTH,
         {"status", "days", "before", "before_id", "limit", "user", "graph"}),
    ],
)  # fmt: skip
def test_each_filter_has_its_statement(query: str, statement: str, names: set[str]) -> None:
    filters = Filters.of(QueryParams(query))
    assert filters.statement == statement
    assert set(filters.parameters(content=False)) == names | {"content"}


@pytest.mark.parametrize(
    ("query", "named"),
    [("status=DONE", "status"), ("days=2", "days"), ("days=x", "days"), ("before=x", "before"),
     ("before=2026-01-01~%00", "before"), ("user=" + "x" * 300, "user"), ("graph=%00", "graph")],
)  # fmt: skip
def test_what_makes_no_sense_is_named(query: str, named: str) -> None:
    with pytest.raises(ProblemError) as refused:
        Filters.of(QueryParams(query))
    assert refused.value.status == 400
    assert str(refused.value.detail).startswith(f"{named}: ")


def test_the_next_page_begins_where_this_one_ends() -> None:
    filters = Filters.of(QueryParams("user=a%26b&status=FAILED&days=30"))
    address = filters.after({"made": "2026-11-29T12:00:00.123", "id": "last"})
    path, _, query = address.partition("?")
    assert path == "/runs"
    following = Filters.of(QueryParams(parse_qsl(query)))
    assert following == filters._replace(before="2026-11-29T12:00:00.123", before_id="last")


def node(**members: Any) -> dict[str, Any]:
    # fmt: off
    return {"id": "e", "node": "n", "block": "B", "status": "COMPLETED", "added": 100.0,
            "queued": None, "started": 101.0, "ended": 103.0, "retries": None} | members


def run(*nodes: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"status": "COMPLETED", "now": 1000.0, "made": 100.0, "started": 100.0, "ended": 110.0,
            "timeline": list(nodes)} | members  # fmt: skip


def test_bars_stand_where_their_time_is() -> None:
    drawn = draw(run(node(), node(id="f", added=105.0, started=None, ended=None, status="QUEUED")))
    scale = (WIDTH - LABELS) / 10
    first, second = drawn.bars
    assert (first.wait_x, first.wait_width) == (LABELS, scale)
    assert (first.x, first.width) == (LABELS + scale, 2 * scale)
    assert (first.waited, first.ran, first.again) == (1.0, 2.0, 1)
    assert (second.width, second.ran, second.again) == (0.0, None, 2)
    assert second.wait_width == 5 * scale, "what still waits reaches to the end"
    assert drawn.ticks[0] == (LABELS, 0.0)
    assert drawn.ticks[-1] == (WIDTH, 10.0)


def test_what_runs_still_reaches_until_now() -> None:
    drawn = draw(run(node(ended=None, status="RUNNING"), status="RUNNING", ended=None))
    assert drawn.seconds == 900.0
    assert drawn.bars[0].x + drawn.bars[0].width == pytest.approx(WIDTH)
    assert drawn.bars[0].ran == 899.0


moments = st.none() | st.floats(-1e10, 1e10)


@given(
    st.lists(
        st.builds(
            node,
            added=st.floats(-1e10, 1e10),
            started=moments,
            ended=moments,
            status=st.sampled_from(STATUSES),
            retries=st.none() | st.integers() | st.text(),
        ),
        max_size=5,
    ),
    st.sampled_from(STATUSES),
    moments,
)
def test_no_order_of_times_draws_beyond_the_edges(
    nodes: list[dict[str, Any]], status: str, ended: float | None
) -> None:
    drawn = draw(run(*nodes, status=status, ended=ended))
    assert len(drawn.bars) == len(nodes)
    assert len(drawn.ticks) < 20
    for bar in drawn.bars:
        for x, width in ((bar.x, bar.width), (bar.wait_x, bar.wait_width)):
            assert width >= 0
            assert x >= LABELS - 0.01
            assert x + width <= WIDTH + 2.01
        assert bar.waited >= 0
        assert bar.ran is None or bar.ran >= 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "-"), (0.0, "0 ms"), (0.25, "250 ms"), (1.5, "1.5 s"), (42, "42 s"), (61, "1 min 1 s"),
     (3700, "1 h 1 min"), (90_000, "1 d 1 h")],
)  # fmt: skip
def test_durations_read_well(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_no_text_turns_what_stands_beside_it() -> None:
    page = render("problem.html", status=404, title="\u202egnp.exe<b>", detail="a\nb\x1b[2J\u2066")
    assert "\\u202egnp.exe&lt;b&gt;" in page
    assert "a\nb\\u001b[2J\\u2066" in page
    assert "<h1>" in page
    assert not {"\u202e", "\u2066", "\x1b"} & set(page)


def test_moments_are_in_utc() -> None:
    assert moment(0) == "1970-01-01 00:00:00"
