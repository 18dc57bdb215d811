"""What live events cost: `python -m bench.live_events`.

First what recording them costs who writes: two daemons on the same rows, one of which records. And
then what hundreds of readers cost the callers of a daemon that records: the clients' p99 by turns
without readers and with them, some of which have stopped reading, at a rate that leaves room.

The readers are a process of their own on the same machine, which steps back behind all others:
what they cost the daemon is measured, not what it costs to be five hundred browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contenders import Daemon
from bench.data import NEWEST, Size, identifier
from bench.every_work import WORKS
from bench.measuring import Bench
from bench.sections import database
from bench.server import Server

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from daemon_process import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from multiprocessing.connection import Connection

    from bench.measuring import Measurement
    from bench.works import Work


class Recording(Daemon):
    """The daemon with everything that it takes to follow live events."""

    def __init__(self, server: Server, database: str) -> None:
        self.admin_port = free_port()
        super().__init__(
            server,
            database,
            assignments=(
                "events.enabled=true", "admin.enabled=true", f"admin.port={self.admin_port}"
            ),
        )  # fmt: skip

    def admin_token(self) -> str:
        """Return what readers show."""
        done = self._process.run("admin", "token")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def admin_memory(self) -> float:
        """Return the megabytes that its listener holds."""
        status = Path(f"/proc/{self._process.pid_of('admin')}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


WRITING = "run,update_node_execution_status"
"""The works that change statuses or balances."""
COST = 1.10
SLOWER = 1.2
"""What is promised of both."""


def cost(
    bench: Bench, daemons: Mapping[str, Daemon], works: Sequence[Work], rounds: int, seconds: float
) -> None:
    """Print what recording costs: calls a second, and processor time of a call."""
    for work in works:
        seen: dict[str, list[Measurement]] = {name: [] for name in daemons}
        for number in range(rounds + 1):  # the first warms up
            for name in sorted(daemons, reverse=bool(number % 2)):
                found = bench.measure(daemons[name], work, clients=64, seconds=seconds)
                if number:
                    seen[name].append(found)
        rates = {name: statistics.median(each.rate for each in seen[name]) for name in seen}
        spent = {
            name: sum(each.server_cpu + each.postgresql_cpu for each in seen[name])
            / sum(each.answers for each in seen[name])
            for name in seen
        }
        print(
            f"{work.name}: off {rates['off']:,.0f}/s, on {rates['on']:,.0f}/s; processor"
            f" {spent['off'] * 1e6:.0f} and {spent['on'] * 1e6:.0f} µs a call; on costs"
            f" {rates['off'] / rates['on']:.3f} of the time, {spent['on'] / spent['off']:.3f} of the"
            f" processor (promise: <= {COST:g})",
            flush=True,
        )


# Readers ------------------------------------------------------------------------------------------


@contextmanager
def reading(port: int, token: str, choices: list[str], stopped: int) -> Iterator[Connection]:
    """Let readers follow from a process of their own; the first of them read nothing."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_read, args=(theirs, port, token, choices, stopped), daemon=True
    )
    process.start()
    try:
        assert ours.recv() == "joined"
        yield ours
    finally:
        ours.send("end")
        process.join(30)
        process.kill()


def _read(pipe: Connection, port: int, token: str, choices: list[str], stopped: int) -> None:
    os.nice(19)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    asyncio.run(_follow(pipe, port, token, choices, stopped))


