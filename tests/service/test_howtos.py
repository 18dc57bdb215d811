"""Pages of docs/howto about a service of systemd's, command by command, as they stand there.

Tried elsewhere, with more around it: rotate-the-encryption-key.md (test_key_rotation),
replace-autogpts-container.md (test_replacing), read-the-journal.md (test_journal), install.md
(test_install), what moves data to a newer PostgreSQL (test_distribution_upgrade).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from console_sessions import steps
from guest import ROOT, UNIT
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from guest import Guest

PAGES = ROOT / "docs/howto"
BACKUP = re.compile(r"/var/backups/autogpt-db/autogpt-db-\d{8}T\d{6}Z")
WRITE = ("set_execution_kv_data", "user_id=u", "node_exec_id=n", "key=howto")
READ = ("get_execution_kv_data", "user_id=u", "key=howto")
PROVIDER = "db.example"


def section(page: str, heading: str) -> str:
    """Return what stands below a heading of a page."""
    text = (PAGES / page).read_text()
    found = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, (page, heading)
    return found[1]


def root_s(text: str) -> list[str]:
    """Return the commands that root is to type."""
    return [step.command for step in steps(text, prompt="# ")]


def typed(guest: Guest, command: str) -> str:
    print(f"# {command}")
    return guest.run("bash", "-ec", command)


def test_back_up_and_restore(service: Guest) -> None:
    page = "back-up-and-restore.md"
    take, verify = root_s(section(page, "Back up"))
    service.call(*WRITE, "data=1")
    made = typed(service, take).splitlines()[-1]
    assert BACKUP.fullmatch(made)
    assert "whole" in typed(service, BACKUP.sub(made, verify))
    # Every day, by a timer; one that is too old goes.
    (units,) = re.findall(r"```ini\n(.*?)```", section(page, "Back up"), re.DOTALL)
    for unit in re.split(r"^(?=# /)", units, flags=re.MULTILINE)[1:]:
        name, _, text = unit.removeprefix("# ").partition("\n")
        service.path(name).write_text(text)
    before = set(service.run("ls", "/var/backups/autogpt-db").split())
    service.run("mkdir", "/var/backups/autogpt-db/autogpt-db-20200101T000000Z")
    service.run("touch", "-d", "2020-01-01", "/var/backups/autogpt-db/autogpt-db-20200101T000000Z")
    service.run("systemctl", "daemon-reload")
    service.run("systemctl", "start", "autogpt-db-backup.service")
    kept = set(service.run("ls", "/var/backups/autogpt-db").split())
    assert kept > before
    assert len(kept - before) == 1, "another one, and the old one is gone"
    assert "autogpt-db-20200101T000000Z" not in kept
    service.run("systemd-analyze", "verify", "/etc/systemd/system/autogpt-db-backup.timer")
    (enable,) = re.findall(r"^`(systemctl enable [^`]*)`", section(page, "Back up"), re.MULTILINE)
    typed(service, enable)
    try:
        assert service.property("NextElapseUSecRealtime", "autogpt-db-backup.timer")
    finally:
        service.run("systemctl", "disable", "--now", "autogpt-db-backup.timer")

    service.call(*WRITE, "data=2")
    stop, restore, start = root_s(section(page, "Restore"))
    typed(service, stop)
    refused = service.attempt("bash", "-ec", BACKUP.sub(made, restore))
    assert (refused.returncode, "--replace" in refused.stderr) == (78, True), refused
    typed(service, BACKUP.sub(made, restore).replace("restore", "restore --replace", 1))
    typed(service, start)
    service.wait_serving()
    assert service.call(*READ) == 1
    service.run("sh", "-c", "rm -r /var/lib/autogpt-db/postgresql/data.before-restore-*")


def test_run_autogpt_beside_it(service: Guest) -> None:
    """With a stand-in for AutoGPT's executor, where the example awaits it."""
    executor = service.path("/opt/autogpt/backend/.venv/bin/executor")
    executor.parent.mkdir(parents=True)
    executor.write_text('#!/bin/sh\necho "beside $DATABASEMANAGER_HOST"\nexec sleep 600\n')
    executor.chmod(0o755)
    text = (PAGES / "run-autogpt-beside-it.md").read_text()
    commands = [line.partition("  #")[0].rstrip() for line in root_s(text)]
    (edit,) = (line for line in commands if line.startswith("editor "))
    commands.remove(edit)  # the example's paths are where the stand-in is
    try:
        printed = typed(service, "\n".join(commands))
        assert "executor" in printed

        def said() -> bool:
            lines = service.run("journalctl", "-t", "executor", "-o", "cat", "-q")
            return "beside localhost" in lines

        wait_for(said, what="the executor's words")
        assert "executor" in service.run("autogpt-db", "ctl", "restart", "executor")
    finally:
        service.run("rm", "-r", "/etc/autogpt-db/programs.d/executor.conf", "/opt/autogpt")
        service.run("systemctl", "reload", UNIT)


