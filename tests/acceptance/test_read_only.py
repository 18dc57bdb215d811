"""A database that takes no writes, or isn't there: every place that is looked at says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg

from daemon_process import LEAN, NO_WORKER, DaemonProcess
from waiting import BUSY, wait_for

if TYPE_CHECKING:
    from postgres_server import PostgresServer

WORDS = "The database takes no writes: it has been set to read-only"
MAKE = "database.create_tables=true"
AWAY = "the database cannot be reached (nobody listens there)"


def test_a_database_that_takes_no_writes_is_told_of_until_it_does(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with DaemonProcess(database_url=own_database_url, assignments=[*NO_WORKER, MAKE]) as daemon:
        pids = [process["pid"] for process in daemon.status()["processes"]]
        assert WORDS not in daemon.status()["words"]
        with psycopg.connect(own_server.url("postgres"), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            administrator.execute("SELECT pg_reload_conf()")
            daemon.wait_notified(f"; {WORDS}")  # nobody has called anything
            assert daemon.status()["words"].count(WORDS) == 1, "once, not for each process"
            assert WORDS in daemon.run("status").stdout
            done = daemon.run("doctor", "--json")
            assert done.returncode == 1
            checks = json.loads(done.stdout)["checks"]
            told = {
                check["check"]: check
                for check in checks
                if check["text"].lower().startswith(WORDS.lower())
            }
            assert told["writes"]["level"] == "fail"
            assert told["service"]["level"] == "warn"
            assert "switch it off" in told["service"]["remedy"]
            assert (
                "ALTER SYSTEM SET default_transaction_read_only = off;"
                in (told["writes"]["remedy"])
            )
            wait_for(
                lambda: (
                    'autogpt_db_database_writable{process="api_00"} 0'
                    in daemon.client.get("/metrics").text
                ),
                what="the metric",
            )
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
        wait_for(lambda: WORDS not in daemon.status()["words"], seconds=5 * BUSY, what="its end")
        daemon.notified.clear()
        own_server.stop()
        daemon.wait_notified(f"; {AWAY}")
        own_server.start()
        wait_for(lambda: AWAY not in daemon.status()["words"], what="the end of the outage")
        assert [process["pid"] for process in daemon.status()["processes"]] == pids
        assert daemon.stop() == 0


def test_a_start_waits_until_the_database_takes_writes(
    own_server: PostgresServer, own_database_url: str
) -> None:
    daemon = DaemonProcess(database_url=own_database_url, assignments=LEAN)
    try:
        made = daemon.run("migrate", "--create")  # nothing has to be migrated at the start
        assert made.returncode == 0, made.stderr
        own_server.execute("ALTER DATABASE own SET default_transaction_read_only = on")
        daemon.launch()
        daemon.wait_notified("it has been set to read-only")
        assert "READY=1" not in daemon.notified
        (told,) = daemon.events("waiting_for_database")
        assert told["reason"] == "it has been set to read-only"
        own_server.execute("ALTER DATABASE own RESET default_transaction_read_only")
        daemon.wait_notified("READY=1")
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data=1)
        assert daemon.stop() == 0
    finally:
        daemon.__exit__()
