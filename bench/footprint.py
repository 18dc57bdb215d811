"""Start-up time and memory of the daemon's processes: `make bench-footprint`.

The database is a scratch PostgreSQL started beforehand, so that the start measured is the
daemon's own: from exec to READY, as systemd would see it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from autogpt_db.database.provisioning.embedded import EmbeddedServer
from autogpt_db.settings import EmbeddedSettings
from daemon_process import DaemonProcess

ROUNDS = 5
LIMITS = {"start": 1.5, "main": 45.0, "api": 70.0}


def resident(pid: int) -> float:
    """Return a process's resident memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise LookupError(pid)


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="adb-", dir="/tmp"))
    directory.chmod(0o755)
    server = EmbeddedServer.start(directory, EmbeddedSettings())
    starts: list[float] = []
    memory: dict[str, list[float]] = {"main": [], "api": [], "worker": []}
    try:
        url = f"postgresql://autogpt_db@/autogpt_db?host={server.socket_directory}&schema=platform"
        with DaemonProcess(database_url=url):
            pass  # the first start migrates
        for _ in range(ROUNDS):
            with DaemonProcess(database_url=url) as daemon:
                starts.append(daemon.ready_seconds)
                for number in range(200):
                    daemon.call(
                        "set_execution_kv_data",
                        user_id="u",
                        node_exec_id="n",
                        key=f"{number}",
                        data={"number": number},
                    )
                assert daemon.process is not None
                memory["main"].append(resident(daemon.process.pid))
                memory["api"] += [
                    resident(daemon.pid_of(name)) for name in ("api:api_00", "api:api_01")
                ]
                memory["worker"].append(resident(daemon.pid_of("worker:worker_00")))
    finally:
        server.stop()
    print(f"rounds                 {ROUNDS}")
    print(f"start to READY, s      {describe(starts)}   (promise: <= {LIMITS['start']})")
    for name, values in memory.items():
        promise = f"   (promise: <= {LIMITS[name]:g})" if name in LIMITS else ""
        print(f"{f'RSS of {name}, MiB':<22} {describe(values)}{promise}")


def describe(values: list[float]) -> str:
    return f"min {min(values):.2f}  median {statistics.median(values):.2f}  max {max(values):.2f}"


if __name__ == "__main__":
    main()
