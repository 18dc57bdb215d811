"""One measurement, and rounds of them."""

from __future__ import annotations

import random
import resource
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import pgbench, scripting
from bench.contenders import cpu_seconds
from bench.load import Generator
from bench.works import MOST_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from bench.contenders import Contender
    from bench.data import Size
    from bench.server import Server
    from bench.works import Work

OURS = "autogpt_db"
PGBENCH = "pgbench"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One contender at one work.

    Attributes:
        rate: Calls a second.
        p50: Latency in milliseconds; 0 where it isn't known, as everything below.
        p99: Likewise.
        errors: Replies that were not the answer.
        answers: All replies, those outside the measured time included.
        server_cpu: Seconds of processor time of the server's processes meanwhile.
        postgresql_cpu: PostgreSQL's.
        clients_cpu: The clients'.
    """

    rate: float
    p50: float = 0.0
    p99: float = 0.0
    errors: int = 0
    answers: int = 0
    server_cpu: float = 0.0
    postgresql_cpu: float = 0.0
    clients_cpu: float = 0.0


Results = dict[tuple[str, str], list[Measurement]]
"""Of each work and contender, the rounds."""


class Bench:
    """Clients of contenders on one database."""

    def __init__(self, server: Server, database: str, size: Size, directory: Path) -> None:
        self.server = server
        self.database = database
        self.size = size
        self.directory = directory
        self.generator = Generator(directory)
        self.scripts = pgbench.scripts(size)
        self._number = int(time.time())  # tells measurements apart, in the tables, too

    def measure(
        self,
        contender: Contender,
        work: Work,
        *,
        clients: int,
        seconds: float,
        rate: float = 0.0,
        keyed: bool = False,
    ) -> Measurement:
        """Measure a server, and compare the tables with what its clients were told.

        Args:
            contender: The server.
            work: What its clients do.
            clients: How many.
            seconds: How long.
            rate: Calls a second; 0: as many as they get.
            keyed: Whether each call has an idempotency key of its own.
        """
        self._number += 1
        sessions = work.sessions(self._number)
        (since,) = self.server.execute(
            "SELECT date_trunc('milliseconds', clock_timestamp() AT TIME ZONE 'UTC')"
        )[0]
        before = self._processor_time(contender)
        outcome = self.generator.run(
            sessions,
            port=contender.port,
            prefix=contender.prefix,
            clients=clients,
            seconds=seconds,
            rate=rate,
            key=f"bench-{self._number}" if keyed else "",
        )
        after = self._processor_time(contender)
        if outcome.errors:
            print(f"  {contender.label}, {work.name}: {outcome.errors} errors,", end=" ")
            print(f"the first: {outcome.first_error}")
        work.verify(self.server, self.database, since, self._number, sessions, outcome)
        return Measurement(
            outcome.rate,
            outcome.p50,
            outcome.p99,
            outcome.errors,
            outcome.answers,
            *(
                sum(seconds - start.get(pid, 0.0) for pid, seconds in end.items())
                for start, end in zip(before, after, strict=True)
            ),
        )

    def _processor_time(self, contender: Contender) -> tuple[dict[int, float], ...]:
        clients = resource.getrusage(resource.RUSAGE_CHILDREN)
        return (
            cpu_seconds(contender.pids),
            cpu_seconds(self.server.pids()),
            {0: clients.ru_utime + clients.ru_stime},
        )

    def pgbench(self, work: Work, *, clients: Sequence[int], seconds: float) -> Measurement:
        """Measure pgbench with each number of clients, half as long; return its best."""
        rates = [
            pgbench.run(
                self.server,
                self.database,
                self.scripts[work.name],
                clients=number,
                seconds=seconds / 2,
                directory=self.directory,
            )
            for number in clients
        ]
        return Measurement(max(rates))

    def warm_up(self, works: Sequence[Work]) -> None:
        """Let pgbench do each work, unmeasured: pages are read, and changed once."""
        for work in works:
            self.pgbench(work, clients=(8,), seconds=4)

    def rounds(
        self,
        works: Sequence[Work],
        contenders: Mapping[str, Contender | None],
        *,
        count: int,
        seconds: float,
        clients: int = MOST_CLIENTS,
    ) -> Results:
        """Measure everything, `count` times, each time in another order.

        Args:
            works: What is measured.
            contenders: The servers by name; None stands for pgbench.
            count: Rounds.
            seconds: How long each measurement takes.
            clients: How many; pgbench is measured at its best of several when these are many.
        """
        results: Results = defaultdict(list)
        names = list(contenders)
        shuffle = random.Random(1)
        for number in range(count):
            for work in works:
                shuffle.shuffle(names)
                for name in names:
                    contender = contenders[name]
                    if contender is not None and work.name in contender.without:
                        continue
                    if contender is None:
                        best_of = scripting.BEST_OF if clients == MOST_CLIENTS else (clients,)
                        found = self.pgbench(work, clients=best_of, seconds=seconds)
                    else:
                        found = self.measure(contender, work, clients=clients, seconds=seconds)
                    results[work.name, name].append(found)
                rates = (
                    f"{name} {results[work.name, name][-1].rate:,.0f}"
                    for name in contenders
                    if (work.name, name) in results
                )
                print(f"  {number + 1}/{count} {work.name}: {', '.join(rates)}", flush=True)
        return results


def _figures(results: Results, work: str, name: str, what: str) -> list[float]:
    return [getattr(found, what) for found in results[work, name]]


def median(results: Results, work: str, name: str, what: str = "rate") -> float:
    """Return the median of a figure in all rounds."""
    return statistics.median(_figures(results, work, name, what))


def total(results: Results, work: str, name: str, what: str) -> float:
    """Return the sum of a figure in all rounds."""
    return sum(_figures(results, work, name, what))
