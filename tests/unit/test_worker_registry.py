"""Declaring jobs, and dividing a worker's connections."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import Settings, WorkerSettings
from autogpt_db.signatures.declaration import RegistrationError
from autogpt_db.worker.connecting import QueueConnector
from autogpt_db.worker.queue import connection_shares
from autogpt_db.worker.registry import discover, job
from autogpt_db.worker.scheduling import build_app

if TYPE_CHECKING:
    from pathlib import Path

    from autogpt_db.database.pool import Database


def test_every_job_of_the_folder_is_found_with_schedule_and_docstring() -> None:
    jobs = discover()
    assert "clean_oauth_tokens" in jobs
    settings = Settings()
    app = build_app(settings, jobs, QueueConnector(pooled=False))
    crons = {name: task.cron for (name, _), task in app.periodic_registry.periodic_tasks.items()}
    assert crons == {
        name: declared.schedule.cron for name, declared in jobs.items() if declared.schedule
    }
    assert all(declared.function.__doc__ for declared in jobs.values())


def test_a_new_file_is_a_new_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "extra_jobs"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "count_sheep.py").write_text(
        "from autogpt_db.worker.registry import job\n"
        "@job(schedule='* * * * *', when='sheep are counted', attempts=2, time_limit=1.5)\n"
        "async def count_sheep(database):\n"
        "    '''Count sheep.'''\n"
        "    return {'sheep': 3}\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    __import__("extra_jobs")
    found = discover(sys.modules["extra_jobs"])
    assert list(found) == ["count_sheep"]
    assert (found["count_sheep"].attempts, found["count_sheep"].time_limit) == (2, 1.5)
    assert found["count_sheep"].option == "worker.count_sheep_schedule"
    assert "count_sheep" not in discover()
    with pytest.raises(
        TypeError, match="no option worker\\.count_sheep_schedule yet: run `make reference`"
    ):
        build_app(Settings(), found, QueueConnector(pooled=False))


def test_a_job_without_a_docstring_is_refused() -> None:
    async def mute(database: Database) -> None:
        pass

    with pytest.raises(RegistrationError, match="mute needs a docstring"):
        job(schedule=None)(mute)


def test_a_schedule_that_does_not_say_what_is_done_then_is_refused() -> None:
    async def vague(database: Database) -> None:
        """Do something."""

    with pytest.raises(RegistrationError, match="vague needs `when`"):
        job(schedule="* * * * *")(vague)


@pytest.mark.parametrize("line", ["", "often", "99 * * * *", "* * * *"])
def test_a_bad_schedule_is_named_before_anything_runs(line: str) -> None:
    settings = Settings(worker=WorkerSettings(oauth_cleanup_schedule=line))
    with pytest.raises(ConfigurationError) as failure:
        build_app(settings, discover(), QueueConnector(pooled=False))
    assert "worker.oauth_cleanup_schedule" in failure.value.problems[0]


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("size", range(2, 65))
def test_a_worker_never_opens_more_connections_than_it_may(size: int, *, pooled: bool) -> None:
    statements, listens, work = connection_shares(size, pooled=pooled)
    assert min(statements, work) >= 1
    assert statements + listens + work == size
    assert not (pooled and listens)
