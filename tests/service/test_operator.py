"""What an operator does on a real systemd: programs beside the service, backups, doctor.

All as root in the guest's shell, while the service runs under its own account and sandbox.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from guest import ROOT
from waiting import wait_for

if TYPE_CHECKING:
    from guest import Guest

LOOP = 'trap "echo its last; exit 0" TERM; while :; do sleep 0.1; done'
PROGRAM = f"""
[program:beside]
command=/bin/sh -c 'echo "<4>beside $(id -un)"; {LOOP}'
autorestart=true
stdout_logfile=/var/log/autogpt-db/beside.log
"""


def lines_of(guest: Guest, identifier: str) -> list[str]:
    text = guest.run("journalctl", "-t", identifier, "-o", "json", "--no-pager", "-q")
    return [json.loads(line)["MESSAGE"] for line in text.splitlines()]


def test_a_program_beside_the_service_is_started_logged_and_stopped_with_it(service: Guest) -> None:
    file = service.path("/etc/autogpt-db/programs.d/beside.conf")
    file.write_text(PROGRAM)
    try:
        service.run("systemctl", "reload", "autogpt-db")
        wait_for(lambda: "beside autogpt-db" in lines_of(service, "beside"), what="its line")
        warnings = service.run("journalctl", "-t", "beside", "-p", "warning", "-o", "cat")
        assert "beside autogpt-db" in warnings
        wait_for(lambda: "1/1 beside" in service.property("StatusText"), what="its start")
        assert "beside autogpt-db" in service.run("autogpt-db", "ctl", "tail", "beside")
        assert "beside autogpt-db" in service.path("/var/log/autogpt-db/beside.log").read_text()
        service.run("systemctl", "restart", "autogpt-db")
        service.wait_serving()
        wait_for(lambda: lines_of(service, "beside").count("its last") == 1, what="its end")
        wait_for(lambda: "1/1 beside" in service.property("StatusText"), what="its return")

        file.write_text("[program:api]\ncommand=/bin/true\n")
        refused = service.attempt("systemctl", "reload", "autogpt-db")
        assert refused.returncode != 0
        assert "beside.conf is faulty" in service.property("StatusText")
        explained = service.run("journalctl", "-x", "-u", "autogpt-db", "EVENT=program_refused")
        assert "A file of programs.d is faulty" in explained
    finally:
        file.unlink()
        service.run("systemctl", "reload", "autogpt-db")
    assert "beside" not in service.property("StatusText")
    print(
        f"a program beside it: {len(lines_of(service, 'beside'))} lines; its faulty file is named"
    )


def test_the_tree_is_controlled_by_ctl_and_by_plain_supervisorctl(service: Guest) -> None:
    ctl = ("autogpt-db", "ctl")
    plain = ("/opt/autogpt-db/bin/supervisorctl", "-c", "/run/autogpt-db/supervisord.conf")
    rows = [line.split()[:4] for line in service.run(*ctl, "status").splitlines()]
    assert rows == [line.split()[:4] for line in service.run(*plain, "status").splitlines()]
    print(f"{len(rows)} processes: {', '.join(name for name, *_ in rows)}")

    pids = {name: int(service.run(*ctl, "pid", name)) for name, *_ in rows}
    for command, name in ((ctl, "api:api_00"), (plain, "worker:worker_00")):
        service.run(*command, "restart", name)
        assert service.child_pid(name) not in {0, pids[name]}
    assert service.child_pid("api:api_01") == pids["api:api_01"]

    service.run(*ctl, "rolling-restart")
    assert service.child_pid("api:api_01") not in {0, pids["api:api_01"]}
    assert service.child_pid("postgresql") == pids["postgresql"]

    killed = service.child_pid("api:api_00")
    service.run("kill", "-KILL", str(killed))
    wait_for(lambda: service.child_pid("api:api_00") not in {0, killed}, what="another api_00")
    service.wait_serving()

    def running() -> re.Match[str] | None:
        """Return its row of the table once it can work; it is STARTING until then."""
        table = service.run("autogpt-db", "status")
        return re.search(
            r"^api_00 +RUNNING +\d+ +00:00:\d\d +(\d+) .*terminated by SIGKILL", table, re.MULTILINE
        )

    found = wait_for(running, what="it to run")
    print(found[0])
    assert int(found[1]) >= 3  # restarts
    assert "uptime 0:00:" in service.run(*plain, "status", "api:api_00")


def test_backup_loss_and_restore_by_root_leave_a_service_that_starts(service: Guest) -> None:
    call = ("autogpt-db", "call", "set_execution_kv_data", "user_id=u", "node_exec_id=n")
    service.run(*call, "key=backed-up", "data=1")
    backup = service.run("autogpt-db", "backup", "/var/backups/autogpt-db")
    refused = service.attempt("autogpt-db", "restore", "--replace", backup)
    assert refused.returncode == 71, refused.stderr
    service.run(*call, "key=too-late", "data=1")
    service.run("systemctl", "stop", "autogpt-db.socket", "autogpt-db.service")
    service.run("rm", "-rf", "/var/lib/autogpt-db/postgresql")
    service.run("autogpt-db", "restore", backup)
    service.run("systemctl", "start", "autogpt-db.socket", "autogpt-db.service")
    service.wait_serving()
    look = ("autogpt-db", "call", "get_execution_kv_data", "user_id=u")
    assert service.run(*look, "key=backed-up") == "1"
    assert service.run(*look, "key=too-late") == "null"
    print(f"{backup}: restored, 1 of 1 rows found, 1 of 1 written after it gone")


def test_doctor_finds_the_running_service_sound_and_a_stopped_one_s_fault(service: Guest) -> None:
    done = service.attempt("autogpt-db", "doctor", "--json")
    checks = json.loads(done.stdout)["checks"]
    assert done.returncode == 0, done.stdout
    print(f"doctor: {len(checks)} checks of a running service, none failed")
    by_name = {check["check"]: check for check in checks if check["level"] == "ok"}
    assert "autogpt-db.service is active (running)" in by_name["unit"]["text"]
    assert {check["text"] for check in checks if check["check"] == "address"} >= {
        "http://127.0.0.1:8005 answers",
        "unix:/run/autogpt-db.sock answers",
    }
    configuration = service.path("/etc/autogpt-db/autogpt-db.toml")
    before = configuration.read_text()
    try:
        configuration.write_text("[api]\nprocesses = 'many'\n")
        service.attempt("systemctl", "restart", "autogpt-db")
        wait_for(lambda: service.property("ActiveState") == "failed", what="the failure")
        done = service.attempt("autogpt-db", "doctor", "--json")
        assert done.returncode == 1
        failed = {c["check"] for c in json.loads(done.stdout)["checks"] if c["level"] == "fail"}
        assert failed == {"configuration", "unit"}
    finally:
        configuration.write_text(before)
    service.run("systemctl", "start", "autogpt-db.socket", "autogpt-db.service")
    service.wait_serving()


def test_the_manual_and_what_to_start_from_are_installed(service: Guest) -> None:
    for page in ("man1/autogpt-db.1.gz", "man5/autogpt-db.toml.5.gz"):
        assert service.path(f"/usr/share/man/{page}").exists()
    for directory in ("docs/monitoring", "etc/examples", "docs/howto", "docs/reference"):
        for file in (ROOT / directory).iterdir():
            installed = f"/usr/share/doc/autogpt-db/{file.parent.name}/{file.name}"
            assert service.path(installed).read_text() == file.read_text()
    print("installed as they are here: two manual pages, docs/monitoring, etc/examples")
    index = service.path("/usr/share/doc/autogpt-db/index.md")
    linked = re.findall(r"\]\((\S+)\)", index.read_text())
    assert len(linked) > 20  # all that it leads to is there
    assert [each for each in linked if not (index.parent / each).exists()] == []
    page = service.run("autogpt-db", "help", "install")
    assert page == (ROOT / "docs/howto/install.md").read_text().strip()
    for shell, place in (
        ("bash", "bash-completion/completions/autogpt-db"),
        ("zsh", "zsh/vendor-completions/_autogpt-db"),
        ("fish", "fish/vendor_completions.d/autogpt-db.fish"),
    ):
        completion = service.path(f"/usr/share/{place}").read_text()
        assert f"_AUTOGPT_DB_COMPLETE={shell}_complete" in completion
