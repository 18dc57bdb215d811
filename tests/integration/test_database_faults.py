"""What PostgreSQL refuses is told as what it is, in reply, readiness, log and figures."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api_process import ApiProcess, pool_figure
from autogpt_db.database.failures import StandbyMetError, translate
from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.faults import classified
from autogpt_db.database.pool.pooled import PooledConnection
from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.database.sqlstates import CAUSES, cause_of
from autogpt_db.errors import (
    CallError,
    DatabaseUnavailableError,
    OutcomeUnknownError,
    StatementCollidedError,
    UniqueViolationError,
    WritesRefusedError,
)
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import PostgresServer, clone, with_schema
from waiting import BUSY, PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

CODES = sorted(code for code, kind in psycopg.errors._sqlcodes.items() if code == kind.sqlstate)
# Codes that are told with more than their class's words, or are no errors.
ELSEWHERE = {"23503", "23505", "42P01", "42704", "42883", "42703", "3F000", "55000"}
REFUSE = """
CREATE FUNCTION public.refuse(state text) RETURNS json LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'in words' USING ERRCODE = state; END $$
"""
KEY = {"user_id": "u", "node_exec_id": "n"}


def test_every_sqlstate_is_told_as_what_it_is(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(REFUSE)
    assert len(CODES) > 200

    async def main() -> dict[str, BaseException]:
        section = DatabaseSettings(url=Secret(with_schema(database_url)), pool_size=1)
        found: dict[str, BaseException] = {}
        async with asyncio.timeout(PATIENCE), Pool.open(Settings(database=section)) as pool:
            for code in CODES:
                handle = pool.call("write", reads=False)
                try:
                    await handle.row("SELECT public.refuse(%(state)s)", {"state": code})
                except (CallError, psycopg.Error) as error:
                    found[code] = error
            assert pool.totals().lost == 0, "a refused statement costs no connection"
        return found

    found = asyncio.run(main())
    assert found.keys() == set(CODES)
    for code in set(CODES) - ELSEWHERE:
        error, cause = found[code], cause_of(code)
        if cause.failure is None:
            assert isinstance(error, psycopg.Error), (code, "is told as an internal error")
            continue
        assert isinstance(error, CallError), (code, error)
        words = str(error)
        assert words.startswith(cause.matter), (code, words)
        if cause.ends_session and not code.startswith(("28", "3D", "57P03")):
            assert isinstance(error, OutcomeUnknownError), code
        else:
            assert isinstance(error, cause.failure), code
        assert (error.status == 503) == (cause.retry_after is not None), code
        assert (error.retry_after is not None) == (error.status == 503), code
        assert "SELECT" not in words
        if not code.startswith("08"):
            assert "lost" not in words, code


@pytest.mark.parametrize(
    "said",
    [
        'Key ("sessionId", id)=(x, (y)=(z)) already exists.',
        'Schlüssel »("sessionId", id)=(x, y)« existiert bereits.',
        'La clé « ("sessionId", id)=(x, y) » existe déjà.',
    ],
)
def test_what_is_there_already_is_told_whatever_language_the_server_speaks(
    database_url: str, said: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.words AS SELECT %s AS said", [said])
        with pytest.raises(psycopg.errors.UniqueViolation) as refused:
            connection.execute(
                "DO $$ BEGIN RAISE unique_violation"
                " USING DETAIL = (SELECT said FROM public.words); END $$"
            )
    failure = translate(refused.value, reads=False)
    assert isinstance(failure, UniqueViolationError)
    assert failure.fields == "`sessionId`,`id`"


def test_what_passes_by_itself_is_503_and_what_does_not_is_no_500() -> None:
    told = {code[:2] for code in CODES if cause_of(code).failure is not None}
    assert {"08", "22", "23", "28", "3D", "40", "53", "54", "55", "57", "58", "F0", "XX"} <= told
    names = [cause.name for cause in CAUSES]
    assert len(names) == len(set(names))
    states = [state for cause in CAUSES for state in cause.states]
    assert len(states) == len(set(states)), "one entry for each code"
    for cause in CAUSES:
        assert cause.matter[0].isupper(), cause.name
        assert not cause.matter.endswith("."), cause.name
        assert ";" not in cause.matter, "STATUS sets its parts apart by it"


def refused(reply: httpx.Response) -> str:
    assert reply.status_code == 503, reply.text
    assert reply.json()["type"] == "ConnectionError"
    assert int(reply.headers["retry-after"]) >= 1
    (words,) = reply.json()["args"]
    return str(words)


def write(api: ApiProcess, key: str, data: Any = 1) -> httpx.Response:
    arguments = {**KEY, "key": key, "data": data}
    return api.client.post("/set_execution_kv_data", json=arguments)


def sessions(server: PostgresServer, name: str) -> int:
    """Return how many sessions a database has had."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("SELECT pg_stat_clear_snapshot()")
        row = connection.execute(
            "SELECT sessions FROM pg_stat_database WHERE datname = %s", (name,)
        ).fetchone()
    assert row is not None
    return int(row[0])


