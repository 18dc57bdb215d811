"""The daemon on every state's database: start, whole runs, all jobs once, doctor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from releases.catalogues import STATES
from releases.runs import ALL, Client, Heard, around, by_expert, daemon_on, imported, play, reviewed
from typed_commands import typed

if TYPE_CHECKING:
    from collections.abc import Callable

JOBS = sorted(
    path.stem
    for path in (Path(__file__).parents[2] / "daemon/autogpt_db/worker/jobs").glob("[!_]*.py")
)
HAS_EXPERTS = """SELECT to_regclass('platform."ExpertPod"') IS NOT NULL"""
EXPERT = """
INSERT INTO platform."Expert" (id, "ownerUserId", name, role, identity)
VALUES ('maria', %(owner)s, 'Maria', 'editor', 'I am Maria')
"""
FEW = ("v0.6.59", "v0.7.2")
"""Played with every test run; the others by `make test-releases`."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("state", STATES if ALL else FEW)
def test_it_serves_a_database_in_this_state(
    release_database: Callable[..., str], state: str
) -> None:
    url = release_database(state)
    with daemon_on(url) as daemon:
        user = imported(daemon)
        heard = Heard()
        with Client(daemon.base, heard, patience=10) as call:
            run = play(call, user)
            reviewed(call, user)
            around(call, user)
            with psycopg.connect(url, autocommit=True) as connection:
                experts = connection.execute(HAS_EXPERTS).fetchone() == (True,)
                if experts:
                    connection.execute(EXPERT, {"owner": user})
            if experts:
                by_expert(call, user, "maria")
        assert set(heard.statuses) <= {200, 404}, heard

        with psycopg.connect(url, autocommit=True) as connection:
            stored = connection.execute(
                'SELECT "executionStatus"::text FROM platform."AgentGraphExecution" WHERE id = %s',
                (run,),
            ).fetchone()
        assert stored == ("COMPLETED",)

        for job in JOBS:
            done = typed(daemon, "jobs", "run", job, "--wait", "--timeout", "50")
            assert done.returncode == 0, (job, done.stdout, done.stderr)
        failed = json.loads(typed(daemon, "doctor", "--json").stdout)
        assert [check for check in failed["checks"] if check["level"] == "fail"] == []
        assert daemon.events("failed") == []
