"""The steps of docs/howto/rotate-the-encryption-key.md, on the installed program under load."""

from __future__ import annotations

import threading
from typing import Any

from cryptography.fernet import Fernet

from daemon_process import DaemonProcess
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
    daemon = DaemonProcess(database_url=seeded_database_url)
    configure(daemon, OLD)
    with daemon:
        for user in ("alice", "bob"):
            daemon.call("update_user_integrations", user_id=user, data=credentials(user))
        stop = threading.Event()
        failed: list[str] = []
        rounds = [0]

        def user() -> None:
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

        def after_some_more() -> None:
            until = rounds[0] + 5
            wait_for(lambda: rounds[0] > until or failed, what="more calls")

        calls = threading.Thread(target=user)
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


def test_a_key_that_decrypts_nothing_ends_the_start_with_78(seeded_database_url: str) -> None:
    with DaemonProcess(
        database_url=seeded_database_url, environment={"ENCRYPTION_KEY": OLD}
    ) as one:
        one.call("update_user_integrations", user_id="alice", data=credentials("secret"))
    other = DaemonProcess(database_url=seeded_database_url, environment={"ENCRYPTION_KEY": NEW})
    try:
        other.launch()
        assert other.exit_code() == 78
        assert "does not decrypt the credentials that users have stored" in other.log()
        assert "rotate-the-encryption-key.md" in other.log()
    finally:
        other.__exit__()
