"""What is measured beside the rounds: few clients, a moderate load, more processes, more data."""

from __future__ import annotations

import json
import statistics
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench.contenders import Daemon, resident, resident_peak
from bench.data import NEWEST, Size, make
from bench.every_work import WORKS
from bench.measuring import OURS, Bench, median, total
from bench.works import MOST_CLIENTS
from bench.works_0668 import KEY, OF_OWNER, credential
from cryptography.fernet import Fernet

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from bench.contenders import Contender
    from bench.measuring import Measurement, Results
    from bench.server import Server
    from bench.works import Work

SCALES = (0.01, 0.1, 1.0)
SHORT = 1.0
"""Seconds of a measurement that is one of many."""
MODERATE_ROUNDS = 5
"""Measurements of each server at half of Starlette's load."""


@contextmanager
def database(
    server: Server, scale: float, name: str, works: Sequence[Work], *, tables: str = NEWEST
) -> Iterator[str]:
    """Yield a copy of the data with the works' rows in it; it is dropped in the end."""
    server.create(name, template=make(server, Size(scale), tables=tables))
    try:
        for work in works:
            work.prepare(server, name)
        server.execute("VACUUM", database=name)  # what has just been changed
        yield name
    finally:
        server.drop(name)


def few_clients(
    bench: Bench, works: Sequence[Work], contenders: Mapping[str, Contender | None]
) -> dict[str, Any]:
    """Compare at one and at eight clients."""
    compared = {name: contenders[name] for name in (OURS, "starlette", "pgbench")}
    found: dict[str, Any] = {}
    for clients, count in ((1, 4), (8, 2)):
        print(f"{clients} client(s):")
        results = bench.rounds(works, compared, count=count, seconds=SHORT / 2, clients=clients)
        found[f"ratios_{clients}_client" + "s" * (clients > 1)] = ratios(results)
        found[f"p50_ms_{clients}_client" + "s" * (clients > 1)] = latency(results, "p50")
    return found


def moderate_load(
    bench: Bench, works: Sequence[Work], contenders: Mapping[str, Contender | None], main: Results
) -> dict[str, Any]:
    """Measure latency at half of what plain Starlette gets through, the same for both."""
    found: dict[str, Any] = {}
    for work in works:
        rate = round(median(main, work.name, "starlette") / 2)
        seen: dict[str, list[Measurement]] = {name: [] for name in (OURS, "starlette")}
        for number in range(MODERATE_ROUNDS):
            # By turns, for a busy moment of the machine's is all that the last percent consists of.
            for name in sorted(seen, reverse=number % 2 == 1):
                contender = contenders[name]
                assert contender is not None
                seen[name].append(
                    bench.measure(
                        contender, work, clients=MOST_CLIENTS, seconds=SHORT / 2, rate=rate
                    )
                )
        found[work.name] = {"calls_per_second": rate} | {
            name: {
                "p50_ms": statistics.median(one.p50 for one in each),
                "p99_ms": statistics.median(one.p99 for one in each),
            }
            for name, each in seen.items()
        }
        print(f"  {work.name} at {rate}/s: {found[work.name]}")
    return found


def scaling(bench: Bench, works: Sequence[Work], one: Contender) -> dict[str, Any]:
    """Compare two API processes with one."""
    with Daemon(bench.server, bench.database, processes=2) as two:
        results = bench.rounds(
            works, {"one process": one, "two processes": two}, count=2, seconds=SHORT
        )
    return {
        work.name: round(
            median(results, work.name, "two processes") / median(results, work.name, "one process"),
            3,
        )
        for work in works
    }


def growth(server: Server, directory: Path, scales: Sequence[float] = SCALES) -> dict[str, Any]:
    """Measure on databases that differ in size by tens, one client and many."""
    found: dict[str, Any] = {}
    for scale in scales:
        size = Size(scale)
        works = [work(size) for work in WORKS]
        with (
            database(server, scale, "bench_growth", works) as name,
            Daemon(server, name) as daemon,
        ):
            bench = Bench(server, name, size, directory)
            print(f"{size.node_executions:,} node executions:")
            bench.warm_up(works)
            lone = bench.rounds(works, {OURS: daemon}, count=2, seconds=SHORT, clients=1)
            many = bench.rounds(works, {OURS: daemon}, count=2, seconds=SHORT)
        for work in works:
            found.setdefault(work.name, {})[str(size.node_executions)] = {
                "calls_per_second": round(median(many, work.name, OURS)),
                "p50_ms_1_client": round(median(lone, work.name, OURS, "p50"), 3),
            }
    return found


def fernet_microseconds(times: int = 200) -> float:
    """Return what it costs a processor to decrypt an owner's credentials: the median."""
    fernet = Fernet(KEY)
    texts = [
        fernet.encrypt(json.dumps(credential("x", place)).encode()) for place in range(OF_OWNER)
    ]
    taken = []
    for _ in range(times):
        began = time.thread_time()
        for text in texts:
            fernet.decrypt(text)
        taken.append(time.thread_time() - began)
    return round(statistics.median(taken) * 1e6, 1)


def memory(daemon: Daemon) -> dict[str, float]:
    """Return the resident memory of the first API process and of all of the daemon's, in MiB."""
    api = [daemon.api_pid()]
    return {
        "api": round(resident(api), 1),
        "api_peak": round(resident_peak(api), 1),
        "all": round(resident(daemon.pids), 1),
        "processes": len(daemon.pids),
    }


def ratios(results: Results) -> dict[str, float]:
    """Return ours to each other contender's, by `WORK/PEER`."""
    return {
        f"{work}/{name}": round(median(results, work, OURS) / median(results, work, name), 3)
        for work, name in results
        if name != OURS
    }


def ratios_by_round(results: Results) -> dict[str, list[float]]:
    """Return the same of each round by itself, which a machine's drift touches less."""
    return {
        f"{work}/{name}": [
            round(ours.rate / other.rate, 3)
            for ours, other in zip(results[work, OURS], others, strict=True)
        ]
        for (work, name), others in results.items()
        if name != OURS
    }


def latency(results: Results, what: str) -> dict[str, dict[str, float]]:
    """Return a latency in milliseconds by work and server."""
    found: dict[str, dict[str, float]] = {}
    for work, name in results:
        if name != "pgbench":
            found.setdefault(work, {})[name] = round(median(results, work, name, what), 3)
    return found


def rates(results: Results) -> dict[str, dict[str, Any]]:
    """Return calls a second by work and contender: median, least and most of the rounds."""
    found: dict[str, dict[str, Any]] = {}
    for (work, name), rounds in results.items():
        seen = [one.rate for one in rounds]
        found.setdefault(work, {})[name] = {
            "median": round(median(results, work, name)),
            "min": round(min(seen)),
            "max": round(max(seen)),
        }
    return found


def processor(results: Results) -> dict[str, dict[str, Any]]:
    """Return where the processor time went, in microseconds of it per call."""
    found: dict[str, dict[str, Any]] = {}
    for work, name in results:
        answers = total(results, work, name, "answers")
        if answers:
            server = total(results, work, name, "server_cpu")
            found.setdefault(work, {})[name] = {
                "calls_per_cpu_second": round(answers / server) if server else None,
                **{
                    f"{part}_us": round(
                        total(results, work, name, f"{part}_cpu") / answers * 1e6, 1
                    )
                    for part in ("server", "postgresql", "clients")
                },
            }
    return found
