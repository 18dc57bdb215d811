"""What live events cost: `python -m bench.live_events`.

First what recording them costs who writes: two daemons on the same rows, one of which records. And
then what hundreds of readers cost the callers of a daemon that records: the clients' p99 by turns
without readers and with them, some of which have stopped reading, at a rate that leaves room.

Turns are compared in pairs, which follow one another and change places, and the median of the pairs'
ratios is what counts: whatever else the machine does weighs on both of a pair.

The readers are a process of their own on the same machine, which steps back behind all others:
what they cost the daemon is measured, not what it costs to be five hundred browsers.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.contenders import Daemon, cpu_seconds
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

    def admin_processor(self) -> float:
        """Return the seconds of processor time that its listener has used."""
        (used,) = cpu_seconds([self._process.pid_of("admin")]).values()
        return used

    def admin_memory(self) -> float:
        """Return the megabytes that its listener holds."""
        status = Path(f"/proc/{self._process.pid_of('admin')}/status").read_text()
        (line,) = (each for each in status.splitlines() if each.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024


WRITING = "run,update_node_execution_status"
"""The works that change statuses or balances."""
LOOKS = 25
"""Of so many readers one looks how old the events are that it gets."""
_AT = re.compile(rb'"at":"([^"]+)"')
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
        spent = {name: statistics.median(map(_processor, seen[name])) for name in seen}
        print(
            f"{work.name}: off {rates['off']:,.0f}/s, on {rates['on']:,.0f}/s; processor"
            f" {spent['off'] * 1e6:.0f} and {spent['on'] * 1e6:.0f} µs a call; on costs"
            f" {_spread([off.rate / on.rate for off, on in _pairs(seen)])} of the time,"
            f" {_spread([_processor(on) / _processor(off) for off, on in _pairs(seen)])} of the"
            f" processor (promise: <= {COST:g})",
            flush=True,
        )


def _pairs(seen: Mapping[str, Sequence[Measurement]]) -> Iterator[tuple[Measurement, Measurement]]:
    return zip(seen["off"], seen["on"], strict=True)


def _processor(measured: Measurement) -> float:
    """Return the seconds that a call costs the daemon and PostgreSQL."""
    return (measured.server_cpu + measured.postgresql_cpu) / measured.answers


def _spread(ratios: Sequence[float]) -> str:
    """Return the median of the pairs' ratios, and the least and the most."""
    return f"{statistics.median(ratios):.3f} ({min(ratios):.2f} to {max(ratios):.2f})"


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
    figures: dict[str, Any] = {"bytes": 0, "events": 0, "ended": 0, "delays": []}

    async def one(query: str, reads: bool, looks: bool) -> None:
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
            if looks:
                figures["delays"] += [
                    time.time() - datetime.fromisoformat(at.decode()).timestamp()
                    for at in _AT.findall(part)
                ]
        if reads:
            figures["ended"] += 1
        else:
            await asyncio.Event().wait()

    joined = asyncio.Semaphore(0)
    tasks = []
    for number, query in enumerate(choices):
        tasks.append(asyncio.create_task(one(query, number >= stopped, number % LOOKS == 0)))
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
    listener: list[float] = []
    delays: list[float] = []
    turn: dict[str, Any] = {"clients": 16, "seconds": seconds, "rate": rate}

    def follow() -> dict[str, Any]:
        with reading(daemon.admin_port, token, choices, stopped) as pipe:
            began, used = time.monotonic(), daemon.admin_processor()
            beside.append(bench.measure(daemon, work, **turn))
            listener.append((daemon.admin_processor() - used) / (time.monotonic() - began))
            memory.append(daemon.admin_memory())
        figures: dict[str, Any] = pipe.recv()
        return figures

    for number in range(rounds):
        if number % 2:
            figures = follow()
            without.append(bench.measure(daemon, work, **turn))
        else:
            without.append(bench.measure(daemon, work, **turn))
            figures = follow()
        delays += figures["delays"]
        print(
            f"  {number + 1}/{rounds}: p99 {without[-1].p99:.2f} and {beside[-1].p99:.2f} ms,"
            f" {figures['events']:,} events in {figures['bytes'] / 1e6:.1f} MB to"
            f" {len(choices)} readers, {figures['ended']} ended,"
            f" listener {memory[-1]:.0f} MB and {listener[-1]:.1%} of a processor",
            flush=True,
        )
    p99 = [statistics.median(each.p99 for each in found) for found in (without, beside)]
    ratios = [mine.p99 / other.p99 for mine, other in zip(beside, without, strict=True)]
    cuts = statistics.quantiles(delays, n=100)
    print(
        f"{work.name} at {rate:g}/s beside {len(choices)} readers, {stopped} stopped: p99"
        f" {p99[0]:.2f} ms without, {p99[1]:.2f} ms with them, {_spread(ratios)} times"
        f" (promise: <= {SLOWER:g}); from an event's insert to its reader {cuts[49] * 1e3:.0f} ms in"
        f" the median, {cuts[98] * 1e3:.0f} ms at p99; the listener's memory {memory[0]:.0f} MB"
        f" first, {memory[-1]:.0f} MB last, its share of a processor"
        f" {statistics.median(listener):.1%}",
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
