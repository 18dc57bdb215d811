"""`autogpt-db backup`, `verify-backup`, `restore`, `upgrade-cluster`: for the private cluster."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.runtime import Loads

_IGNORE_SPACE = click.option(
    "--ignore-space", is_flag=True, help="Don't ask whether there is room enough."
)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--compress",
    "compression",
    type=click.IntRange(0, 9),
    default=3,
    show_default=True,
    help="gzip's level; 0: none.",
)
@_IGNORE_SPACE
@click.pass_obj
def backup(sources: Loads, directory: Path, *, compression: int, ignore_space: bool) -> None:
    """Back up the private PostgreSQL into a new directory below DIRECTORY, while it serves.

    The last line of the output is the backup's path. What is there has been checked against
    PostgreSQL's own manifest. Backups are never removed: how long to keep them is yours to decide.
    """
    from autogpt_db.database.provisioning.embedded.backup import back_up
    from autogpt_db.database.provisioning.embedded.directories import human_size

    with _work() as progress:
        made = back_up(
            sources.load().settings,
            directory.absolute(),
            compression=compression,
            ignore_space=ignore_space,
            progress=progress,
        )
    say(
        f"PostgreSQL {made.record.postgresql}, {human_size(made.record.data_bytes)} of data in "
        f"{human_size(made.size)}, in {made.seconds:.1f} s",
        error=True,
    )
    say(made.directory)


@click.command("verify-backup")
@click.argument("backup", type=click.Path(path_type=Path, file_okay=False))
def verify_backup(backup: Path) -> None:
    """Check that a backup is what it was when it was made: every file, by its SHA-256."""
    from autogpt_db.database.provisioning.embedded.backup import verify
    from autogpt_db.database.provisioning.embedded.directories import human_size

    with _work() as progress:
        record = verify(backup.absolute(), progress=progress)
    say(
        f"{backup}: whole. PostgreSQL {record.postgresql}, {human_size(record.data_bytes)} of "
        f"data, made {record.created} by autogpt-db {record.program}."
    )


@click.command()
@click.argument("backup", type=click.Path(path_type=Path, file_okay=False))
@click.option("--replace", is_flag=True, help="There is data: put it aside, and keep it.")
@_IGNORE_SPACE
@click.pass_obj
def restore(sources: Loads, backup: Path, *, replace: bool, ignore_space: bool) -> None:
    """Put BACKUP in the private PostgreSQL's place; the service must not run.

    The backup is checked before anything changes, and PostgreSQL is started on it once. If that
    fails, everything is as it was.
    """
    from autogpt_db.database.provisioning.embedded.restore import restore as put_back

    with _work() as progress:
        done = put_back(
            sources.load().settings,
            backup.absolute(),
            replace=replace,
            ignore_space=ignore_space,
            progress=progress,
        )
    say(
        f"Restored to {done.data} from {done.record.created}, in {done.seconds:.1f} s. "
        "Start the service."
    )
    if done.kept is not None:
        say(f"The data before is in {done.kept}; remove it when you are sure.")


@click.command("upgrade-cluster")
@click.option(
    "--to",
    "binaries",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="bin/ directory of the newer PostgreSQL. Default: the one that new data would get.",
)
@click.option(
    "--by-dump",
    is_flag=True,
    help="Write everything out and read it in again, where pg_upgrade refuses; slower.",
)
@_IGNORE_SPACE
@click.pass_obj
def upgrade_cluster(
    sources: Loads, binaries: Path | None, *, by_dump: bool, ignore_space: bool
) -> None:
    """Move the private PostgreSQL's data to a newer major version; the service must not run.

    The old cluster is kept. Both versions have to be installed.
    """
    from autogpt_db.database.provisioning.embedded.upgrade import upgrade

    with _work() as progress:
        done = upgrade(
            sources.load().settings,
            binaries=binaries.absolute() if binaries is not None else None,
            by_dump=by_dump,
            ignore_space=ignore_space,
            progress=progress,
        )
    say(
        f"Upgraded from PostgreSQL {done.before} to {done.after} in {done.seconds:.1f} s. "
        "Start the service."
    )
    say(f"The old cluster is in {done.kept}; remove it when you are sure.")
    for line in done.not_carried_over:
        say(f"Not carried over: {line}")


class _Progress:
    """What is being done, on a terminal; nothing elsewhere."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._last = 0.0
        self._what = ""

    def __call__(self, what: str, share: float) -> None:
        """Show `what` and its share, 0 to 1."""
        now = time.monotonic()
        if not self._shown or (what == self._what and now - self._last < 0.2):  # noqa: PLR2004 - s
            return
        self._last, self._what = now, what
        percent = f" {share:4.0%}" if share else ""
        click.echo(f"\r\x1b[K{what} …{percent}", nl=False, err=True)  # noqa: TID251 - its own words

    def clear(self) -> None:
        """Remove the line."""
        if self._what:
            click.echo("\r\x1b[K", nl=False, err=True)  # noqa: TID251 - moving is the point


@contextmanager
def _work() -> Iterator[_Progress]:
    """Turn failures into sentences, and signals into an orderly end."""
    from autogpt_db.lifecycle import StopRequested, stop_on_signals
    from autogpt_db.logs import configure_logging, hold_records
    from autogpt_db.settings import LoggingSettings

    hold_records()
    configure_logging(LoggingSettings(level="warning"))
    progress = _Progress()
    with friendly():
        try:
            with stop_on_signals():
                yield progress
        except StopRequested as request:
            progress.clear()
            say(f"autogpt-db: ended by {request}; nothing was changed.", error=True)
            sys.exit(1)
        except BaseException:
            progress.clear()
            raise
        progress.clear()
