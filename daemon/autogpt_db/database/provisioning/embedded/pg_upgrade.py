"""PostgreSQL's own pg_upgrade: run on copies, and its words kept where it fails."""

from __future__ import annotations

import os
import re
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.database.provisioning.embedded.directories import stamp
from autogpt_db.database.provisioning.embedded.maintenance import run_tool
from autogpt_db.database.url import EMBEDDED_NAME
from autogpt_db.errors import MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from autogpt_db.database.provisioning.embedded.binaries import Binaries
    from autogpt_db.database.provisioning.embedded.maintenance import Cluster

_WRONG = re.compile(r"error: |ERROR: |FATAL: ")


def pg_upgrade(
    cluster: Cluster,
    old: Binaries,
    new: Binaries,
    fresh: Path,
    progress: Callable[[str, float], object],
) -> None:
    """Fill a new cluster with a copy of the old one.

    Args:
        cluster: The private cluster's place.
        old: The PostgreSQL of the data that there is.
        new: The one to move to.
        fresh: The new cluster, as initdb makes it.
        progress: Gets what is being done, and how much of it is done, 0 to 1.

    Raises:
        MaintenanceError: It failed; the old cluster is as it was.
    """
    steps = 0

    def tell(line: str) -> None:
        nonlocal steps
        if line.endswith("ok"):
            steps += 1
            progress("upgrading", min(1.0, steps / 40))  # it says so about 40 times

    # Sockets of its own, where nobody of ours looks, with a short path.
    sockets = cluster.place / "upgrade"
    sockets.mkdir(mode=0o700, exist_ok=True)
    if cluster.account is not None:
        os.chown(sockets, cluster.account.user_id, cluster.account.group_id)
    command = [
        str(new.directory / "pg_upgrade"),
        f"--old-bindir={old.directory}",
        f"--new-bindir={new.directory}",
        f"--old-datadir={cluster.data}",
        f"--new-datadir={fresh}",
        f"--username={EMBEDDED_NAME}",
        f"--socketdir={sockets}",
        f"--jobs={os.cpu_count() or 1}",
        "--copy",
        "--no-sync",  # sync_data does it
    ]
    try:
        run_tool([*command, "--check"], cluster.account, cwd=sockets)
        run_tool(command, cluster.account, cwd=sockets, on_line=tell)
    except MaintenanceError as error:
        kept = _kept_logs(cluster, fresh)
        logs = f" Its logs are in {kept}." if kept is not None else ""
        raise MaintenanceError(
            f"{error} The old cluster is as it was.{_details(fresh)}{logs} What pg_upgrade cannot "
            "move, `autogpt-db upgrade-cluster --by-dump` may."
        ) from None
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def _kept_logs(cluster: Cluster, fresh: Path) -> Path | None:
    """Put pg_upgrade's own logs where they outlive the new cluster; return where, if there are any.

    Its dumps are not among them: they are large, and hold nothing that the old cluster doesn't.
    """
    written = fresh / "pg_upgrade_output.d"
    kept = cluster.place / f"upgrade-logs-{stamp()}"
    if not written.is_dir():
        return None
    try:
        shutil.copytree(written, kept, ignore=shutil.ignore_patterns("dump"))
    except (OSError, shutil.Error):
        return None
    return kept


def _details(fresh: Path) -> str:
    """Return what pg_upgrade wrote about objects that it cannot move, and its tools' last words."""
    said = []
    for log_file in sorted(fresh.glob("pg_upgrade_output.d/**/log/*.log")):
        with suppress(OSError):
            lines = log_file.read_text("utf-8", "replace").splitlines()
            telling = [line.strip() for line in lines if _WRONG.search(line)]
            said += [f"{log_file.stem}: {line}" for line in telling[-3:]]
    for report in sorted(fresh.glob("pg_upgrade_output.d/**/*.txt")):
        with suppress(OSError):
            said.append(f"{report.stem}: {' '.join(report.read_text('utf-8', 'replace').split())}")
    return f" {'; '.join(said)[:2000]}" if said else ""
