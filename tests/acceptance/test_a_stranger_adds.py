"""Whoever adds something does what CONTRIBUTING.md says, and everything passes.

In a copy of the tree: what is added by hand, then `make reference`, then the tests that concern it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from stranger import Stranger, git_is_there

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not git_is_there(), reason="needs git"),
    pytest.mark.timeout(900),
]


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path / "tree")


# Those that look at what is declared, and at what is made of it.
DECLARATIONS = [
    f"tests/unit/test_{name}.py"
    for name in (
        "container",
        "logs_events",
        "manual",
        "map",
        "metrics",
        "monitoring_pages",
        "reference",
        "settings",
        "worker_figures",
        "worker_registry",
    )
]

HEADING = re.compile(r"^_+ \S.* _+$", re.MULTILINE)
"""Of a failure, in what pytest says."""

JOB = '''
    """Counting users."""

    from __future__ import annotations

    from typing import TYPE_CHECKING, LiteralString

    from autogpt_db.logs.events import worker as log
    from autogpt_db.worker.figures import Figure, report
    from autogpt_db.worker.registry import job

    if TYPE_CHECKING:
        from autogpt_db.worker.handle import JobDatabase

    COUNT: LiteralString = """
    SELECT count(*)
      FROM platform."User"
    """


    @job(schedule="29 3 * * *", when="users are counted")
    async def count_users(database: JobDatabase) -> dict[str, int]:
        """Count the users, and say how many there are."""
        row = await database.row(COUNT)
        users = row[0] if row else 0
        if users >= database.settings.worker.many_users:
            log.users_counted(users=users)
        await report(database, [Figure("users", users)])
        return {"users": users}
'''
ITS_TEST = '''
    """The job count_users."""

    from __future__ import annotations

    from worker_scenarios import Queries, run, settings_for


    def test_users_are_counted(database_url: str, queries: Queries) -> None:
        result, events = run(queries, settings_for(database_url), "count_users")
        assert result == {"users": 0}
        assert [event["users"] for event in events if event["event"] == "users_counted"] == [0]
        assert queries.rows("SELECT name, value FROM autogpt_db.job_figure") == [("users", 0)]
'''
SETTING = """
    many_users: Annotated[
        int, option("Users from which on their number is logged.", ge=0, le=10**9)
    ] = 0
"""
METRIC = """
USERS = gauge("users", "Users that there are.")
"""
EVENT = '''

    @event(INFO)
    def users_counted(*, users: int) -> None:
        """So many users there are, where these are many: `worker.many_users`."""
'''


def test_a_job_a_setting_a_metric_and_an_event(stranger: Stranger) -> None:
    assert stranger.makes_reference() == set(), "who adds nothing changes nothing"

    stranger.writes("daemon/autogpt_db/worker/jobs/count_users.py", JOB)
    stranger.writes("tests/integration/test_count_users.py", ITS_TEST)
    stranger.inserts(
        "daemon/autogpt_db/settings/operation.py", "    measure_error_rate: Annotated[", SETTING
    )
    stranger.appends("daemon/autogpt_db/metrics/families/measured.py", METRIC.strip("\n") + "\n")
    stranger.appends("daemon/autogpt_db/logs/events/worker.py", EVENT)

    failures = HEADING.split(stranger.fails(*DECLARATIONS))[1:]
    assert failures
    assert [text for text in failures if "make reference" not in text] == []

    assert stranger.makes_reference() == {
        "daemon/autogpt_db/settings/schedules.py",
        "daemon/autogpt_db/statements/needs.json",
        "docs/man/autogpt-db.toml.5",
        "docs/monitoring/dashboard.json",
        "docs/reference/jobs.md",
        "docs/reference/log-fields.md",
        "docs/reference/metrics.md",
        "docs/reference/settings.md",
        "etc/autogpt-db.toml",
    }
    stranger.checks_style()
    stranger.checks_types(
        "daemon/autogpt_db/worker/jobs/count_users.py", "tests/integration/test_count_users.py"
    )
    stranger.tests(*DECLARATIONS, "tests/integration/test_count_users.py")
