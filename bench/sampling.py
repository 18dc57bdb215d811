"""Show where the API process spends its time under load: `make bench-profile WORK=…`.

By function (its own time), sampled by py-spy; the process under test is the daemon as it ships.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from bench import sections
from bench.contenders import Daemon
from bench.data import Size
from bench.every_work import WORKS
from bench.measuring import Bench
from bench.server import Server
from bench.works import MOST_CLIENTS

SCALE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work", choices=[work.name for work in WORKS])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--clients", type=int, default=MOST_CLIENTS)
    parser.add_argument("--lines", type=int, default=25)
    given = parser.parse_args()
    size = Size(SCALE)
    work = next(work(size) for work in WORKS if work.name == given.work)
    with (
        tempfile.TemporaryDirectory(prefix="adb-bench-") as name,
        Server() as server,
        sections.database(server, SCALE, "bench_profile", [work]) as database,
        Daemon(server, database) as daemon,
    ):
        directory = Path(name)
        bench = Bench(server, database, size, directory)
        load = threading.Thread(
            target=lambda: bench.measure(
                daemon, work, clients=given.clients, seconds=given.seconds + 2
            )
        )
        load.start()
        stacks = _sample(daemon.api_pid(), given.seconds, directory / "stacks")
        load.join()
    _print("by function, its own time", _leaves(stacks), given.lines)
    _print("by module, its own time", _modules(stacks), given.lines)


def _sample(pid: int, seconds: int, path: Path) -> Counter[str]:
    program = Path(sys.executable).with_name("py-spy")
    subprocess.run(
        [
            program, "record", "--pid", str(pid), "--duration", str(seconds), "--rate", "500",
            "--native", "--format", "raw", "--function", "--output", str(path),
        ],
        check=True,
        capture_output=True,
    )  # fmt: skip
    stacks: Counter[str] = Counter()
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        stacks[stack] += int(count)
    return stacks


def _leaves(stacks: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        found[stack.rpartition(";")[2]] += count
    return found


def _modules(stacks: Counter[str]) -> Counter[str]:
    found: Counter[str] = Counter()
    for stack, count in stacks.items():
        frames = [frame for frame in stack.split(";") if ".py" in frame]
        found[frames[-1].rpartition("(")[2].rstrip(")") if frames else "native"] += count
    return found


def _print(title: str, found: Counter[str], lines: int) -> None:
    whole = found.total()
    print(f"\n{title}:")
    for name, count in found.most_common(lines):
        print(f"  {count / whole:6.1%}  {name}")


if __name__ == "__main__":
    main()
