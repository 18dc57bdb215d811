"""Measure this tree against another checkout of it: `make bench-trees TREE=../before`.

Both daemons are started as they ship, each on a copy of the same rows: an older one refuses what a
newer one has made of a database. Clients, works and checks are those of `make bench`. It prints the
medians of the rounds, and of each round the ratio of both: of calls a second, and of the processor
time that the daemon's processes use for a call, which depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bench import equality, report, sections
from bench.contenders import Daemon
from bench.data import NEWEST, OLDEST, TABLES, Size
from bench.every_work import WORKS
from bench.measuring import Bench
from bench.server import Server
from bench.works import MOST_CLIENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.works import Work

HERE, THERE = "here", "there"
PROGRAM = Path("build", "production", "bin", "autogpt-db")
ROUNDS = 5
SECONDS = 2.0
SCALE = 0.1


class Tree:
    """A tree's daemon on its own copy of the data, and who measures it.

    Attributes:
        daemon: The daemon.
        bench: Its clients.
    """

    def __init__(
        self, server: Server, name: str, scale: float, tables: str, works: Sequence[Work],
        directory: Path, program: Path | None, stack: ExitStack,
    ) -> None:  # fmt: skip
        database = stack.enter_context(
            sections.database(server, scale, f"tree_{name}", works, tables=tables)
        )
        directory.mkdir()
        self.bench = Bench(server, database, Size(scale), directory)
        self.daemon = stack.enter_context(Daemon(server, database, program=program))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tree", type=Path, help="the other checkout, installed by the make target")
    parser.add_argument("--tables", choices=TABLES, default=OLDEST)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each measurement")
    parser.add_argument("--scale", type=float, default=SCALE, help="of the data, 1 is full size")
    parser.add_argument("--clients", type=int, default=MOST_CLIENTS)
    parser.add_argument("--works", help="names, with commas; all")
    given = parser.parse_args()
    size = Size(given.scale)
    works = [
        work(size)
        for work in WORKS
        if (given.works is None or work.name in given.works.split(","))
        and (given.tables == NEWEST or not work.newest)
    ]
    program = (given.tree / PROGRAM).absolute()
    if not works or not program.is_file():
        parser.error(f"unknown works: {given.works}" if not works else f"there is no {program}")
    with Server() as server, ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="adb-bench-")))
        trees = {
            name: Tree(
                server, name, given.scale, given.tables, works, directory / name, found, stack
            )
            for name, found in ((HERE, None), (THERE, program))
        }
        for name, value in report.machine(server).items():
            print(f"{name}: {value}")
        print(f"tables: {given.tables}; there: {given.tree.absolute()}")
        _compare(server, trees, size, works)
        _measure(trees, works, given.rounds, given.seconds, given.clients)


def _compare(server: Server, trees: dict[str, Tree], size: Size, works: Sequence[Work]) -> None:
    """Say whether both give the same answers; another tree may have reasons to give others."""
    daemons = {name: tree.daemon for name, tree in trees.items()}
    try:
        print(f"equal answers to {equality.check(server, daemons, size, works)} calls")
    except equality.DifferentAnswersError as error:
        print(f"answers differ: {error}")


def _measure(
    trees: dict[str, Tree], works: Sequence[Work], rounds: int, seconds: float, clients: int
) -> None:
    shuffle = random.Random(1)
    names = list(trees)
    for work in works:
        rates: dict[str, list[float]] = {name: [] for name in trees}
        p99: dict[str, list[float]] = {name: [] for name in trees}
        costs: dict[str, list[float]] = {name: [] for name in trees}
        for number in range(rounds + 1):  # the first warms up
            shuffle.shuffle(names)
            for name in names:
                tree = trees[name]
                found = tree.bench.measure(tree.daemon, work, clients=clients, seconds=seconds)
                if number:
                    rates[name].append(found.rate)
                    p99[name].append(found.p99)
                    costs[name].append(found.server_cpu / found.answers * 1e6)
        ratios = _ratios(rates)
        saved = _ratios(costs)
        print(
            f"{work.name}: "
            + ", ".join(
                f"{name} {statistics.median(rates[name]):,.0f}/s p99"
                f" {statistics.median(p99[name]):.1f} ms"
                f" {statistics.median(costs[name]):.0f} us"
                for name in trees
            )
            + f"; here to there {_shown(ratios)}; processor time {_shown(saved)}",
            flush=True,
        )


def _ratios(figures: dict[str, list[float]]) -> list[float]:
    return [here / there for here, there in zip(figures[HERE], figures[THERE], strict=True)]


def _shown(ratios: Sequence[float]) -> str:
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    return f"{statistics.median(ratios):.3f} ({each})"


if __name__ == "__main__":
    main()