def assert_takes_no_writes(api: ApiProcess, words: str) -> None:
    """Look for what is told while reads go on: a reason for each who asks."""
    unready = wait_for(
        lambda: (reply := api.client.get("/ready")).status_code == 503 and reply, what="not ready"
    )
    assert any(words in reason for reason in unready.json()["reasons"]), unready.text
    assert api.client.get("/health_check").json() == "OK", "it answers"
    assert api.client.post("/tell_time", json={}).status_code == 200, "reads go on"
    assert pool_figure(api, "database_writable") == 0
    (told,) = api.events("writes_refused")
    assert words in told["reason"]
    assert told["remedy"]
    assert not api.events("internal_error")


def test_a_database_set_to_read_only_is_told_as_that_and_keeps_its_connections(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    with ApiProcess(own_database_url, "database.pool_size=4") as api:
        assert write(api, "before").status_code == 200
        wait_for(lambda: api.client.get("/ready").status_code == 200)
        before = sessions(own_server, "own")
        with psycopg.connect(own_server.url("postgres"), autocommit=True) as administrator:
            administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
            administrator.execute("SELECT pg_reload_conf()")
            wait_for(lambda: write(api, "during").status_code == 503, what="the setting")
            for _ in range(50):
                assert "set to read-only; nothing was written" in refused(write(api, "during"))
            assert_takes_no_writes(api, "read-only")
            assert sessions(own_server, "own") - before <= 1
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
        wait_for(
            lambda: write(api, "after").status_code == 200, seconds=3 * BUSY, what="writes again"
        )
        wait_for(
            lambda: api.client.get("/ready").status_code == 200, seconds=3 * BUSY, what="ready"
        )
        assert pool_figure(api, "database_writable") == 1
        assert len(api.events("writes_possible")) == 1
        (line,) = [one for one in api.events("request") if one["status"] == 503][:1]
        assert (line["failure"], line["sqlstate"]) == ("WritesRefusedError", "25006")


def test_a_repeat_with_a_key_is_answered_by_a_database_that_takes_no_writes(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    with (
        ApiProcess(own_database_url, "database.pool_size=4") as api,
        psycopg.connect(own_server.url("postgres"), autocommit=True) as administrator,
    ):

        def keep(key: str) -> httpx.Response:
            headers = {"idempotency-key": key}
            arguments = {**KEY, "key": "k", "data": "kept"}
            return api.client.post("/set_execution_kv_data", json=arguments, headers=headers)

        assert keep("before").status_code == 200
        administrator.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        administrator.execute("SELECT pg_reload_conf()")
        try:
            wait_for(lambda: write(api, "during").status_code == 503, what="the setting")
            again = keep("before")
            assert (again.status_code, again.content) == (200, b'"kept"'), again.text
            assert again.headers["idempotency-replayed"] == "true"
            assert "set to read-only; nothing was written" in refused(keep("during"))
        finally:
            administrator.execute("SET default_transaction_read_only = off")
            administrator.execute("ALTER SYSTEM RESET default_transaction_read_only")
            administrator.execute("SELECT pg_reload_conf()")
        wait_for(lambda: keep("during").status_code == 200, seconds=3 * BUSY, what="writes again")


def test_what_sessions_were_given_at_their_start_does_not_outlive_its_end(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        migrate(connection, schema_name="platform", create=True)
    own_server.execute("ALTER DATABASE own SET default_transaction_read_only = on")
    with ApiProcess(own_database_url, "database.pool_size=4") as api:
        assert "read-only" in refused(write(api, "during"))
        assert_takes_no_writes(api, "read-only")
        own_server.execute("ALTER DATABASE own RESET default_transaction_read_only")
        wait_for(
            lambda: write(api, "after").status_code == 200, seconds=5 * BUSY, what="writes again"
        )
        wait_for(
            lambda: api.client.get("/ready").status_code == 200, seconds=5 * BUSY, what="ready"
        )
        for number in range(20):
            assert write(api, f"after {number}").status_code == 200


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Yield the place of a file system of its own."""
    place = Path(tempfile.mkdtemp(prefix="disk-", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=False)
        place.rmdir()


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with file.open("wb", buffering=0) as stream:
        size = 1 << 20
        while size:
            try:
                stream.write(bytes(size))
            except OSError:
                size //= 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
def test_a_full_disk_is_told_as_that_until_there_is_room_again(
    own_server: PostgresServer,
) -> None:
    with small_disk(64) as disk:
        status = own_server.directory.stat()
        data = disk / "data"
        data.mkdir(mode=0o700)
        os.chown(data, status.st_uid, status.st_gid)
        own_server.execute(f"CREATE TABLESPACE small LOCATION '{data}'")
        url = clone(own_server, None, "small")
        own_server.execute("ALTER DATABASE small SET TABLESPACE small")
        with psycopg.connect(url, autocommit=True) as connection:
            migrate(connection, schema_name="platform", create=True)
        try:
            with ApiProcess(url, "database.pool_size=4") as api:
                assert write(api, "before").status_code == 200
                fill(disk / "filler")
                replies = (write(api, f"key {n}", os.urandom(20_000).hex()) for n in range(100))
                first = next(reply for reply in replies if reply.status_code != 200)
                assert "its server's disk is full; nothing was written" in refused(first)
                assert_takes_no_writes(api, "disk is full")
                (disk / "filler").unlink()
                wait_for(lambda: api.client.get("/ready").status_code == 200, what="ready")
                assert write(api, "after", os.urandom(20_000).hex()).status_code == 200
                (line,) = [one for one in api.events("request") if one["status"] == 503][:1]
                assert (line["failure"], line["sqlstate"]) == ("WritesRefusedError", "53100")
        finally:
            own_server.execute("DROP DATABASE small WITH (FORCE)")


class Standby(PostgresServer):
    """A standby of another server."""

    def __init__(self, primary: PostgresServer) -> None:
        super().__init__()
        self._primary = primary

    def create(self) -> None:
        source = ("-h", str(self._primary.directory), "-U", "postgres")
        self.run("pg_basebackup", "-D", "data", *source, "-R", "-c", "fast", "--no-sync")


def test_a_standby_is_told_from_a_primary_that_takes_no_writes(
    own_server: PostgresServer, own_database_url: str
) -> None:
    with psycopg.connect(own_database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.things (number int)")
    insert = "INSERT INTO public.things VALUES (1)"

    async def scenario(url: str, pool: Pool) -> None:
        connection = await PooledConnection.connect(url, autocommit=True)
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction) as refused:
            await connection.execute(insert)
        found = await classified(refused.value, connection)
        assert isinstance(found, StandbyMetError)
        assert connection.standby, "it is not lent again"
        assert isinstance(translate(found, reads=False), StatementCollidedError)
        await connection.close()

        assert not await pool.wait(1)
        assert pool.figures().failure == "it is a standby"
        assert pool.met_standby(5)
        with pytest.raises(DatabaseUnavailableError, match="it is a standby"):
            await pool.call("write", reads=False).execute(insert)
        with psycopg.connect(url, autocommit=True) as administrator:
            administrator.execute("SELECT pg_promote()")
        async with asyncio.timeout(PATIENCE):
            while pool.figures().size < 2:
                await asyncio.sleep(0.02)
        assert await pool.call("write", reads=False).execute(insert) == 1
        assert pool.faults.trouble is None

    async def main(url: str) -> None:
        section = DatabaseSettings(url=Secret(with_schema(url)), pool_size=2, pool_timeout=0.5)
        async with asyncio.timeout(PATIENCE), Pool.open(Settings(database=section)) as pool:
            await scenario(url, pool)

    with Standby(own_server) as standby:
        asyncio.run(main(standby.url("own")))


def test_a_missing_privilege_is_told_as_one_that_is_missing(database_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE public.closed (number int)")
        connection.execute("CREATE ROLE without_rights LOGIN")
    try:
        asyncio.run(read_what_is_closed(f"{database_url}&user=without_rights"))
    finally:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("DROP ROLE without_rights")


async def read_what_is_closed(url: str) -> None:
    section = DatabaseSettings(url=Secret(with_schema(url)), pool_size=1)
    async with asyncio.timeout(PATIENCE), Pool.open(Settings(database=section)) as pool:
        with pytest.raises(CallError, match="may not do this") as caught:
            await pool.call("test", reads=False).row("SELECT number FROM public.closed")
    assert caught.value.status == 400
    assert "permission denied for table closed" in str(caught.value)
    assert "GRANT" in str(caught.value)
    assert not isinstance(caught.value, DatabaseUnavailableError | WritesRefusedError)