async def _follow(
    pipe: Connection, port: int, token: str, choices: list[str], stopped: int
) -> None:
    figures = {"bytes": 0, "events": 0, "ended": 0}

    async def one(query: str, reads: bool) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
        writer.write(
            f"GET /events{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.partition(b"\r\n")[0], head
        joined.release()
        while reads and (part := await reader.read(65_536)):
            figures["bytes"] += len(part)
            figures["events"] += part.count(b"\nevent: ")
        if reads:
            figures["ended"] += 1
        else:
            await asyncio.Event().wait()

    joined = asyncio.Semaphore(0)
    tasks = []
    for number, query in enumerate(choices):
        tasks.append(asyncio.create_task(one(query, number >= stopped)))
        await joined.acquire()
    pipe.send("joined")
    while not pipe.poll():  # noqa: ASYNC110 - it is in another process
        await asyncio.sleep(0.1)
    pipe.recv()
    pipe.send(figures)


def readers(
    bench: Bench,
    daemon: Recording,
    token: str,
    work: Work,
    *,
    choices: list[str],
    stopped: int,
    rounds: int,
    seconds: float,
    rate: float,
) -> None:
    """Print what readers cost the daemon's callers."""
    without: list[Measurement] = []
    beside: list[Measurement] = []
    memory: list[float] = []
    for number in range(rounds):
        turn: dict[str, Any] = {"clients": 16, "seconds": seconds, "rate": rate}
        without.append(bench.measure(daemon, work, **turn))
        with reading(daemon.admin_port, token, choices, stopped) as pipe:
            beside.append(bench.measure(daemon, work, **turn))
            memory.append(daemon.admin_memory())
        figures = pipe.recv()
        print(
            f"  {number + 1}/{rounds}: p99 {without[-1].p99:.2f} and {beside[-1].p99:.2f} ms,"
            f" {figures['events']:,} events in {figures['bytes'] / 1e6:.1f} MB to"
            f" {len(choices)} readers, {figures['ended']} ended,"
            f" listener {memory[-1]:.0f} MB",
            flush=True,
        )
    p99 = [statistics.median(each.p99 for each in found) for found in (without, beside)]
    spent = [
        sum(each.server_cpu for each in found) / sum(each.answers for each in found) * 1e6
        for found in (without, beside)
    ]
    print(
        f"{work.name} at {rate:g}/s beside {len(choices)} readers, {stopped} stopped: p99"
        f" {p99[0]:.2f} ms without, {p99[1]:.2f} ms with them, {p99[1] / p99[0]:.2f} times"
        f" (promise: <= {SLOWER:g}); the daemon's processor {spent[0]:.0f} and {spent[1]:.0f} µs a"
        f" call; the listener's memory {memory[0]:.0f} MB first, {memory[-1]:.0f} MB last",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--scale", type=float, default=0.01)
    parser.add_argument("--works", default=WRITING)
    parser.add_argument("--readers", type=int, default=500)
    parser.add_argument("--stopped", type=int, default=10)
    parser.add_argument("--everything", type=int, default=50, help="readers without a filter")
    parser.add_argument("--rate", type=float, default=300.0, help="calls a second beside readers")
    parser.add_argument("--part", choices=("cost", "readers"))
    given = parser.parse_args()
    size = Size(given.scale)
    works = [work(size) for work in WORKS if work.name in given.works.split(",")]
    with (
        Server() as server,
        tempfile.TemporaryDirectory(prefix="adb-bench-") as temporary,
        database(server, given.scale, "bench_live_events", works, tables=NEWEST) as name,
    ):
        bench = Bench(server, name, size, Path(temporary))
        if given.part != "readers":
            recording = ("events.enabled=true",)
            with (
                Daemon(server, name) as off,
                Daemon(server, name, assignments=recording) as on,
            ):
                cost(bench, {"off": off, "on": on}, works, given.rounds, given.seconds)
        if given.part == "cost":
            return
        with Recording(server, name) as on:
            users = [f"?user={identifier(f'u{n % size.users}')}" for n in range(given.readers)]
            choices = [""] * given.everything + users[given.everything :]
            readers(
                bench,
                on,
                on.admin_token(),
                works[0],
                choices=choices,
                stopped=given.stopped,
                rounds=given.rounds,
                seconds=given.seconds,
                rate=given.rate,
            )


if __name__ == "__main__":
    main()
