"""Backing up the running service, losing everything, and having it back: with the commands."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import plain_http
from daemon_process import LEAN, DaemonProcess
from waiting import PATIENCE, wait_for


def test_under_load_everything_acknowledged_before_the_backup_is_in_it() -> None:
    with DaemonProcess(started_before=True, assignments=LEAN) as daemon:
        acknowledged: list[str] = []
        failures: list[object] = []
        stop = threading.Event()

        def write(client: int) -> None:
            with plain_http.client(base_url=daemon.base, timeout=60) as connection:
                number = 0
                while not stop.wait(0.02):
                    key = f"{client}-{number}"
                    body = {"user_id": "u", "node_exec_id": "n", "key": key, "data": key}
                    reply = connection.post("/set_execution_kv_data", json=body)
                    (acknowledged if reply.status_code == 200 else failures).append(key)
                    number += 1

        writers = [threading.Thread(target=write, args=(client,)) for client in range(8)]
        for writer in writers:
            writer.start()
        try:
            wait_for(lambda: len(acknowledged) > 200, what="some writes")
            before = list(acknowledged)
            done = daemon.run("backup", str(daemon.directory / "backups"))
            during = len(acknowledged) - len(before)
        finally:
            stop.set()
            for writer in writers:
                writer.join(60)
        assert done.returncode == 0, done.stderr
        backup = Path(done.stdout.strip())
        assert backup.parent == daemon.directory / "backups"
        assert failures == []
        assert during > 0, "the service went on"

        # It cannot be restored under a running service.
        refused = daemon.run("restore", "--replace", str(backup))
        assert refused.returncode == 71
        assert "systemctl stop" in refused.stderr

        assert daemon.stop() == 0
        shutil.rmtree(daemon.state)
        done = daemon.run("restore", str(backup))
        assert done.returncode == 0, done.stderr
        daemon.start()
        lost = [
            key
            for key in before
            if daemon.call("get_execution_kv_data", user_id="u", key=key) != key
        ]
        assert lost == []
        print(f"\n{len(before)} writes acknowledged before the backup, {during} during it: 0 lost")


def test_a_service_that_is_stopped_is_backed_up_too_and_damage_has_a_code_of_its_own() -> None:
    with DaemonProcess(started_before=True, assignments=LEAN) as daemon:
        daemon.call("set_execution_kv_data", user_id="u", node_exec_id="n", key="a", data=1)
        assert daemon.stop() == 0
        done = daemon.run("backup", str(daemon.directory / "backups"))
        assert done.returncode == 0, done.stderr
        backup = Path(done.stdout.strip())
        assert daemon.run("verify-backup", str(backup)).stdout.startswith(f"{backup}: whole.")
        with (backup / "base.tar.gz").open("r+b") as stream:
            stream.seek(5000)
            stream.write(b"damage")
        for words in (("verify-backup",), ("restore", "--replace")):
            refused = daemon.run(*words, str(backup))
            assert refused.returncode == 65
            assert "base.tar.gz is not what it was" in refused.stderr
            assert "Traceback" not in refused.stderr
        daemon.start()
        assert daemon.call("get_execution_kv_data", user_id="u", key="a") == 1


def checkpointer_of(daemon: DaemonProcess) -> int:
    """Return the pid of the private server's process that writes checkpoints."""
    postmaster = daemon.pid_of("postgresql")
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    (found,) = (
        int(pid) for pid in children if b"checkpointer" in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    return found


def test_a_backup_that_is_stopped_leaves_nothing_and_says_so() -> None:
    with DaemonProcess(started_before=True, assignments=LEAN) as daemon:
        target = daemon.directory / "backups"
        checkpointer = checkpointer_of(daemon)
        os.kill(checkpointer, signal.SIGSTOP)  # a backup begins with a checkpoint: it cannot end
        try:
            with subprocess.Popen(
                [*daemon.command, "backup", str(target)],
                env=daemon.environment, stderr=subprocess.PIPE, text=True,
            ) as backup:  # fmt: skip
                wait_for(lambda: target.exists() and list(target.iterdir()), what="its beginning")
                os.kill(backup.pid, signal.SIGTERM)
                _, errors = backup.communicate(timeout=PATIENCE)
        finally:
            os.kill(checkpointer, signal.SIGCONT)
        assert backup.returncode == 1
        assert "ended by SIGTERM; nothing was changed" in errors
        assert list(target.iterdir()) == []
        assert daemon.call("health_check") == "OK"
