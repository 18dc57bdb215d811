"""The steps of docs/howto/rotate-the-encryption-key.md, on the installed program under load."""

from __future__ import annotations

import threading
from typing import Any

import psycopg
import pytest
from cryptography.fernet import Fernet

from daemon_process import LEAN, NO_WORKER, DaemonProcess
from waiting import wait_for

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def configure(daemon: DaemonProcess, key: str, previous: str | None = None) -> None:
    lines = ["[integrations]", f'encryption_key = "{key}"']
    if previous is not None:
        lines.append(f'previous_encryption_key = "{previous}"')
    (daemon.directory / "autogpt-db.toml").write_text("\n".join(lines) + "\n")


def credentials(secret: str) -> dict[str, Any]:
    return {"credentials": [{"type": "api_key", "id": "c", "provider": "p", "api_key": secret}]}


def test_a_key_is_rotated_while_the_service_runs(seeded_database_url: str) -> None:
    daemon = DaemonProcess(database_url=seeded_database_url, assignments=NO_WORKER)
    configure(daemon, OLD)
    with daemon:
        for user in ("alice", "bob"):
            daemon.call("update_user_integrations", user_id=user, data=credentials(user))
        stop = threading.Event()
        failed: list[str] = []
        rounds = [0]

        def use_them() -> None:
            """Read one's credentials and change the other's, all the time."""
            while not stop.is_set():
                own = daemon.client.post("/get_user_integrations", json={"user_id": "alice"})
                if own.status_code != 200 or own.json()["credentials"][0]["api_key"] != "alice":
                    failed.append(own.text)
                change = {"user_id": "bob", "data": credentials("bob")}
                changed = daemon.client.post("/update_user_integrations", json=change)
                if changed.status_code != 200:
                    failed.append(changed.text)
                rounds[0] += 1
                stop.wait(0.01)  # some 50 rounds a second: each moment of a reload has one

        def after_some_more() -> None:
            until = rounds[0] + 5
            wait_for(lambda: rounds[0] > until or failed, what="more calls")

        calls = threading.Thread(target=use_them)
        calls.start()
        try:
            after_some_more()
            configure(daemon, NEW, OLD)
            assert daemon.run("ctl", "reload", "--wait").returncode == 0
            after_some_more()
            looked = daemon.run("rotate-key", "--dry-run")
            assert looked.returncode == 0, looked.stderr
            assert "Nothing was changed." in looked.stdout
            rotated = daemon.run("rotate-key")
            assert rotated.returncode == 0, rotated.stderr
            assert "All are of the new key" in rotated.stdout
            after_some_more()
            configure(daemon, NEW)
            assert daemon.run("ctl", "reload", "--wait").returncode == 0
            after_some_more()
        finally:
            stop.set()
            calls.join()
        assert failed == []
        again = daemon.run("rotate-key")
        assert again.returncode == 78
        assert "needs both keys" in again.stderr
        printed = f"{daemon.log()}{looked.stdout}{rotated.stdout}{again.stderr}"
        assert OLD not in printed
        assert NEW not in printed


@pytest.mark.timeout(240)  # two daemons, two reloads, and a lease that ends
def test_nothing_is_re_encrypted_while_a_daemon_there_has_other_keys(
    seeded_database_url: str,
) -> None:
    # A daemon of one process, and one of two: each of those is asked and named.
    one, other = (
        DaemonProcess(database_url=seeded_database_url, assignments=assignments)
        for assignments in (LEAN, NO_WORKER)
    )
    configure(one, OLD)
    configure(other, OLD)
    with one, other:
        one.call("update_user_integrations", user_id="alice", data=credentials("alice"))
        configure(one, NEW, OLD)
        # Both files hold the right keys, and no daemon does: it is they who are asked.
        refused = one.run("rotate-key")
        assert refused.returncode == 78
        processes = [
            line for line in refused.stderr.splitlines() if "has the old key alone" in line
        ]
        assert len(processes) == 3, refused.stderr
        assert all("Give its daemon both keys" in line for line in processes)
        assert "Nothing was changed." in refused.stderr
        assert one.run("ctl", "reload", "--wait").returncode == 0
        looked = one.run("rotate-key", "--dry-run")
        assert looked.returncode == 0
        assert looked.stdout.count("In the way of doing it: ") == 2, looked.stdout
        configure(other, OLD, NEW)
        assert other.run("ctl", "reload", "--wait").returncode == 0
        refused = one.run("rotate-key")
        assert refused.stderr.count("has the two keys the other way round") == 2, refused.stderr
        assert other.call("get_user_integrations", user_id="alice") == one.call(
            "get_user_integrations", user_id="alice"
        )
        # A killed one is waited for until it is taken for gone.
        other.kill()
        assert one.run("rotate-key").returncode == 0
        found = one.call("get_user_integrations", user_id="alice")
        assert found["credentials"][0]["api_key"] == "alice"


def test_others_on_the_database_are_named_until_told_that_they_have_the_key(
    seeded_database_url: str,
) -> None:
    daemon = DaemonProcess(database_url=seeded_database_url, assignments=LEAN)
    configure(daemon, NEW, OLD)
    with daemon:
        prisma = psycopg.connect(seeded_database_url, application_name="prisma")
        older = psycopg.connect(seeded_database_url, application_name="autogpt-db api")
        with prisma, older:
            refused = daemon.run("rotate-key")
            assert refused.returncode == 78
            assert "others are on the database: prisma from this machine. " in refused.stderr
            assert "say --autogpt-stopped" in refused.stderr
            assert daemon.run("rotate-key", "--autogpt-stopped").returncode == 0
            # An autogpt-db that doesn't say what it has is not taken for one that has the key.
            with psycopg.connect(seeded_database_url, autocommit=True) as connection:
                connection.execute("DROP TABLE autogpt_db.key_holder")
            refused = daemon.run("rotate-key", "--autogpt-stopped")
            assert refused.returncode == 78
            assert "doesn't say which keys it has" in refused.stderr


def test_a_key_that_decrypts_nothing_ends_the_start_with_78(seeded_database_url: str) -> None:
    with DaemonProcess(
        database_url=seeded_database_url, assignments=LEAN, environment={"ENCRYPTION_KEY": OLD}
    ) as one:
        one.call("update_user_integrations", user_id="alice", data=credentials("secret"))
    other = DaemonProcess(database_url=seeded_database_url, environment={"ENCRYPTION_KEY": NEW})
    try:
        other.launch()
        assert other.exit_code() == 78
        assert "does not decrypt the credentials that users have stored" in other.log()
        assert "autogpt-db help rotate-the-encryption-key" in other.log()
    finally:
        other.__exit__()
