"""Figures in mapped files: they outlive their process, stay bounded, and are summed rightly."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from autogpt_db.metrics import RequestCounters, Store, families
from autogpt_db.metrics.exposition import Exposition
from autogpt_db.metrics.layout import RECORDS, SIZE, VALUES
from autogpt_db.metrics.reading import make_directory, read_all, read_own
from autogpt_db.metrics.store import Total
from autogpt_db.operations import load_operations
from metrics_reading import Samples, parse, value

KILLED = """
import os, signal, sys
from pathlib import Path
from autogpt_db.metrics import RequestCounters, Store, families
store = Store(Path(sys.argv[1]), "api_00")
counters = RequestCounters(store, ["get_graph"])
for _ in range(1000):
    counters.count("get_graph", 200, 0.003)
store.set(families.POOL_SIZE, 8)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def runtime(tmp_path: Path) -> Path:
    make_directory(tmp_path)
    return tmp_path


def exposed(runtime: Path) -> Samples:
    shown = Exposition()
    for figures in read_all(runtime):
        shown.add(figures)
    return parse("".join(shown.text()))


def test_what_a_killed_process_counted_is_there_and_its_successor_goes_on(runtime: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(runtime)], check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    samples = exposed(runtime)
    labels = {"method": "get_graph", "status": "200"}
    assert value(samples, families.REQUESTS, **labels) == 1000
    # Its gauges are those of nobody.
    assert not [name for name, _ in samples if name == families.POOL_SIZE.name]

    successor = Store(runtime, "api_00")
    RequestCounters(successor, ["get_graph"]).count("get_graph", 200, 7.0)
    successor.set(families.POOL_SIZE, 4)
    samples = exposed(runtime)
    assert value(samples, families.REQUESTS, **labels) == 1001
    assert value(samples, families.POOL_SIZE, process="api_00") == 4
    buckets = {
        dict(labels)["le"]: count
        for (name, labels), count in samples.items()
        if name == families.REQUEST_SECONDS.name + "_bucket"
    }
    assert buckets["0.0025"] == 0
    assert buckets["0.005"] == buckets["5"] == 1000
    assert buckets["10"] == buckets["+Inf"] == 1001
    total = value(samples, families.REQUEST_SECONDS, "_sum", method="get_graph")
    assert total == pytest.approx(1000 * 0.003 + 7)


def test_processes_are_summed_and_what_is_their_own_is_told_apart(runtime: Path) -> None:
    stores = [Store(runtime, name) for name in ("api_00", "api_01", "worker_00")]
    for number, store in enumerate(stores, start=1):
        for _ in range(number):
            RequestCounters(store, ["a"]).count("a", 200 if number < 3 else 503, 0.1)
        store.set(families.POOL_IN_USE, number)
        store.add(families.POOL_WAITS, number * 10)
    samples = exposed(runtime)
    assert value(samples, families.REQUESTS, method="a", status="200") == 3
    assert value(samples, families.REQUESTS, method="a", status="503") == 3
    assert value(samples, families.REQUEST_SECONDS, "_count", method="a") == 6
    for number, store in enumerate(stores, start=1):
        assert value(samples, families.POOL_IN_USE, process=store.name) == number
        assert value(samples, families.POOL_WAITS, process=store.name) == number * 10
        assert value(samples, families.PROCESS_MEMORY, process=store.name) > 10**6


def test_clients_cannot_make_series(runtime: Path) -> None:
    store = Store(runtime, "api_00")
    counters = RequestCounters(store, ["known"])
    size = (runtime / "metrics" / "api_00").stat().st_size
    for number in range(5000):
        counters.count(f"made_up_{number}", 404, 0.001)
    counters.count("known", 200, 0.001)
    assert (runtime / "metrics" / "api_00").stat().st_size == size
    assert len(counters._places) == 2
    counts = {
        key: sum(values[: VALUES - 1])
        for figures in read_all(runtime)
        for key, values in figures.series.items()
    }
    assert counts == {
        ("requests_total", "unknown", "404"): 5000,
        ("requests_total", "known", "200"): 1,
    }


def test_what_clients_can_make_many_of_leaves_room_for_the_rest(runtime: Path) -> None:
    store = Store(runtime, "api_00")
    for number in range(2 * RECORDS):
        store.add(families.REQUESTS, 1, f"method_{number}", "200")
    for number in range(60):
        store.set(families.LANE_SIZE, number, f"lane_{number}")
    store.add(families.REQUESTS, 1, "one_more", "200")
    (figures,) = read_all(runtime)
    requests = {
        key: values[0] for key, values in figures.series.items() if key[0] == "requests_total"
    }
    assert len(requests) == RECORDS - 64 + 1, "the last is what all others count as"
    assert requests["requests_total", "other", "other"] == 2 * RECORDS + 1 - (RECORDS - 64)
    lanes = {key[1]: values[0] for key, values in figures.series.items() if key[0] == "lane_size"}
    assert lanes == {f"lane_{number}": number for number in range(60)}


