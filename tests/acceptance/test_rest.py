"""REST of a running daemon: who is let in, what it says of itself, and what odd requests get."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import plain_http
from console_sessions import Shell
from daemon_process import LEAN, PROGRAM, DaemonProcess, free_port
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "read-over-http.md"
EXAMPLES = int(os.environ.get("AUTOGPT_DB_TEST_REST", "0"))
"""Requests that are made up for each resource; with none given a few."""


class Listener:
    """An admin listener, and a client of it that may read."""

    def __init__(self, daemon: DaemonProcess, port: int) -> None:
        self.daemon = daemon
        self.port = port
        self.base = f"http://127.0.0.1:{port}"
        self.tokens = {
            name: (daemon.state / "admin" / name).read_text("ascii").strip()
            for name in ("token", "read_token")
        }
        self.client = plain_http.client(base_url=self.base, headers=self.bearer("read_token"))

    def bearer(self, name: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens[name]}"}


@pytest.fixture(scope="module")
def listener(seeded_database_url_for_module: str) -> Iterator[Listener]:
    port = free_port()
    with DaemonProcess(
        database_url=seeded_database_url_for_module,
        assignments=[*LEAN, "admin.enabled=true", f"admin.port={port}"],
    ) as daemon:

        def answers() -> bool:
            try:
                return plain_http.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        wait_for(answers, what="the admin listener")
        started = Listener(daemon, port)
        with started.client:
            # Until it has read what the database has, it says so: 503.
            wait_for(lambda: started.client.get("/v1/users").is_success, what="the schema is read")
            yield started


def test_everybody_needs_a_token(listener: Listener) -> None:
    with plain_http.client(base_url=listener.base) as stranger:
        for path in ("/v1", "/v1/users", "/v1/openapi.json", "/v1/nothing", "/v1/../users"):
            response = stranger.get(path)
            assert response.status_code == 401, path
            assert response.headers["content-type"] == "application/problem+json"
            wrong = stranger.get(path, headers={"authorization": "Bearer x"})
            assert wrong.status_code == 401
    assert listener.client.get("/v1/users").status_code == 200
    # The API's own listener has nothing of it.
    assert plain_http.get(f"{listener.daemon.base}/v1/users").status_code == 404


def test_nothing_is_written_whoever_asks(listener: Listener) -> None:
    for token, status in (("read_token", 403), ("token", 405)):
        response = listener.client.request(
            "DELETE", "/v1/users/alice", headers=listener.bearer(token)
        )
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["allow"] == "GET, HEAD"


def test_a_head_and_a_document_that_the_client_has(listener: Listener) -> None:
    whole = listener.client.get("/v1/executions/e1")
    head = listener.client.head("/v1/executions/e1")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == whole.headers["content-length"]
    has = {"if-none-match": whole.headers["etag"]}
    again = listener.client.get("/v1/executions/e1", headers=has)
    assert (again.status_code, again.content) == (304, b"")
    assert "content-length" not in again.headers
    assert again.headers["etag"] == whole.headers["etag"] == head.headers["etag"]


@pytest.mark.parametrize(
    "target",
    [
        "/v1/../v1/users",
        "/v1/..",
        "/v1/users/../../healthz",
        "/v1/users/%2e%2e/%2e%2e/etc/passwd",
        "/v1/users/..%2f..%2fetc%2fpasswd",
        "/v1/users/%00",
        "/v1/users/%ff%fe",
        "/v1/users/%25%30%30",
        "/v1//users",
        "//v1/users",
        "/V1/users",
        "/v1/users/alice%0d%0aSet-Cookie:%20a=b",
        "/v1/users/alice/%62alance/",
        "/v1/users;/alice",
        "/v1/users/alice?%0d%0aX: y",
        "http://evil.example/v1/users/alice/..",
        "/v1/" + "a/" * 4000,
    ],
)
def test_a_path_leads_nowhere_else(listener: Listener, target: str) -> None:
    token = listener.tokens["read_token"]
    with socket.create_connection(("127.0.0.1", listener.port), timeout=PATIENCE) as sent:
        sent.sendall(
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode("latin-1")
        )
        answer = b""
        while part := sent.recv(65536):
            answer += part
    status = int(answer.split(b" ", 2)[1])
    assert status in {400, 404}, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"set-cookie" not in head.lower()
    assert b"root:" not in body


def test_an_id_may_have_any_character_in_it(listener: Listener) -> None:
    for path in (
        "/v1/users/a%0Ab",
        "/v1/users/a%0A",
        "/v1/executions/%E2%80%A8%0D",
        "/v1/no%0Asuch",
    ):
        response = listener.client.get(path)
        assert response.status_code == 404
        assert response.json()["detail"].startswith("There is nothing "), response.text


def test_it_is_described_as_openapi_says(listener: Listener) -> None:
    described = listener.client.get("/v1/openapi.json").json()
    # Here, because each process that looks for tests would load it.
    from openapi_spec_validator import OpenAPIV31SpecValidator

    OpenAPIV31SpecValidator(described).validate()
    assert described["openapi"].startswith("3.1.")


def test_what_is_made_up_from_the_description_gets_no_5xx(
    listener: Listener, tmp_path: Path
) -> None:
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{listener.base}/v1/openapi.json",
            f"--header=Authorization: Bearer {listener.tokens['token']}",
            "--checks=all",
            # Which text is a cursor, and how many days back there is a date, no schema can say.
            "--exclude-checks=positive_data_acceptance",
            f"--phases={'coverage,fuzzing' if EXAMPLES else 'fuzzing'}",
            f"--max-examples={EXAMPLES or 3}",
            "--seed=1",
            "--continue-on-failure",
            "--no-color",
            "--generation-database=none",
            f"--request-timeout={PATIENCE}",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=None if EXAMPLES else 280,
    )
    print(done.stdout[-8000:])
    assert done.returncode == 0, done.stdout + done.stderr
    log = listener.daemon.log()
    assert "admin_error" not in log


def test_the_how_to(listener: Listener) -> None:
    """Of read-over-http.md every command, as it stands there."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", HOWTO.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    daemon = listener.daemon
    environment = daemon.environment | {
        "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}",
        "AUTOGPT_DB_STATE_DIRECTORY": str(daemon.state),
        "AUTOGPT_DB_RUNTIME_DIRECTORY": str(daemon.runtime),
        "AUTOGPT_DB_ADMIN_ENABLED": "true",
        "AUTOGPT_DB_ADMIN_PORT": str(listener.port),
    }
    with Shell(daemon.directory, environment) as shell:

        def printed(block: str) -> str:
            status, text = shell.run(block.replace(":8905", f":{listener.port}").rstrip())
            print(f"$ {block}\n{text}")
            assert status == 0, text
            return text

        token, look, search, through, again = blocks
        printed(token)
        one, nodes, balance, jobs = [printed(line) for line in look.splitlines()]
        assert json.loads(one)["id"] == "e1"
        assert {node["graph_execution_id"] for node in json.loads(nodes)} == {"e1"}
        assert json.loads(balance) == {"user_id": "alice", "balance": 0}
        assert "refresh_store_views" in {job["job"] for job in json.loads(jobs)}
        found = printed(search)
        waiting, of_the_day = (json.loads(each) for each in found.replace("][", "]\n[").split("\n"))
        assert {run["status"] for run in waiting} <= {"QUEUED", "RUNNING"}
        assert [run["id"] for run in of_the_day] == ["e1"]
        pages = [json.loads(each) for each in printed(through).replace("][", "]\n[").split("\n")]
        everything = listener.client.get("/v1/executions").json()
        assert [run for page in pages for run in page] == everything
        assert len(pages) > 1
        assert printed(again).strip() == "304"
