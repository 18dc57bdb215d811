"""What deleting a million rows does to 32 clients that write: `python -m bench.retain`.

The clients write inputs and outputs through pgbench, first alone, then while the job `retain`
deletes on the same server, then alone again. The job's worker is the one that the daemon runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import tempfile
import time
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


async def retain(server: Server, database: str, settings: Settings) -> dict[str, int]:
    """Run the job in a worker of this process; return what it counted."""
    jobs = {"retain": discover()["retain"]}
    process = WorkerProcess(settings, jobs)
    worker = asyncio.create_task(process.run())
    async with open_queue(settings, jobs) as queue:
        await queue.enqueue("retain")
    with server.connect(database) as connection:
        while not (row := connection.execute(ENDED).fetchone()):  # noqa: ASYNC110 - in a table
            await asyncio.sleep(0.5)
    process.stop()
    await worker
    result: dict[str, int] = row[0]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scale", type=float, default=0.25, help="0.25 has a million rows")
    parser.add_argument("--seconds", type=int, default=30, help="of the clients alone")
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
        alone = []
        for name in ("clients alone", "with retain", "clients alone again"):
            began = time.monotonic()
            if name == "with retain":
                writing = clients(server, url, script, 7200)
                result = asyncio.run(retain(server, database, settings))
                writing.terminate()
            else:
                writing = clients(server, url, script, arguments.seconds)
            writing.wait()
            seconds = time.monotonic() - began
            p99 = told(name, latencies(script.parent), seconds)
            if name == "with retain":
                with_retain = p99
                print(f"  retain: {json.dumps(result)} in {seconds:.0f} s", flush=True)
            else:
                alone.append(p99)
        server.drop(database)
        best = min(alone)
        print(f"p99 with retain: {with_retain / best:.2f} times the better one without")


if __name__ == "__main__":
    main()
