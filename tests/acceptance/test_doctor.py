"""doctor on the installed program: running, failing and stopped."""

from __future__ import annotations

import json

from daemon_process import DaemonProcess
from waiting import wait_for


def test_it_tells_running_from_failing_from_stopped() -> None:
    with DaemonProcess(started_before=True, assignments=["api.processes=1"]) as daemon:
        done = daemon.run("doctor")
        assert done.returncode == 0, done.stdout
        assert "fail" not in done.stdout
        assert f"http://127.0.0.1:{daemon.port} answers" in done.stdout
        assert "PostgreSQL 18" in done.stdout
        assert "\x1b" not in done.stdout, "no colours in a pipe"

        programs = daemon.directory / "programs.d"
        programs.mkdir()
        (programs / "broken.conf").write_text("[program:broken]\ncommand=/bin/false\n")
        daemon.command += ["--set", f"supervision.programs_directory={programs}"]
        assert daemon.stop() == 0
        daemon.start()
        wait_for(lambda: len(daemon.events("process_exited")) >= 3, what="some failures")
        # Whether it is up for a moment or awaits the next try.
        states = {each["name"]: each for each in daemon.status()["processes"]}
        assert [name for name, each in states.items() if each["failing"]] == ["broken"]
        done = daemon.run("doctor", "--json")
        content = json.loads(done.stdout)
        assert done.returncode == 1
        assert content["healthy"] is False
        failed = [check for check in content["checks"] if check["level"] == "fail"]
        assert [check["check"] for check in failed] == ["service"]
        assert "broken keeps failing: exit status 1" in failed[0]["text"]
        assert "AUTOGPT_DB_PROCESS=broken" in failed[0]["remedy"]

        assert daemon.stop() == 0
        done = daemon.run("doctor", "--json")
        assert done.returncode == 0
        levels = {c["check"]: c["level"] for c in json.loads(done.stdout)["checks"]}
        assert levels["service"] == "warn"
        assert levels["database"] == "ok", "its data fits the PostgreSQL that is there"

        (daemon.state / "postgresql" / "data" / "PG_VERSION").write_text("12\n")
        done = daemon.run("doctor", "--json")
        assert done.returncode == 1
        (check,) = [c for c in json.loads(done.stdout)["checks"] if c["level"] == "fail"]
        assert "made by PostgreSQL 12" in check["text"]
