"""Measure the daemon against its peers: `make bench`.

Every contender serves the same database and gets the same requests from the same clients, one
after the other in an order that is shuffled in each round; the medians of the rounds are compared.
Narrowed by any option it only prints; without, it also writes the results, the plot and the page.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench import equality, report, sections
from bench.contenders import CONTENDERS, Contender, Daemon
from bench.data import Size
from bench.every_work import WORKS
from bench.measuring import OURS, PGBENCH, Bench
from bench.server import Server
from bench.works import MOST_CLIENTS

ROUNDS = 3
SECONDS = 2.0
SCALE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, help=f"{ROUNDS}")
    parser.add_argument("--seconds", type=float, help=f"of each measurement; {SECONDS:g}")
    parser.add_argument("--scale", type=float, help=f"of the data, 1 is full size; {SCALE:g}")
    parser.add_argument("--clients", type=int, help=f"{MOST_CLIENTS}")
    parser.add_argument("--works", help="names, with commas; all")
    parser.add_argument("--peers", help="names, with commas; all")
    parser.add_argument(
        "--half-load", action="store_true", default=None, help="latency at half of Starlette's load"
    )
    given = parser.parse_args()
    whole = not any(value is not None for value in vars(given).values())
    scale = given.scale or SCALE
    size = Size(scale)
    works = [
        work(size) for work in WORKS if given.works is None or work.name in given.works.split(",")
    ]
    peers = given.peers.split(",") if given.peers else [PGBENCH, *CONTENDERS]
    if given.half_load and "starlette" not in peers:
        parser.error("half of its load is measured beside it: --peers starlette")
    if not works or (unknown := set(peers) - {PGBENCH, *CONTENDERS}):
        parser.error(f"unknown: {given.works if not works else ', '.join(unknown)}")
    with Server() as server, ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adb-bench-")))
        found = report.machine(server)
        name = stack.enter_context(sections.database(server, scale, "bench", works))
        bench = Bench(server, name, size, directory)
        daemon = stack.enter_context(Daemon(server, name))
        contenders: dict[str, Contender | None] = {OURS: daemon}
        for peer in peers:
            served = CONTENDERS[peer](server, name) if peer in CONTENDERS else None
            contenders[peer] = served and stack.enter_context(served)
        servers = {name: one for name, one in contenders.items() if one is not None}
        equal = equality.check(server, servers, size, works)
        print(f"equal answers to {equal} calls")
        memory = {"before": sections.memory(daemon)}
        bench.warm_up(works)
        results = bench.rounds(
            works,
            contenders,
            count=given.rounds or ROUNDS,
            seconds=given.seconds or SECONDS,
            clients=given.clients or MOST_CLIENTS,
        )
        memory["after"] = sections.memory(daemon)
        found |= {
            "clients": given.clients or MOST_CLIENTS,
            "rounds": given.rounds or ROUNDS,
            "seconds": given.seconds or SECONDS,
            "node_executions": size.node_executions,
            "ratios": sections.ratios(results),
            "ratios_by_round": sections.ratios_by_round(results),
            "rates": sections.rates(results),
            "p99_ms": sections.latency(results, "p99"),
            "processor": sections.processor(results),
            "errors": sum(one.errors for rounds in results.values() for one in rounds),
            "memory_mib": memory,
            "fernet_us": sections.fernet_microseconds(),
        }
        if whole:
            found |= sections.few_clients(bench, works, contenders)
        if whole or given.half_load:
            print("moderate load:")
            found["moderate_load"] = sections.moderate_load(bench, works, contenders, results)
        if whole:
            print("two API processes:")
            found["two_processes_to_one"] = sections.scaling(bench, works, daemon)
        stack.close()
        if whole:
            with tempfile.TemporaryDirectory(prefix="adb-bench-") as another:
                found["growth"] = sections.growth(server, Path(another))
    print(report.text(found))
    if whole:
        report.write(found)


if __name__ == "__main__":
    main()
