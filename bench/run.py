"""Measure the daemon against its peers: `make bench`.

Every contender serves the same database and gets the same requests from the same clients, one
after the other in an order that is shuffled in each round; the medians of the rounds are compared.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench import equality, pgbench
from bench.contenders import CONTENDERS, Daemon, cpu_seconds
from bench.data import Size, make
from bench.load import Generator
from bench.server import Server
from bench.works import MOST_CLIENTS, WORKS

if TYPE_CHECKING:
    from bench.contenders import Contender
    from bench.load import Outcome
    from bench.works import Work

OURS = "autogpt_db"
DATABASE = "bench"


@dataclass(slots=True)
class Measurement:
    """One contender at one work, in one round.

    Attributes:
        rate: Calls a second.
        p50: Latency in milliseconds, 0 where it isn't known.
        p99: Likewise.
        errors: Wrong replies.
        per_cpu_second: Calls per second of processor time of the server's processes.
    """

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    errors: int = 0
    per_cpu_second: float = 0.0


class Bench:
    """A server, the contenders on it, and the clients."""

    def __init__(self, server: Server, size: Size, directory: Path) -> None:
        self.server = server
        self.size = size
        self.directory = directory
        self.generator = Generator(directory)
        self.scripts = pgbench.scripts(size)
        self._number = int(time.time())  # tells measurements apart, in the tables, too

    def measure(
        self, contender: Contender, work: Work, *, clients: int, seconds: float, rate: float = 0.0
    ) -> Measurement:
        """Measure a server, and compare the tables with what its clients were told."""
        self._number += 1
        sessions = work.sessions(self._number)
        (since,) = self.server.execute(
            "SELECT date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')"
        )[0]
        before = cpu_seconds(contender.pids)
        outcome = self.generator.run(
            sessions,
            port=contender.port,
            prefix=contender.prefix,
            clients=clients,
            seconds=seconds,
            rate=rate,
        )
        used = cpu_seconds(contender.pids) - before
        if outcome.errors:
            print(
                f"  {contender.label}, {work.name}: {outcome.errors} errors: {outcome.first_error}"
            )
        work.verify(self.server, DATABASE, since, self._number, outcome)
        return _measurement(outcome, used)

    def pgbench(self, work: Work, *, clients: tuple[int, ...], seconds: float) -> Measurement:
        """Measure pgbench at its best."""
        rates = [
            pgbench.run(
                self.server,
                DATABASE,
                self.scripts[work.name],
                clients=number,
                seconds=seconds,
                directory=self.directory,
            )
            for number in clients
        ]
        return Measurement(max(rates))


def _measurement(outcome: Outcome, cpu: float) -> Measurement:
    return Measurement(
        rate=outcome.rate,
        p50=outcome.p50,
        p99=outcome.p99,
        errors=outcome.errors,
        per_cpu_second=outcome.answers / cpu if cpu else 0.0,
    )


Results = dict[tuple[str, str], list[Measurement]]


def rounds(
    bench: Bench,
    works: list[Work],
    contenders: dict[str, Contender],
    *,
    count: int,
    seconds: float,
    clients: int,
    with_pgbench: bool,
) -> Results:
    """Measure everything, `count` times, each time in another order."""
    results: Results = defaultdict(list)
    names = [*contenders, *(["pgbench"] if with_pgbench else [])]
    shuffle = random.Random(1)
    for number in range(count):
        for work in works:
            shuffle.shuffle(names)
            for name in names:
                bench.server.checkpoint()
                if name == "pgbench":
                    choice = pgbench.BEST_OF if clients == MOST_CLIENTS else (clients,)
                    found = bench.pgbench(work, clients=choice, seconds=seconds)
                else:
                    found = bench.measure(contenders[name], work, clients=clients, seconds=seconds)
                results[work.name, name].append(found)
            line = ", ".join(
                f"{name} {results[work.name, name][-1].rate:,.0f}" for name in sorted(names)
            )
            print(f"  round {number + 1}, {work.name}: {line}", flush=True)
    return results


def median(results: Results, work: str, name: str, what: str = "rate") -> float:
    """Return the median of the rounds."""
    return statistics.median(getattr(found, what) for found in results[work, name])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--scale", type=float, default=0.1, help="of the data; 1 is full size")
    parser.add_argument("--clients", type=int, default=MOST_CLIENTS)
    parser.add_argument("--works", default="", help="names, with commas; all")
    parser.add_argument("--peers", default="", help="names, with commas; all")
    arguments = parser.parse_args()
    size = Size(arguments.scale)
    wanted = arguments.works.split(",") if arguments.works else [work.name for work in WORKS]
    peers = arguments.peers.split(",") if arguments.peers else ["pgbench", *CONTENDERS]
    works = [work(size) for work in WORKS if work.name in wanted]
    with Server() as server, ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adb-bench-")))
        data = make(server, size)
        server.create(DATABASE, template=data)
        stack.callback(server.drop, DATABASE)
        for work in works:
            work.prepare(server, DATABASE)
        server.execute("VACUUM ANALYZE", database=DATABASE)
        bench = Bench(server, size, directory)
        contenders: dict[str, Contender] = {
            OURS: stack.enter_context(Daemon(server, DATABASE)),
            **{
                name: stack.enter_context(CONTENDERS[name](server, DATABASE))
                for name in peers
                if name in CONTENDERS
            },
        }
        print(f"equal answers to {equality.check(server, DATABASE, contenders, size)} calls")
        results = rounds(
            bench,
            works,
            contenders,
            count=arguments.rounds,
            seconds=arguments.seconds,
            clients=arguments.clients,
            with_pgbench="pgbench" in peers,
        )
        for work in works:
            ours = median(results, work.name, OURS)
            print(f"{work.name}: {ours:,.0f}/s")
            for name in peers:
                if (work.name, name) in results:
                    print(f"   {ours / median(results, work.name, name):.2f} of {name}")


if __name__ == "__main__":
    main()
