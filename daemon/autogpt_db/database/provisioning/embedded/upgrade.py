"""Moving the private cluster to a newer major version, with pg_upgrade; the old one is kept."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from autogpt_db.database.provisioning.embedded.cluster import make_empty, sync_data
from autogpt_db.database.provisioning.embedded.directories import (
    check_space,
    made_anew,
    put_in_place,
    size_of,
    stamp,
)
from autogpt_db.database.provisioning.embedded.dumping import (
    moved_by_dump,
    refused_options,
    unusual_options,
)
from autogpt_db.database.provisioning.embedded.maintenance import (
    connection_options,
    major_of,
    private_cluster,
    prove,
    run_tool,
    serving,
    stopped,
)
from autogpt_db.database.provisioning.embedded.pg_upgrade import pg_upgrade
from autogpt_db.database.provisioning.embedded.postmaster import end_leftovers
from autogpt_db.database.provisioning.embedded.server import EmbeddedServer
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError, MaintenanceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autogpt_db.database.provisioning.embedded.binaries import Binaries
    from autogpt_db.database.provisioning.embedded.maintenance import Cluster
    from autogpt_db.settings import Settings

_FILES = ("postgresql.conf", "postgresql.auto.conf", "pg_hba.conf")


class Upgraded(NamedTuple):
    """A finished upgrade.

    Attributes:
        data: Where the data is.
        before: The version that it was for: `15.18`.
        after: The version that it is for now.
        kept: Where the old cluster is.
        not_carried_over: What an administrator had set in the old one's own files, and what else
            is left to do.
        seconds: How long it took.
    """

    data: Path
    before: str
    after: str
    kept: Path
    not_carried_over: list[str]
    seconds: float


def upgrade(
    settings: Settings,
    *,
    binaries: Path | None = None,
    by_dump: bool = False,
    ignore_space: bool = False,
    progress: Callable[[str, float], object] = lambda _what, _share: None,
) -> Upgraded:
    """Move the private cluster to the PostgreSQL that new data would get; the service must not run.

    The new cluster is made beside the old one, from copies, takes its place, and PostgreSQL is
    started on it once; if that fails, the old one is back. The old one is never removed.

    Args:
        settings: Of the daemon whose cluster it is.
        binaries: bin/ directory of the PostgreSQL to move to; None: what new data would get.
        by_dump: Write everything out and read it in again, instead of pg_upgrade.
        ignore_space: Don't ask whether there is room.
        progress: Gets what is being done, and how much of it is done, 0 to 1.

    Raises:
        ResourceTakenError: The service runs.
        ConfigurationError: There is no cluster, or nothing newer to move it to.
        MaintenanceError: There is no room, or pg_upgrade refuses, or would; the old cluster is as
            it was.
    """
    began = time.monotonic()
    with stopped(settings):
        cluster = private_cluster(settings)
        before = _for_old_data(settings, cluster)
        old = cluster.binaries(before, major_of(cluster.data))
        target = settings if binaries is None else _with_binaries(settings, binaries)
        new = cluster.binaries(target, None)
        _check_versions(settings, old, new, asked_for=binaries)
        if not ignore_space:
            check_space(cluster.place, size_of(cluster.data), what="the new cluster")
        end_leftovers(cluster.data)
        # A clean shutdown is what pg_upgrade asks for; a killed service did not leave one.
        progress("checking", 0)
        now = stamp()
        fresh = cluster.place / f"data.upgrading-{now}"
        server = EmbeddedServer.start(settings.paths.state, before.embedded)
        try:
            if by_dump:
                not_carried_over = _by_dump(cluster, before, new, fresh, progress)
            unusual = unusual_options(before)
        finally:
            server.stop()
        if not by_dump:
            not_carried_over = _by_pg_upgrade(cluster, old, new, fresh, unusual, progress)
        kept = cluster.place / f"data.before-upgrade-{old.major}-{now}"
        put_in_place(fresh, cluster.data, kept)
        try:
            progress("starting", 0)
            prove(target)
        except MaintenanceError as error:
            failed = cluster.place / f"data.failed-upgrade-{now}"
            put_in_place(kept, cluster.data, failed)
            raise MaintenanceError(
                f"The upgraded cluster cannot be served: {error} It is in {failed}; the old one is "
                "back in its place."
            ) from None
    progress("analysing", 0)
    try:
        _analyse(target, new)
    except (MaintenanceError, DatabaseUnreachableError) as error:
        not_carried_over.append(f"the planner's statistics (run vacuumdb --analyze-only): {error}")
    return Upgraded(
        cluster.data, old.version, new.version, kept, not_carried_over, time.monotonic() - began
    )


def _by_dump(
    cluster: Cluster,
    before: Settings,
    new: Binaries,
    fresh: Path,
    progress: Callable[[str, float], object],
) -> list[str]:
    """Make the new cluster's data by dump and restore; the old server runs.

    Returns:
        What was not carried over.
    """
    with moved_by_dump(before, new, cluster.place, cluster.account, progress) as moved:
        own = list(_own_settings(cluster.data, moved.data))
        sync_data(new, cluster.account, moved.data)
        moved.data.rename(fresh)
    return [*own, *moved.left_out]


def _by_pg_upgrade(
    cluster: Cluster,
    old: Binaries,
    new: Binaries,
    fresh: Path,
    unusual: list[str],
    progress: Callable[[str, float], object],
) -> list[str]:
    """Make the new cluster's data with pg_upgrade; the old server has been stopped.

    Returns:
        What was not carried over.
    """
    with made_anew(fresh):
        make_empty(new, cluster.account, fresh)
        refused = refused_options(unusual, new, cluster.account, fresh)
        if refused:
            raise MaintenanceError(
                f"PostgreSQL {old.version} has given columns options that {new.version} refuses "
                f"({', '.join(refused)}), and pg_upgrade fails over them. Nothing was touched. "
                "`autogpt-db upgrade-cluster --by-dump` writes everything out and reads it in "
                "again, without them."
            )
        own = list(_own_settings(cluster.data, fresh))
        pg_upgrade(cluster, old, new, fresh, progress)
        sync_data(new, cluster.account, fresh)
    return own


def _own_settings(old: Path, fresh: Path) -> Iterator[str]:
    return (f"{name}: {line}" for name in _FILES for line in _own_lines(old, fresh, name))


def _with_binaries(settings: Settings, binaries: Path | None) -> Settings:
    embedded = msgspec.structs.replace(settings.embedded, binaries=binaries)
    return msgspec.structs.replace(settings, embedded=embedded)


def _for_old_data(settings: Settings, cluster: Cluster) -> Settings:
    """Return the settings without `embedded.binaries` where those are the newer ones already."""
    try:
        cluster.binaries(settings, major_of(cluster.data))
    except ConfigurationError:
        return _with_binaries(settings, None)
    return settings


def _check_versions(
    settings: Settings, old: Binaries, new: Binaries, *, asked_for: Path | None
) -> None:
    if new.major <= old.major:
        raise ConfigurationError(
            f"The cluster is PostgreSQL {old.major} already, and {new.directory} is "
            f"{new.version}. Install a newer one, or name one: --to /usr/lib/postgresql/…/bin."
        )
    configured = settings.embedded.binaries
    if asked_for is not None and configured is not None and configured != asked_for:
        raise ConfigurationError(
            f"embedded.binaries: is {configured}, which could not run the upgraded data. Set it to "
            f"{asked_for}, or unset it, first."
        )


def _own_lines(old: Path, fresh: Path, name: str) -> Iterator[str]:
    """Yield what stands in the old cluster's file that initdb doesn't write."""

    def lines(path: Path) -> list[str]:
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            return []
        return [" ".join(line.split("#")[0].split()) for line in text.splitlines()]

    def key(line: str) -> str:
        return line.partition("=")[0].strip() if name != "pg_hba.conf" else line

    given = set(lines(fresh / name))
    usual = {key(line) for line in given} if name == "postgresql.conf" else set()
    # initdb's own choices, whose values differ between versions and machines.
    usual -= {"max_connections", "shared_buffers", "max_wal_size", "min_wal_size"}
    for line in lines(old / name):
        if line and line not in given and (key(line) not in usual):
            yield line


def _analyse(settings: Settings, new: Binaries) -> None:
    """Collect the planner's statistics, which not every version carries over."""
    with serving(settings):
        run_tool(
            [
                str(new.directory / "vacuumdb"),
                *connection_options(settings),
                "--all",
                "--analyze-only",
                "--no-password",
                "--quiet",
            ],
            None,
        )