def test_a_full_file_counts_on_as_other_and_never_fails(runtime: Path) -> None:
    store = Store(runtime, "main")
    for number in range(3 * RECORDS):
        store.add(families.PROCESS_EXITS, 1, "x", f"exit status {number}")
    (figures,) = read_all(runtime)
    assert len(figures.series) == RECORDS
    assert len(list((runtime / "metrics").iterdir())) == 1
    store.add(families.JOB_RUNS, 1, "job", "failed")  # has not even room for its `other`
    again = Store(runtime, "main")
    again.add(families.PROCESS_EXITS, 1, "x", "exit status 0")
    assert value(exposed(runtime), families.PROCESS_EXITS, process="x", how="exit status 0") == 2


def test_every_method_fits_under_its_own_name_with_every_status(runtime: Path) -> None:
    store = Store(runtime, "api_00")
    methods = list(load_operations())
    counters = RequestCounters(store, methods)
    statuses = [200, 400, 401, 404, 405, 413, 422, 499, 500, 503]
    for method in methods:
        for status in statuses:
            counters.count(method, status, 0.01)
        store.observe(families.STATEMENT_SECONDS, 0.01, method)
    (figures,) = read_all(runtime)
    assert len(figures.series) == len(methods) * (len(statuses) + 1)


def test_totals_that_something_else_keeps_go_on_too(runtime: Path) -> None:
    for _ in range(3):
        store = Store(runtime, "api_00")
        waits = Total(store, families.POOL_WAITS)
        sizes = Total(store, families.BATCH_SIZE)
        for count in (2, 5):  # each time all of what there was since the start
            waits.set(count)
            sizes.set_histogram([1, 0, count], 1 + 3 * count)
        store.close()
    (figures,) = read_all(runtime)
    assert figures.series["pool_waits_total",][0] == 15
    assert figures.series["merged_batch_size",][:3] == (3, 0, 15)
    assert figures.series["merged_batch_size",][-1] == 3 * 16


@pytest.mark.parametrize("content", [b"", b"x" * 5, bytes(10**6), b"\xff" * SIZE])
def test_a_file_of_something_else_is_passed_over_and_begun_anew(
    runtime: Path, content: bytes
) -> None:
    file = runtime / "metrics" / "api_00"
    file.write_bytes(content)
    assert list(read_all(runtime)) == []
    store = Store(runtime, "api_00")
    store.add(families.POOL_WAITS, 1)
    (figures,) = read_all(runtime)
    assert {key: values[0] for key, values in figures.series.items()} == {("pool_waits_total",): 1}


def test_without_room_a_process_keeps_its_figures_to_itself(runtime: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        store = Store(runtime, "api_00")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not store.shared
    store.add(families.POOL_WAITS, 1)
    assert list(read_all(runtime)) == []
    assert read_own(store).series["pool_waits_total",][0] == 1


def test_a_new_service_begins_anew(runtime: Path) -> None:
    Store(runtime, "api_00").add(families.POOL_WAITS, 1)
    other = runtime / "metrics" / "somebody-else-s"
    other.write_text("a year's work")
    make_directory(runtime)
    assert list(read_all(runtime)) == []
    assert [file.name for file in other.parent.iterdir()] == [other.name]


def test_any_text_comes_through_as_a_label(runtime: Path) -> None:
    nasty = 'a"b\\c\nd{}=,é'
    Store(runtime, "main").add(families.PROCESS_EXITS, 1, "x", nasty)
    assert value(exposed(runtime), families.PROCESS_EXITS, process="x", how=nasty) == 1


def test_a_gauge_that_is_not_known_any_more_is_not_shown(runtime: Path) -> None:
    store = Store(runtime, "main")
    store.set(families.PROCESS_UP, 1, "api_00")
    assert value(exposed(runtime), families.PROCESS_UP, process="api_00") == 1
    store.set(families.PROCESS_UP, None, "api_00")
    assert not [name for name, _ in exposed(runtime) if name == families.PROCESS_UP.name]


def test_every_family_is_one_that_prometheus_takes() -> None:
    text = "".join(Exposition().text())
    found = {family.name: family for family in text_string_to_metric_families(text)}
    for name, family in families.FAMILIES.items():
        # The parser takes a counter's suffix for its own.
        assert found[name.removesuffix("_total")].type == family.kind
        assert (family.kind == "counter") == name.endswith("_total"), (
            f"{name}: a counter's name ends with _total, and no other does"
        )
        assert len(family.bounds) < VALUES - 1
        assert list(family.bounds) == sorted(family.bounds), f"{name}: bounds in their order"
