"""What traces cost who calls: `python -m bench.traces`.

Four daemons on the same rows: traces off, on with no call traced, one in a hundred, all. Processor
time of a call is what counts, the exporter's thread included; the collector is a process of its own
that steps back behind all others.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import Daemon
from bench.data import NEWEST, Size
from bench.every_work import WORKS
from bench.measuring import Bench
from bench.sections import database
from bench.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from multiprocessing.connection import Connection

    from bench.measuring import Measurement
    from bench.works import Work

WORK = "get_node_execution,run"
"""A short read, and what a run of an agent calls, most of it writes."""
RATIOS = {"none": 0.0, "1 %": 0.01, "all": 1.0}


class _Collector(BaseHTTPRequestHandler):
    """Takes everything, and looks at nothing."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


def _collect(pipe: Connection) -> None:
    os.nice(19)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    pipe.send(server.server_address[1])
    server.serve_forever()


@contextmanager
def collecting() -> Iterator[str]:
    """Yield the endpoint of a collector."""
    ours, theirs = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_collect, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/v1/traces"
    finally:
        process.kill()
        process.join()


def cost(
    bench: Bench,
    daemons: Mapping[str, Daemon],
    work: Work,
    *,
    clients: int,
    rounds: int,
    seconds: float,
) -> None:
    """Print what a call costs the API process, by how many are traced."""
    seen: dict[str, list[Measurement]] = {name: [] for name in daemons}
    for number in range(rounds + 1):  # the first warms up
        for name in [*daemons][:: 1 if number % 2 else -1]:
            measured = bench.measure(daemons[name], work, clients=clients, seconds=seconds)
            if number:
                seen[name].append(measured)
    spent = {
        name: statistics.median(each.server_cpu / each.answers for each in found) * 1e6
        for name, found in seen.items()
    }
    for name, found in seen.items():
        rate = statistics.median(each.rate for each in found)
        p99 = statistics.median(each.p99 for each in found)
        print(
            f"{work.name}, {clients} clients, traces {name}: processor {spent[name]:.1f} µs a call,"
            f" {spent[name] / spent['off']:.3f} of off; {rate:,.0f}/s, p99 {p99:.2f} ms",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each measurement")
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--works", default=WORK)
    parser.add_argument("--clients", default="8,64")
    given = parser.parse_args()
    size = Size(given.scale)
    works = [work(size) for work in WORKS if work.name in given.works.split(",")]
    with (
        collecting() as endpoint,
        Server() as server,
        tempfile.TemporaryDirectory(prefix="adb-bench-") as temporary,
        database(server, given.scale, "bench_traces", works, tables=NEWEST) as name,
        ExitStack() as stack,
    ):
        bench = Bench(server, name, size, Path(temporary))
        daemons = {"off": stack.enter_context(Daemon(server, name))}
        for words, ratio in RATIOS.items():
            on = ("traces.enabled=true", f"traces.endpoint={endpoint}")
            daemon = Daemon(server, name, assignments=(*on, f"traces.sample_ratio={ratio:g}"))
            daemons[words] = stack.enter_context(daemon)
        for work in works:
            for clients in given.clients.split(","):
                cost(
                    bench,
                    daemons,
                    work,
                    clients=int(clients),
                    rounds=given.rounds,
                    seconds=given.seconds,
                )


if __name__ == "__main__":
    main()