@contextmanager
def provider(guest: Guest) -> Iterator[None]:
    """Have Debian's own cluster be a provider's: under a name, with TLS that can be verified."""
    own = ("runuser", "-u", "postgres", "--", "psql", "-qc")
    guest.run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", f"/CN={PROVIDER}", "-addext", f"subjectAltName=DNS:{PROVIDER}",
        "-keyout", "/etc/postgresql/provider.key", "-out", "/etc/autogpt-db/provider.pem",
    )  # fmt: skip
    guest.run("chown", "postgres:", "/etc/postgresql/provider.key")
    hosts = guest.path("/etc/hosts")
    before = hosts.read_text()
    hosts.write_text(f"{before}\n127.0.0.1 {PROVIDER}\n")
    guest.run("systemctl", "start", "postgresql")
    try:
        for name, value in (
            ("ssl", "on"),
            ("ssl_cert_file", "/etc/autogpt-db/provider.pem"),
            ("ssl_key_file", "/etc/postgresql/provider.key"),
        ):
            guest.run(*own, f"ALTER SYSTEM SET {name} = '{value}'")
        guest.run(*own, "SELECT pg_reload_conf()")
        guest.run(*own, "CREATE ROLE moving LOGIN PASSWORD 'geheim-4711'")
        guest.run(*own, "CREATE DATABASE moving OWNER moving")
        yield
    finally:
        hosts.write_text(before)
        guest.run(*own, "DROP DATABASE IF EXISTS moving WITH (FORCE)")
        guest.run(*own, "DROP ROLE IF EXISTS moving")
        for name in ("ssl", "ssl_cert_file", "ssl_key_file"):
            guest.run(*own, f"ALTER SYSTEM RESET {name}")
        guest.run("systemctl", "stop", "postgresql")


def test_move_to_a_managed_postgresql(service: Guest) -> None:
    text = (PAGES / "move-to-a-managed-postgresql.md").read_text()
    # What a reader fills in, and the second of the page's two ways to trust the provider.
    text = text.replace("autogpt:…@", "moving:geheim-4711@").replace("/autogpt'", "/moving'")
    text = text.replace(":5432/autogpt", ":5432/moving")
    text = text.replace("sslrootcert=system", "sslrootcert=/etc/autogpt-db/provider.pem")
    commands = root_s(text)
    (allow,) = (line for line in commands if line.startswith("systemctl edit"))
    commands.remove(allow)  # this machine may be reached
    service.call(*WRITE, "data=3")
    with provider(service):
        try:
            for command in commands:
                typed(service, command)
            service.wait_serving()
            assert f"at {PROVIDER}:5432" in service.property("StatusText")
            assert service.call(*READ) == 3
            service.call(*WRITE, "data=4")
        finally:
            service.run("rm", "-f", "/etc/autogpt-db/credentials/database_url")
            service.run("systemctl", "restart", UNIT)
    assert service.call(*READ) == 3  # as the page says: without what was written since
