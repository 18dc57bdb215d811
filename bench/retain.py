"""What deleting a million rows does to 32 clients that write: `python -m bench.retain`.

The clients write inputs and outputs through pgbench, by turns alone and while the job `retain`
deletes on the same server, until it is done: what makes the server faster or slower meanwhile (its
caches fill, pages are written for the first time) makes it so for both. The job's worker is the
one that the daemon runs; at the end of each turn it is stopped, hands the job back, and the next
one goes on where it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from itertools import chain
from pathlib import Path

from bench.data import Size, make
from bench.server import Server

from autogpt_db.settings import DatabaseSettings, RetainSettings, Secret, Settings, WorkerSettings
from autogpt_db.worker.queue import open_queue
from autogpt_db.worker.registry import discover
from autogpt_db.worker.runner import WorkerProcess

WRITE = """
\\set n random({first}, {last})
INSERT INTO platform."AgentNodeExecutionInputOutput"
       ("id", "name", "time", "referencedByOutputExecId", "data")
VALUES (gen_random_uuid()::text, 'result', now(), bench.id('n' || :n),
        jsonb_build_object('value', bench.words(:n, 240)));
"""
# What clients write to is of today: the last tenth, which the job leaves alone.
RECENT = """
UPDATE platform."AgentGraphExecution" AS execution
   SET "createdAt" = now()
  FROM platform."AgentNodeExecution" AS node
 WHERE node."agentGraphExecutionId" = execution."id"
   AND node."id" = ANY (
           ARRAY(SELECT bench.id('n' || n) FROM generate_series({first}::int, {last}::int) AS n)
       );
"""
# Inputs and outputs of what the job should have been through.
OLD_ROWS = """
SELECT count(*)
  FROM platform."AgentGraphExecution" AS execution
  JOIN platform."AgentNodeExecution" AS node ON node."agentGraphExecutionId" = execution."id"
  JOIN platform."AgentNodeExecutionInputOutput" AS row
       ON row."referencedByInputExecId" = node."id" OR row."referencedByOutputExecId" = node."id"
 WHERE execution."createdAt" < now() - interval '1 day'
   AND execution."executionStatus" IN ('COMPLETED', 'FAILED', 'TERMINATED')
"""
ENDED = "SELECT result FROM autogpt_db.job_run WHERE job = 'retain' AND outcome = 'succeeded'"


def clients(server: Server, url: str, script: Path, seconds: int) -> subprocess.Popen[bytes]:
    """Start 32 writing clients that log every transaction."""
    return subprocess.Popen(
        [
            _pgbench(server), "-n", "-c", "32", "-j", "2", "-M", "prepared", "-T", str(seconds),
            "-l", "--log-prefix", str(script.parent / "log"), "-f", str(script), url,
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def _pgbench(server: Server) -> str:
    return shutil.which("pgbench") or str(server.binaries / "pgbench")


def latencies(directory: Path) -> list[float]:
    """Return the milliseconds of every transaction, ascending, and forget them."""
    found = []
    for log in directory.glob("log*"):
        # The last line of clients that were told to end may be torn.
        lines = (line.split() for line in log.read_text().splitlines()[:-1])
        found += [int(words[2]) / 1000 for words in lines]
        log.unlink()
    return sorted(found)


def told(name: str, found: list[float], seconds: float) -> float:
    p99 = found[int(len(found) * 0.99)]
    print(
        f"{name:<22} {len(found) / seconds:>8.0f} writes/s   p50 {found[len(found) // 2]:>7.2f} ms"
        f"   p99 {p99:>7.2f} ms   max {found[-1]:>8.1f} ms",
        flush=True,
    )
    return p99


async def retain(
    server: Server, database: str, settings: Settings, seconds: float
) -> dict[str, int] | None:
    """Run the job in a worker of this process for so long; return what it counted, if it ended."""
    jobs = {"retain": discover()["retain"]}
    process = WorkerProcess(settings, jobs)
    until = time.monotonic() + seconds
    worker = asyncio.create_task(process.run())
    with server.connect(database) as connection:
        while (  # noqa: ASYNC110 - in a table
            not (row := connection.execute(ENDED).fetchone()) and time.monotonic() < until
        ):
            await asyncio.sleep(0.2)
    process.stop()
    process.stop()  # hands it back at once
    await worker
    return row[0] if row else None


async def enqueue(settings: Settings) -> None:
    jobs = {"retain": discover()["retain"]}
    async with open_queue(settings, jobs) as queue:
        await queue.app.configure_task("retain").defer_async(timestamp=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.25, help="0.25 has a million rows")
    parser.add_argument("--alone", type=int, default=15, help="seconds of a turn without the job")
    parser.add_argument("--beside", type=int, default=45, help="seconds of a turn with it")
    parser.add_argument("--batch", type=int, default=RetainSettings().batch)
    parser.add_argument("--rest", type=float, default=RetainSettings().rest)
    arguments = parser.parse_args()
    size = Size(arguments.scale)
    with Server() as server, tempfile.TemporaryDirectory() as temporary:
        source = make(server, size)
        database = "retain_now"
        server.drop(database)
        server.create(database, template=source)
        url = server.url(database)
        script = Path(temporary) / "write.sql"
        written = {"first": size.node_executions * 9 // 10, "last": size.node_executions - 1}
        script.write_text(WRITE.format(**written))
        server.execute(RECENT.format(**written), database=database)
        settings = Settings(
            state_directory=Path(temporary),
            runtime_directory=Path(temporary),
            database=DatabaseSettings(url=Secret(url + "&schema=platform")),
            worker=WorkerSettings(retain_schedule="never"),
            retain=RetainSettings(input_output_days=1, batch=arguments.batch, rest=arguments.rest),
        )
        asyncio.run(enqueue(settings))
        print(f"rows to delete: {server.execute(OLD_ROWS, database=database)[0][0]}", flush=True)
        alone: list[list[float]] = []
        beside: list[list[float]] = []
        result = None
        while True:
            writing = clients(server, url, script, arguments.alone)
            writing.wait()
            alone.append(latencies(script.parent))
            told("alone", alone[-1], arguments.alone)
            if result is not None:
                break
            writing = clients(server, url, script, 7200)
            began = time.monotonic()
            result = asyncio.run(retain(server, database, settings, arguments.beside))
            writing.terminate()
            writing.wait()
            beside.append(latencies(script.parent))
            told("beside retain", beside[-1], time.monotonic() - began)
        print(f"retain, in its last turn: {json.dumps(result)}", flush=True)
        left = server.execute(OLD_ROWS, database=database)[0][0]
        server.drop(database)
        p99s = [
            told(name, sorted(chain.from_iterable(turns)), seconds * len(turns))
            for name, turns, seconds in (
                ("alone, all turns", alone, arguments.alone),
                ("beside, all turns", beside, arguments.beside),
            )
        ]
        print(
            f"old rows left: {left}; p99 beside retain: {p99s[1] / p99s[0]:.2f} times that without"
        )


if __name__ == "__main__":
    main()
