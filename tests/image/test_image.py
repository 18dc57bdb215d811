"""The container's image: built of deploy/container, run as compose runs it, and called."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet

from checkout import ROOT, copy_checkout
from compose_files import environment, service
from daemon_process import free_port
from guest import why_not
from podman import PROGRAM, RUNTIME, Podman
from postgres_server import PostgresServer, clone
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

LAB = ROOT / "tests/service/systemd-lab"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
EX_CONFIG = 78

pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        PROGRAM is None or RUNTIME is None,
        reason="needs podman and runc (Debian's packages; make test-image installs them)",
    ),
]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Podman]:
    made = Podman(tmp_path_factory.mktemp("podman"))
    yield made
    made.attempt("rm", "--all", "--force", "--time=5")
    made.attempt("rmi", "--all", "--force")


@pytest.fixture(scope="module")
def base(podman: Podman) -> str:
    """Return the name of an image like docker.io's Debian, which is not asked for one.

    It trusts whom this machine trusts.
    """
    reason = why_not()
    if reason:
        pytest.skip(reason)
    done = subprocess.run(
        [LAB, "installed"],
        env=os.environ | {"LAB_SUITE": "bookworm", "LAB_PACKAGES": "ca-certificates"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.skip(f"no Debian to build on: {' '.join(done.stderr.split()[-40:])}")
    podman.load(Path(done.stdout.strip()), "localhost/debian", CERTIFICATES)
    return "localhost/debian"


@pytest.fixture(scope="module")
def image(podman: Podman, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    context = tmp_path_factory.mktemp("context") / "checkout"
    copy_checkout(context)
    podman.run(
        "build", "--format=docker", "--layers=false",  # docker's has the health check
        "--isolation=chroot", "--network=host",
        "--build-arg", f"BASE={base}",
        "--file", context / "deploy/container/Containerfile", "--tag", "autogpt-db", context,
    )  # fmt: skip
    return "autogpt-db"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Yield a PostgreSQL with the database `autogpt`."""
    with PostgresServer(port=free_port()) as server:
        clone(server, None, "autogpt")
        yield server


def as_in_compose(server: PostgresServer, port: int) -> list[str]:
    """Return the options by which compose would run it, but for the network, which is ours."""
    ours = service()
    words = [f"--tmpfs={place}" for place in ours["tmpfs"]]
    words += [f"--cap-drop={name}" for name in ours["cap_drop"]]
    words += [f"--security-opt={name}" for name in ours["security_opt"]]
    assert ours["read_only"]
    given = {
        "DATABASE_URL": f"postgresql://postgres@127.0.0.1:{server.port}/autogpt?schema=platform",
        "ENCRYPTION_KEY": Fernet.generate_key().decode(),
    }
    variables = environment(given) | {"AUTOGPT_DB_API_PORT": str(port)}
    words += [f"--env={name}={text}" for name, text in variables.items()]
    return [*words, "--read-only", "--network=host"]


def call(port: int, method: str, **arguments: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{method}",
        json.dumps(arguments).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        return json.loads(reply.read())


def test_it_serves_as_compose_runs_it(podman: Podman, image: str, server: PostgresServer) -> None:
    port = free_port()
    words = as_in_compose(server, port)
    podman.start("--rm", *words, image, "migrate", "--create")
    print(podman.start("--rm", *words, image, "check").splitlines()[-1])
    podman.start("--detach", "--name=served", *words, image)

    def healthy() -> bool:
        running = podman.run("inspect", "--format={{.State.Running}}", "served")
        assert running == "true", podman.attempt("logs", "served")
        return podman.attempt("healthcheck", "run", "served").returncode == 0

    wait_for(healthy, seconds=180, what="the container's health")
    call(port, "set_execution_kv_data", user_id="u", node_exec_id="n", key="k", data={"a": 1})
    assert call(port, "get_execution_kv_data", user_id="u", key="k") == {"a": 1}
    assert podman.run("exec", "served", "id", "-u") == "805"
    grace = service()["stop_grace_period"].removesuffix("s")
    podman.run("stop", f"--time={grace}", "served")
    assert podman.run("inspect", "--format={{.State.ExitCode}}", "served") == "0"


def test_a_directory_that_it_may_not_write_to_is_named(
    podman: Podman, image: str, server: PostgresServer
) -> None:
    words = as_in_compose(server, free_port())
    done = podman.attempt(
        "run", *podman.limits, "--rm", *words, "--env=RUNTIME_DIRECTORY=/srv/elsewhere", image
    )
    assert done.returncode == EX_CONFIG, done
    said = done.stdout + done.stderr
    assert "runtime_directory: /srv/elsewhere cannot be used: Read-only file system" in said
    assert "set runtime_directory to one that is" in said
