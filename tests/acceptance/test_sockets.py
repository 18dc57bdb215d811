"""Sockets that systemd has opened: every one of them is served, before and after a restart."""

from __future__ import annotations

import os
import signal
import socket
import subprocess

import httpx

import plain_http
from daemon_process import NO_WORKER, DaemonProcess
from waiting import wait_for

# Becomes the daemon as systemd starts it: sd_listen_fds(3).
ACTIVATE = 'export LISTEN_PID=$$ LISTEN_FDS=2; exec "$@" 3<&%d 4<&%d'


def test_a_tcp_and_a_unix_socket_of_systemd_s_are_both_served(database_url: str) -> None:
    daemon = DaemonProcess(database_url=database_url, assignments=NO_WORKER)
    program = daemon.command
    path = str(daemon.directory / "api.sock")
    with socket.socket() as tcp, socket.socket(socket.AF_UNIX) as unix:
        tcp.bind(("127.0.0.1", 0))
        unix.bind(path)
        for listener in (tcp, unix):
            listener.listen(100)
            listener.set_inheritable(True)
        base = f"http://127.0.0.1:{tcp.getsockname()[1]}"
        real = subprocess.Popen

        class Activated(real):  # type: ignore[misc,valid-type]
            def __init__(self, words: list[str], **options: object) -> None:
                script = ACTIVATE % (tcp.fileno(), unix.fileno())
                super().__init__(
                    ["/bin/bash", "-c", script, "sh", *words],
                    pass_fds=(tcp.fileno(), unix.fileno()),
                    **options,
                )

        try:
            subprocess.Popen = Activated  # type: ignore[misc,assignment]
            try:
                daemon.launch()
            finally:
                subprocess.Popen = real  # type: ignore[misc]
            daemon.wait_notified("READY=1")
            daemon.command = program
            assert daemon.status()["address"] == [base, f"unix:{path}"]

            def answers() -> int:
                count = 0
                for _ in range(8):  # whichever process accepts
                    over_unix = httpx.HTTPTransport(uds=path)
                    with plain_http.client(transport=over_unix, timeout=10) as client:
                        count += client.get("http://localhost/health_check").json() == "OK"
                    count += plain_http.get(f"{base}/health_check", timeout=10).json() == "OK"
                return count

            assert answers() == 16
            pid = daemon.pid_of("api:api_00")
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: daemon.pid_of("api:api_00") not in {0, pid}, what="its successor")
            assert daemon.run("ctl", "reload", "--wait").returncode == 0
            assert answers() == 16
            assert daemon.run("doctor").stdout.count(" answers") == 2
        finally:
            daemon.__exit__()
