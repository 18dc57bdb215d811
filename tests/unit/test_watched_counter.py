"""A counter of other processes, read while they count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.metrics.families import EVENTS_READ, LIVE_EVENT_WRITES, READERS
from autogpt_db.metrics.layout import DIRECTORY
from autogpt_db.metrics.reading import make_directory
from autogpt_db.metrics.store import Store
from autogpt_db.metrics.watching import Watched

if TYPE_CHECKING:
    from pathlib import Path


def test_what_processes_count_is_seen_as_they_do(tmp_path: Path) -> None:
    make_directory(tmp_path)
    first = Store(tmp_path, "api_00")
    first.set(READERS, 5)
    first.add(LIVE_EVENT_WRITES, 1)
    watched = Watched(tmp_path, LIVE_EVENT_WRITES)
    assert watched.total() == 1
    first.add(LIVE_EVENT_WRITES, 2)
    first.add(EVENTS_READ, 100)
    assert watched.total() == 3

    second = Store(tmp_path, "api_01")
    second.add(LIVE_EVENT_WRITES, 10)
    assert watched.total() == 3, "nobody has looked for it"
    watched.look()
    assert watched.total() == 13

    first.close()
    successor = Store(tmp_path, "api_00")
    successor.add(LIVE_EVENT_WRITES, 1)
    assert watched.total() == 14
    watched.look()
    assert watched.total() == 14
    watched.close()
    successor.close()
    second.close()


def test_who_counts_later_is_found_later_and_other_files_never(tmp_path: Path) -> None:
    watched = Watched(tmp_path, LIVE_EVENT_WRITES)
    assert watched.total() == 0, "there is no directory"
    make_directory(tmp_path)
    (tmp_path / DIRECTORY / "empty").touch()
    (tmp_path / DIRECTORY / "foreign").write_bytes(b"x" * 10**6)
    (tmp_path / DIRECTORY / "directory").mkdir()
    late = Store(tmp_path, "api_00")
    watched.look()
    assert watched.total() == 0
    late.add(LIVE_EVENT_WRITES, 4)
    watched.look()
    assert watched.total() == 4
    watched.close()
    late.close()
