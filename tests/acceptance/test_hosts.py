"""The daemon on a database with several hosts, of which not all answer."""

from __future__ import annotations

import time

import httpx
import pytest

from daemon_process import DaemonProcess, free_port
from fickle_host import FickleHost
from postgres_server import PostgresServer, clone
from waiting import wait_for


@pytest.mark.timeout(180)
def test_ready_beside_a_silent_host_and_served_by_whichever_answers() -> None:
    with (
        PostgresServer(port=free_port()) as server,
        FickleHost() as silent,
        FickleHost(server.port) as other,
    ):
        clone(server, None, "several")
        hosts = f"127.0.0.1:{silent.port},127.0.0.1:{other.port},127.0.0.1:{server.port}"
        with DaemonProcess(
            database_url=f"postgresql://postgres@{hosts}/several?schema=platform",
            assignments=["database.create_tables=true", "api.processes=2"],
        ) as daemon:
            states = {each["name"]: each for each in daemon.status()["processes"]}
            assert {each["state"] for each in states.values()} == {"RUNNING"}
            assert {each["restarts"] for each in states.values()} == {0}
            told = daemon.run("doctor").stdout
            assert f"127.0.0.1:{silent.port} does not answer" in told
            assert "take it out of DATABASE_URL" in told
            assert f"127.0.0.1:{server.port} is a primary" in told

            other.silent = True
            # It meets the silence before the service knows of it, and is repeated elsewhere.
            began = time.monotonic()
            daemon.call("get_graph_executions", statuses=["RUNNING"])
            assert time.monotonic() - began < 30

            def answered() -> bool:
                try:
                    return daemon.client.get("/ready", timeout=3).status_code == 200
                except httpx.TimeoutException:
                    return False

            wait_for(answered, what="the other host")
            wait_for(
                lambda: all(each["state"] == "RUNNING" for each in daemon.status()["processes"]),
                seconds=30,
                what="all processes at work",
            )
            assert all(each["restarts"] == 0 for each in daemon.status()["processes"])
