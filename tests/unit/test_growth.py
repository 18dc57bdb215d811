"""What is told of counters that grow, begin anew, and are missing for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.metrics.families import PASSED_ON, REQUESTS, SECONDS, STATEMENT_SECONDS
from autogpt_db.metrics.growth import (
    BUCKETS,
    Growth,
    is_error,
    quantile,
    slow_statements,
    summary,
)
from autogpt_db.metrics.layout import VALUES
from autogpt_db.metrics.reading import Figures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH = [0.0] * BUCKETS
KEY = (REQUESTS.short_name, "get", "200")
CALLS = st.lists(st.integers(0, 9), min_size=BUCKETS, max_size=BUCKETS)
# What happens to processes between two looks: calls by duration, and whether counters began anew
# before them, or the file cannot be read in this look.
STEPS = st.lists(
    st.dictionaries(
        st.sampled_from(["api_00", "api_01", "api_02"]),
        st.tuples(CALLS, st.sampled_from(["went on", "began anew", "was not readable"])),
    ),
    max_size=12,
)


def figures(name: str, series: Mapping[tuple[str, ...], Sequence[float]]) -> Figures:
    """Return what a process's file says; its words behind the buckets are 0."""
    padded = {key: (*values, *(0.0,) * (VALUES - len(values))) for key, values in series.items()}
    return Figures(name, 1, 1, 1.0, padded)


def sums(*rows: Sequence[float]) -> list[float]:
    return [sum(each) for each in zip(*rows, strict=True)]


@given(STEPS)
def test_no_call_is_told_twice_and_none_is_missed(
    steps: list[dict[str, tuple[list[int], str]]],
) -> None:
    counters: dict[str, list[float]] = {}
    untold: dict[str, list[float]] = {}  # counted since the file was last read
    shown: dict[str, list[float]] = {}
    happened, told = WIDTH, WIDTH
    growth = Growth()
    growth.take([])
    for step in steps:
        for name, (calls, how) in step.items():
            # One that has overtaken itself within one look looks like one that went on.
            fell = any(new < old for new, old in zip(calls, shown.get(name, WIDTH), strict=True))
            if how == "began anew" and fell:
                counters[name], untold[name] = WIDTH, WIDTH
            counters[name] = sums(counters.get(name, WIDTH), calls)
            untold[name] = sums(untold.get(name, WIDTH), calls)
        readable = {n: c for n, c in counters.items() if step.get(n, ("", ""))[1][:3] != "was"}
        for name, values in readable.items():
            happened = sums(happened, untold.pop(name, WIDTH))
            shown[name] = values
        for buckets in growth.take(
            [figures(name, {KEY: values}) for name, values in readable.items()]
        ).values():
            assert min(buckets) >= 0
            told = sums(told, buckets)
        assert told == happened


def test_what_was_counted_before_the_first_look_is_no_growth() -> None:
    growth = Growth()
    assert growth.take([figures("api_00", {KEY: [5.0, *WIDTH[1:]]})]) == {}
    assert growth.take([figures("api_00", {KEY: [5.0, *WIDTH[1:]]})]) == {}
    # A process that has come since has counted since.
    come = [
        figures("api_00", {KEY: [7.0, *WIDTH[1:]]}),
        figures("api_01", {KEY: [1.0, *WIDTH[1:]]}),
    ]
    assert growth.take(come) == {("get", "200"): [3.0, *WIDTH[1:]]}


def test_series_of_another_version_are_passed_over() -> None:
    growth = Growth()
    growth.take([])
    odd: dict[tuple[str, ...], list[float]] = {
        (REQUESTS.short_name, "get"): WIDTH,
        ("newer", "get", "200"): [1.0, *WIDTH[1:]],
    }
    passed_on: dict[tuple[str, ...], list[float]] = {
        (PASSED_ON.short_name, "later"): [2.0, *WIDTH[1:]]
    }
    assert growth.take([figures("a", odd | passed_on), figures("b", passed_on)]) == {}
    assert growth.passed_on == {"later": 4.0}


def test_statements_of_all_processes_are_summed_and_the_slow_ones_told() -> None:
    def at(**buckets: tuple[int, float]) -> dict[tuple[str, ...], list[float]]:
        rows: dict[tuple[str, ...], list[float]] = {}
        for name, (beyond, seconds) in buckets.items():
            row = [0.0] * VALUES
            row[SECONDS.index(0.001)], row[SECONDS.index(0.25)] = 7.0, float(beyond)
            row[-1] = seconds
            rows[STATEMENT_SECONDS.short_name, name] = row
        return rows

    growth = Growth()
    growth.take([figures("api_00", at(get_graph=(5, 2.0)))])
    assert growth.statements == {}  # from before the first look
    grown = at(get_graph=(6, 2.2), put=(0, 0.007))
    growth.take([figures("api_00", grown), figures("api_01", at(get_graph=(1, 0.4), big=(9, 2)))])
    assert set(growth.statements) == {"get_graph", "put", "big"}
    big, graph = slow_statements(growth.statements)
    assert (big["name"], graph["name"]) == ("big", "get_graph")
    assert (graph["count"], graph["slow"], graph["seconds"]) == (9, 2, 0.6)
    assert graph["longest_bucket"] == 0.25
    assert graph["p50"] <= 0.001
    assert 0.1 < graph["p99"] <= 0.25
    growth.take([figures("api_00", grown)])
    assert growth.statements == {}


def test_quantiles_lie_within_their_bucket() -> None:
    assert quantile([0] * BUCKETS, 0.5) is None
    first = [100] + [0] * (BUCKETS - 1)
    assert quantile(first, 0.5) == SECONDS[0] / 2
    beyond = [0] * (BUCKETS - 1) + [1]
    assert quantile(beyond, 0.99) == SECONDS[-1]
    mixed = [99, 0, 1] + [0] * (BUCKETS - 3)
    median, high = quantile(mixed, 0.5), quantile(mixed, 0.999)
    assert median is not None
    assert high is not None
    assert median < SECONDS[0] < SECONDS[1] < high <= SECONDS[2]


def test_who_has_left_is_no_error_of_ours() -> None:
    assert [status for status in ("200", "400", "499", "503", "other") if is_error(status)] == [
        "400",
        "503",
    ]
    shown = summary({"a": [1.0], "b": [2.0], "c": [0.0]}, {("a", "503"): 1, ("b", "400"): 0}, {})
    assert [method["name"] for method in shown["methods"]] == ["b", "a"]
    assert shown["errors"] == [{"method": "a", "status": "503", "count": 1}]
