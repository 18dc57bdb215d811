"""Kill and restart the API children under load: nothing acknowledged is lost, nobody is refused.

Two rounds run with the other tests, `make test-storm` runs twenty.
"""

from __future__ import annotations

import os
import signal

import pytest

from daemon_process import NO_WORKER, DaemonProcess
from load import Writers, lost
from waiting import wait_for

ROUNDS = int(os.environ.get("AUTOGPT_DB_TEST_ROUNDS", "2"))
CLIENTS = 32


@pytest.mark.timeout(600)
def test_killing_each_child_loses_no_acknowledged_write(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        with Writers(daemon.port, clients=CLIENTS) as writers:
            for _ in range(ROUNDS):
                for name in ("api:api_00", "api:api_01"):
                    before = writers.ok
                    wait_for(lambda before=before: writers.ok > before + 200, what="progress")
                    pid = wait_for(lambda name=name: daemon.pid_of(name), what=f"a pid of {name}")
                    os.kill(pid, signal.SIGKILL)
                    wait_for(
                        lambda name=name, pid=pid: daemon.pid_of(name) not in {0, pid},
                        what=f"{name} to come back",
                    )
        history = writers.history
        gone = lost(database_url, history.acknowledged)
        kills = 2 * ROUNDS
        print(f"\n{kills} kills: {history}; acknowledged writes lost: {len(gone)}")
        assert gone == []
        assert history.outcomes["refused"] == 0, history.first_failures
        assert history.outcomes["answered"] == 0, history.first_failures
        assert history.outcomes["failed"] <= CLIENTS * kills
        assert len(daemon.events("serving")) == 1, "main went through all of it"


@pytest.mark.timeout(600)
def test_restarting_each_child_fails_no_request(database_url: str) -> None:
    with DaemonProcess(database_url=database_url, assignments=NO_WORKER) as daemon:
        with Writers(daemon.port, clients=CLIENTS) as writers:
            for _ in range(ROUNDS):
                for name in ("api:api_00", "api:api_01"):
                    before = writers.ok
                    wait_for(lambda before=before: writers.ok > before + 200, what="progress")
                    done = daemon.supervisorctl("restart", name)
                    assert done.returncode == 0, done.stdout
            done = daemon.supervisorctl("restart", "api:*")
            assert done.returncode == 0, done.stdout
            before = writers.ok
            wait_for(lambda: writers.ok > before + 200, what="progress after all of them")
        history = writers.history
        gone = lost(database_url, history.acknowledged)
        print(f"\n{2 * ROUNDS + 2} restarts: {history}; acknowledged writes lost: {len(gone)}")
        assert gone == []
        assert set(history.outcomes) == {"ok"}, history.first_failures
        assert daemon.stop() == 0
