"""The client against a real API process, over TCP and a unix socket, through faults."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest

from api_process import ApiProcess
from autogpt_db.client import (
    ArgumentsRefusedError,
    AsyncClient,
    CallFailedError,
    Client,
    ClientUsageError,
    InsufficientBalanceError,
    MethodNotServedError,
    Retries,
    ServerFaultError,
    ServiceUnavailableError,
    TokenRefusedError,
    UnreachableError,
    ValueRefusedError,
)
from daemon_process import PROGRAM, clean_environment, free_port
from waiting import PATIENCE, wait_for

ONCE = Retries(attempts=1)


@pytest.fixture(scope="module")
def api(seeded_database_url_for_module: str) -> Iterator[ApiProcess]:
    with ApiProcess(
        seeded_database_url_for_module,
        "credits.enabled=true",
    ) as process:
        yield process


@pytest.fixture(scope="module")
def user(seeded_database_url_for_module: str) -> str:
    with psycopg.connect(seeded_database_url_for_module) as observer:
        row = observer.execute('SELECT id FROM platform."User" ORDER BY id LIMIT 1').fetchone()
    assert row is not None
    return str(row[0])


def _whole_request(client: socket.socket) -> bytes:
    """Read a request of known length; nothing when the client has nothing to say."""
    data = b""
    while True:
        head, end, body = data.partition(b"\r\n\r\n")
        if end:
            (length,) = re.findall(rb"(?i)content-length: *(\d+)", head)
            if len(body) >= int(length):
                return data
        more = client.recv(65536)
        if not more:
            return b""
        data += more


class Proxy:
    """Cuts the first replies off after they were made: the write happened, nobody was told."""

    def __init__(self, port: int, cuts: int) -> None:
        self._target = port
        self.cuts = cuts
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client, socket.create_connection(("127.0.0.1", self._target)) as service:
                data = _whole_request(client)
                if not data:
                    return
                self.requests.append(data)
                service.sendall(data)
                reply = service.recv(65536)
                if self.cuts:
                    self.cuts -= 1
                    continue
                client.sendall(reply)

    def close(self) -> None:
        with socket.create_connection(self._listener.getsockname()):
            pass
        self._thread.join(PATIENCE)
        self._listener.close()


def test_reads_and_writes(api: ApiProcess, user: str) -> None:
    with Client(api.base) as client:
        client.health_check()
        written = client.set_execution_kv_data(user, "node", "key", {"a": [1, 2**60 + 1]})
        assert written == {"a": [1, 2**60 + 1]}
        assert client.get_execution_kv_data(user_id=user, key="key") == written
        assert client.get_user_by_id(user)["id"] == user
        now = datetime.now(UTC)
        assert client.get_graph_executions_count(created_time_gte=now) == 0
        assert client.call("echo", text="x", reads=True) == ["x", 0, False, "None"]


def test_the_asynchronous_one_does_the_same(api: ApiProcess, user: str) -> None:
    async def scenario() -> None:
        async with AsyncClient(api.base) as client:
            await client.health_check()
            await client.set_execution_kv_data(user, "node", "other", "value")
            many = [client.get_execution_kv_data(user, "other") for _ in range(50)]
            assert await asyncio.gather(*many) == ["value"] * 50
            with pytest.raises(ValueRefusedError):
                await client.get_user_by_id("nobody")

    asyncio.run(scenario())


def test_one_object_serves_many_threads(api: ApiProcess, user: str) -> None:
    found: list[Any] = []
    with Client(api.base) as client:
        threads = [
            threading.Thread(target=lambda: found.append(client.get_user_email_by_id(user)))
            for _ in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(found) == 20
    assert len({*found}) == 1


def test_a_unix_socket(seeded_database_url_for_module: str, tmp_path: Path) -> None:
    path = Path("/tmp") / f"autogpt-db-{tmp_path.name[-20:]}-{free_port()}.sock"
    with ApiProcess(seeded_database_url_for_module, f"api.host={path}") as api:
        with Client(f"unix:{path}") as client:
            client.health_check()

        async def scenario() -> None:
            async with AsyncClient(f"unix://{path}") as client:
                assert await client.call("echo", text="x") == ["x", 0, False, "None"]

        asyncio.run(scenario())
        assert api.port == 0


def test_tokens(seeded_database_url_for_module: str) -> None:
    with ApiProcess(seeded_database_url_for_module, "api.token=right") as api:
        with Client(api.base, token="right") as client:
            assert client.call("echo", text="x")
        with Client(api.base, token="wrong") as client, pytest.raises(TokenRefusedError):
            client.call("echo", text="x")


def test_a_token_of_any_letters(seeded_database_url_for_module: str, tmp_path: Path) -> None:
    token = "Пароль ¼ €"
    given = f"api.token={token}"
    with ApiProcess(seeded_database_url_for_module, given) as api:
        with Client(api.base, token=token) as client:
            assert client.call("echo", text="x")
        with Client(api.base, token=token + "!") as client, pytest.raises(TokenRefusedError):
            client.call("echo", text="x")
        done = _called(api, tmp_path, "echo", "text=x", given=[given])
        assert done.returncode == 0, done


def test_a_call_without_what_it_takes_is_shown_where_that_stands(
    api: ApiProcess, tmp_path: Path
) -> None:
    done = _called(api, tmp_path, "get_credits")
    assert done.returncode == 1
    assert json.loads(done.stdout)["detail"][0]["loc"][-1] == "user_id"
    assert done.stderr == "autogpt-db: `autogpt-db call get_credits --help` says what it takes.\n"


def _called(
    api: ApiProcess, directory: Path, *call: str, given: Iterable[str] = ()
) -> subprocess.CompletedProcess[str]:
    own = [f"runtime_directory={directory / 'none'}", f"api.port={api.port}", *given]
    words = [word for each in own for word in ("--set", each)]
    return subprocess.run(
        [PROGRAM, *words, "call", *call],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_who_answers_something_else_is_said_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                _whole_request(connection)
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n<html>")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        expected = pytest.raises(CallFailedError, match="no JSON: is it autogpt-db")
        with Client(url, retries=ONCE) as client, expected:
            client.health_check()
        thread.join(PATIENCE)


def test_failures_are_classes(api: ApiProcess, user: str) -> None:
    with Client(api.base) as client:
        with pytest.raises(InsufficientBalanceError) as caught:
            client.spend_credits(user, 10**9, {})
        assert caught.value.user_id == user
        assert caught.value.amount == -(10**9)
        assert caught.value.balance >= 0
        with pytest.raises(ArgumentsRefusedError, match="user_id"):
            client.get_user_by_id(None)  # type: ignore[arg-type]
        with pytest.raises(MethodNotServedError):
            client.call("get_tomorrow")
        with pytest.raises(ValueError, match="nobody") as refused:
            client.get_user_by_id("nobody")
        assert isinstance(refused.value, ValueRefusedError)
        assert refused.value.request_id
        with pytest.raises(ServerFaultError) as fault:
            client.call("fail_with_a_bug")
        assert fault.value.request_id
        assert fault.value.request_id in str(fault.value)


def test_a_write_whose_reply_is_lost_is_done_once(
    api: ApiProcess, user: str, seeded_database_url_for_module: str
) -> None:
    def entries() -> int:
        with psycopg.connect(seeded_database_url_for_module) as observer:
            row = observer.execute('SELECT count(*) FROM platform."CreditTransaction"').fetchone()
        assert row is not None
        return int(row[0])

    with Client(api.base) as direct:
        balance = direct.get_credits(user)  # the month's refill included
        before = entries()
        proxy = Proxy(api.port, cuts=3)
        try:
            retries = Retries(first_pause=0.01)
            with Client(proxy.url, retries=retries) as client:
                left = client.spend_credits(user, 1, {"reason": "test"})
        finally:
            proxy.close()
        assert left == balance - 1
        assert direct.get_credits(user) == left
    assert entries() == before + 1
    keys = {
        line
        for sent in proxy.requests
        for line in sent.split(b"\r\n")
        if line.lower().startswith(b"idempotency-key:")
    }
    assert (len(proxy.requests), len(keys)) == (4, 1)


def test_each_call_has_a_key_of_its_own_and_reads_have_none(api: ApiProcess, user: str) -> None:
    with Client(api.base) as client:
        balance = client.get_credits(user)
        assert client.spend_credits(user, 1, {}) == balance - 1
        assert client.spend_credits(user, 1, {}) == balance - 2
        keyed = client.with_options(idempotency_key=f"charge-{balance}")
        assert {keyed.spend_credits(user, 1, {}) for _ in range(3)} == {balance - 3}
        with pytest.raises(ValueRefusedError):
            keyed.spend_credits(user, 2, {})
        patient = keyed.with_options(timeout=30, retries=Retries(total=60))
        assert patient.spend_credits(user, 1, {}) == balance - 3, "other options keep the key"
        with pytest.raises(ClientUsageError, match="idempotency_key"):
            client.with_options(idempotency_key="").spend_credits(user, 1, {})
        assert client.get_credits(user) == balance - 3
    proxy = Proxy(api.port, cuts=0)
    try:
        with Client(proxy.url) as client:
            client.get_user_email_by_id(user)
    finally:
        proxy.close()
    assert b"idempotency-key" not in proxy.requests[0].lower()


def test_it_waits_for_a_service_that_comes_back(seeded_database_url_for_module: str) -> None:
    port = free_port()
    with ApiProcess(seeded_database_url_for_module, f"api.port={port}") as api:
        found: list[Any] = []
        api.signal()
        api.exit_code()
        with Client(
            api.base, retries=Retries(attempts=1000, first_pause=0.02, longest_pause=0.1)
        ) as client:
            thread = threading.Thread(target=lambda: found.append(client.call("echo", text="x")))
            thread.start()
            api._log.unlink()  # or the old record would tell that the new process listens
            api.start()
            wait_for(lambda: found)
            thread.join(PATIENCE)
    assert found == [["x", 0, False, "None"]]


def test_nobody_there() -> None:
    with Client(f"http://127.0.0.1:{free_port()}", retries=ONCE) as client:
        with pytest.raises(UnreachableError) as caught:
            client.get_credits("u")
        assert isinstance(caught.value, ConnectionError)


def test_a_database_that_is_away_is_said_to_be() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing?schema=platform"
    with (
        ApiProcess(url, "database.pool_timeout=0.2", "api.request_deadline=3") as api,
        Client(api.base, retries=ONCE) as client,
        pytest.raises(ServiceUnavailableError),
    ):
        client.get_credits("u")
