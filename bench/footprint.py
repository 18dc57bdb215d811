"""Start-up time and memory of the daemon's processes: `make bench-footprint`.

The database is a scratch PostgreSQL started beforehand, with AutoGPT's tables in it, so that the
start measured is the daemon's own: from exec to READY, as systemd would see it. Memory is looked at
when it has just started, at rest, and after some hundred calls: what is resident, and of that the
process's share, in which a page that n processes have in common counts as an nth. What a start
costs the processor says how long it takes on a machine that does nothing else: main's time, and then
that of its children at once. The admin listener, which is off there, is looked at in a daemon of its
own: when nobody has opened its page yet, when somebody has, and when REST was asked as well.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

import psycopg

from admin_daemon import Admin
from autogpt_db.database.provisioning.embedded import EmbeddedServer
from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.settings import EmbeddedSettings
from daemon_process import DaemonProcess

ROUNDS = 5
LIMITS = {
    "start to READY, s": 1.5,
    "RSS of api at rest, MiB": 60.0,
    "RSS of admin at rest, MiB": 60.0,
    "RSS of admin after its page, MiB": 60.0,
    "processor of idle admin, %": 0.2,
}
"""What is promised, by the name of the figure."""
WATCHED = 5.0
"""Seconds that the page is open."""
FILES = [f"/static/{name}" for name in ("admin.css", "admin.js", "overview.js", "uplot.js")]
"""What the page brings along."""
IDLE = 30.0
"""Seconds that nobody looks."""


def memory(pid: int) -> dict[str, float]:
    """Return a process's resident memory and its share of it in MiB."""
    found = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        name, _, value = line.partition(":")
        if name in ("Rss", "Pss"):
            found[name.upper()] = int(value.split()[0]) / 1024
    return found


def processes(daemon: DaemonProcess) -> list[tuple[str, int]]:
    """Return what each process is, and its id."""
    assert daemon.process is not None
    children = ("api:api_00", "api:api_01", "worker:worker_00")
    return [
        ("main", daemon.process.pid),
        *((name.partition(":")[0], daemon.pid_of(name)) for name in children),
    ]


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and those that it has awaited have used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def look(daemon: DaemonProcess, when: str, figures: dict[str, list[float]]) -> None:
    """Add what the processes take now to the figures."""
    for name, pid in processes(daemon):
        for kind, value in memory(pid).items():
            figures.setdefault(f"{kind} of {name} {when}, MiB", []).append(value)


def look_at_admin(url: str, figures: dict[str, list[float]]) -> None:
    """Add what the admin listener takes, as a browser makes it work, and then while nobody looks."""

    def look(when: str) -> None:
        for kind, value in memory(pid).items():
            figures.setdefault(f"{kind} of admin {when}, MiB", []).append(value)

    with Admin(url) as daemon:
        daemon.wait_admin()
        pid = daemon.pid_of("admin")
        look("at rest")
        with closing(daemon.browser()) as browser:
            for page in ("/", "/runs", *FILES):
                browser.get(page).raise_for_status()
            with browser.stream("GET", "/live") as live:
                until = time.monotonic() + WATCHED
                for line in live.iter_lines():
                    if time.monotonic() > until and line.startswith("event:"):
                        break
            look("after its page")
            before, began = processor_seconds(pid), time.monotonic()
            time.sleep(IDLE)
            share = (processor_seconds(pid) - before) / (time.monotonic() - began)
            figures.setdefault("processor of idle admin, %", []).append(share * 100)
            browser.get("/v1/executions").raise_for_status()
            look("after REST")


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir="/tmp"))
    directory.chmod(0o755)
    server = EmbeddedServer.start(directory, EmbeddedSettings())
    figures: dict[str, list[float]] = {"start to READY, s": []}
    try:
        url = f"postgresql://autogpt_db@/autogpt_db?host={server.socket_directory}"
        with psycopg.connect(url, autocommit=True) as connection:
            migrate(connection, schema_name="platform", create=True)
        for _ in range(ROUNDS):
            with DaemonProcess(database_url=url) as daemon:
                figures["start to READY, s"].append(daemon.ready_seconds)
                for name, pid in processes(daemon):
                    spent = figures.setdefault(f"processor of {name} until READY, s", [])
                    spent.append(processor_seconds(pid))
                look(daemon, "at rest", figures)
                for number in range(200):
                    daemon.call(
                        "set_execution_kv_data",
                        user_id="u",
                        node_exec_id="n",
                        key=f"{number}",
                        data={"number": number},
                    )
                look(daemon, "after calls", figures)
        look_at_admin(url, figures)
    finally:
        server.stop()
    print(f"rounds                             {ROUNDS}")
    for name, values in figures.items():
        promise = f"   (promise: <= {LIMITS[name]:g})" if name in LIMITS else ""
        print(f"{name:<34} {describe(values)}{promise}")


def describe(values: list[float]) -> str:
    return f"min {min(values):.2f}  median {statistics.median(values):.2f}  max {max(values):.2f}"


if __name__ == "__main__":
    main()
