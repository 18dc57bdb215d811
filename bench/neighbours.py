"""What one client's large bodies cost eight others: `python -m bench.neighbours`.

The eight read and write by turns alone and beside a client that sends one body after another of
1 to 32 MB, of every shape and over every method: the same ones in each turn, made ahead of time.

What reads the bodies steps back behind everything in its own processor group, as the unit gives it
one. Started by hand there is none: `sysctl kernel.sched_autogroup_enabled=0` shows what the unit
would, 1 what people see who start the daemon from a shell.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import sys
import tempfile
import threading
from collections import Counter
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import Daemon
from bench.data import Size
from bench.every_work import WORKS
from bench.measuring import Bench
from bench.sections import database
from bench.server import Server

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from api_process import read_reply, request
from autogpt_db.operations import load_operations
from large_bodies import MEGABYTE, SHAPES, cases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.measuring import Measurement

CLIENTS = 8
PROMISED = 3.0
BYTES_READY = 600 * MEGABYTE


def requests(seed: int) -> list[bytes]:
    """Return requests, each with a large body: every shape once, as far as memory is meant for."""
    schemas = {name: each.request_schema() for name, each in load_operations().items()}
    sizes = [int(2 ** (place % 6) * MEGABYTE * 0.95) for place in range(len(SHAPES))]
    found: list[bytes] = []
    for case in cases(schemas, seed, sizes):
        found.append(request(case.method, case.body(schemas[case.method])))
        if sum(map(len, found)) > BYTES_READY:
            break
    return found


@contextmanager
def sending(port: int, bodies: list[bytes]) -> Iterator[Counter[int]]:
    """Let a client send all of them, over and over; yield how often it got which status."""
    stop = threading.Event()
    statuses: Counter[int] = Counter()

    def send() -> None:
        for body in cycle(bodies):
            if stop.is_set():
                return
            with socket.create_connection(("127.0.0.1", port), timeout=90) as connection:
                connection.sendall(body)
                statuses[read_reply(connection)[0]] += 1

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield statuses
    finally:
        stop.set()
        thread.join()


def told(name: str, measured: list[Measurement]) -> float:
    """Print the median of the turns; return that of the p99."""
    rate = statistics.median(each.rate for each in measured)
    p50 = statistics.median(each.p50 for each in measured)
    p99 = statistics.median(each.p99 for each in measured)
    print(f"{name:<46} {rate:>8.0f} calls/s   p50 {p50:>6.2f} ms   p99 {p99:>7.2f} ms", flush=True)
    return p99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10, help="how long each turn takes")
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1, help="those of the API")
    arguments = parser.parse_args()
    size = Size(arguments.scale)
    works = [work(size) for work in WORKS]
    bodies = requests(arguments.seed)
    print(f"{len(bodies)} bodies of {sum(map(len, bodies)) / MEGABYTE:.0f} MB in all", flush=True)
    with (
        Server() as server,
        tempfile.TemporaryDirectory() as temporary,
        database(server, arguments.scale, "bench_neighbours", works) as name,
        Daemon(server, name, processes=arguments.processes) as daemon,
    ):
        bench = Bench(server, name, size, Path(temporary))
        bench.warm_up(works)
        seen: dict[str, tuple[list[Measurement], list[Measurement]]] = {
            work.name: ([], []) for work in works
        }
        for _ in range(arguments.rounds):
            for work in works:
                alone, beside = seen[work.name]
                turn = {"clients": CLIENTS, "seconds": arguments.seconds}
                alone.append(bench.measure(daemon, work, **turn))
                with sending(daemon.port, bodies) as statuses:
                    beside.append(bench.measure(daemon, work, **turn))
                print(f"  {work.name}: bodies were answered {dict(statuses)}", flush=True)
    for work_name, (alone, beside) in seen.items():
        ratio = told(f"{work_name}, beside large bodies", beside) / told(
            f"{work_name}, alone", alone
        )
        print(f"{work_name}: p99 is {ratio:.2f} times that without (promise: <= {PROMISED:g})")


if __name__ == "__main__":
    main()
