"""What an `Idempotency-Key` costs a write: `python -m bench.keyed`.

The same calls with a key of their own and without one, by turns, so that both meet the same machine.
Of each it prints the processor time of a call, the daemon's and PostgreSQL's, and the ratio of both
ways in each round. What the daemon uses when nobody calls is taken off. With `--emptied` the table of
keys holds nothing before each measurement, and PostgreSQL knows it: what is planned anew then is
planned for an empty table.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bench.contenders import Daemon, cpu_seconds
from bench.data import Size
from bench.every_work import WORKS
from bench.measuring import Bench, Measurement
from bench.sections import database
from bench.server import Server

if TYPE_CHECKING:
    from bench.works import Work

CLIENTS = (1, 8, 64)
IDLE = 3.0
"""Seconds in which the daemon is watched doing nothing."""
WRITES = "upsert_execution_output,update_node_execution_status"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    parser.add_argument("--scale", type=float, default=0.01, help="of the data, 1 is full size")
    parser.add_argument("--clients", type=int, nargs="*", default=CLIENTS)
    parser.add_argument("--works", default=WRITES, help="names, with commas")
    parser.add_argument("--emptied", action="store_true", help="the keys' table, each time")
    given = parser.parse_args()
    size = Size(given.scale)
    works = [work(size) for work in WORKS if work.name in given.works.split(",")]
    with (
        Server() as server,
        tempfile.TemporaryDirectory(prefix="adb-bench-") as directory,
        database(server, given.scale, "keyed", works) as name,
        Daemon(server, name) as daemon,
    ):
        bench = Bench(server, name, size, Path(directory))
        idle = _idle(daemon)
        for work in works:
            for clients in given.clients:
                compare = _Comparison(bench, daemon, work, clients, given.seconds, idle)
                print(compare.rounds(given.rounds, emptied=given.emptied), flush=True)


def _idle(daemon: Daemon) -> float:
    """Return the processor time that the daemon uses in a second in which nobody calls."""
    before = sum(cpu_seconds(daemon.pids).values())
    time.sleep(IDLE)
    return (sum(cpu_seconds(daemon.pids).values()) - before) / IDLE


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A work of so many clients, with keys and without."""

    bench: Bench
    daemon: Daemon
    work: Work
    clients: int
    seconds: float
    idle: float

    def rounds(self, count: int, *, emptied: bool) -> str:
        """Measure both ways in turns, and say what was seen."""
        found: dict[bool, list[Measurement]] = {False: [], True: []}
        for number in range(count + 1):  # the first warms up
            for keyed in random.sample((False, True), 2):
                if emptied:
                    _empty(self.bench)
                measured = self.bench.measure(
                    self.daemon, self.work, clients=self.clients, seconds=self.seconds, keyed=keyed
                )
                if number:
                    found[keyed].append(measured)
        ratios = [
            self._cost(one) / self._cost(other) for other, one in zip(*found.values(), strict=True)
        ]
        told = ", ".join(self._told(keyed, each) for keyed, each in found.items())
        return (
            f"{self.work.name}, {self.clients} client(s): {told}; ratio"
            f" {statistics.median(ratios):.2f} ({', '.join(f'{ratio:.2f}' for ratio in ratios)})"
        )

    def _told(self, keyed: bool, each: list[Measurement]) -> str:
        postgresql = statistics.median(one.postgresql_cpu / one.answers for one in each) * 1e6
        return (
            f"{'keyed' if keyed else 'unkeyed'} {statistics.median(map(self._cost, each)):.0f} us"
            f" (PostgreSQL {postgresql:.0f})"
        )

    def _cost(self, measured: Measurement) -> float:
        """Return the daemon's processor time for a call, in microseconds."""
        return (measured.server_cpu / measured.answers - self.idle / measured.rate) * 1e6


def _empty(bench: Bench) -> None:
    for sql in ("TRUNCATE autogpt_db.idempotency_key", "VACUUM autogpt_db.idempotency_key"):
        bench.server.execute(sql, database=bench.database)


if __name__ == "__main__":
    main()
