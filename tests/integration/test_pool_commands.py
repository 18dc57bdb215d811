"""A pooled connection's statements: prepared once, few at a time, anew when a table has changed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.database.pool import Pool
from autogpt_db.database.pool.commands import MOST_PREPARED
from autogpt_db.errors import InvalidValueError
from autogpt_db.settings import DatabaseSettings, Secret, Settings
from postgres_server import with_schema
from waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autogpt_db.database.pool.call import Call

PREPARED = "SELECT count(*) FROM pg_prepared_statements"


def run(url: str, scenario: Callable[[Pool], Awaitable[None]]) -> None:
    """Run a scenario on a pool of one connection."""

    async def main() -> None:
        settings = Settings(database=DatabaseSettings(url=Secret(with_schema(url)), pool_size=1))
        async with Pool.open(settings) as pool:
            assert await pool.wait(PATIENCE)
            await scenario(pool)

    asyncio.run(main())


def asked(pool: Pool) -> Call:
    return pool.call("test", reads=False)


def test_values_travel_as_what_they_are(database_url: str) -> None:
    values: dict[str, Any] = {
        "text": 'a"\\b é',
        "nothing": None,
        "number": 7,
        "large": 2**40,
        "share": 0.25,
        "truth": True,
        "bytes": b"\x00\xff",
        "texts": ["a", "NULL", "{}", ""],
        "numbers": [1, 2**40],
        "none": [],
    }

    async def scenario(pool: Pool) -> None:
        for _ in range(2):  # prepared, and there already
            assert await asked(pool).row(
                "SELECT %(text)s::text, %(nothing)s::text, %(number)s::integer, %(large)s::bigint,"
                " %(share)s::float8, %(truth)s::boolean, %(bytes)b::bytea, %(texts)s::text[],"
                " %(numbers)s::bigint[], %(none)s::text[], %(text)s || '%%'",
                values,
            ) == (*values.values(), values["text"] + "%")
        assert await asked(pool).rows("SELECT * FROM generate_series(1, 3)") == [(1,), (2,), (3,)]
        assert await asked(pool).row("SELECT 1 WHERE false") is None
        assert await asked(pool).json("SELECT NULL::json") is None
        assert await asked(pool).execute("SELECT 1 FROM generate_series(1, 4)") == 4
        async with asked(pool).transaction() as inside:
            assert await inside.execute("CREATE TEMPORARY TABLE t (n integer)") == 0
            assert await inside.execute("INSERT INTO t VALUES (%(n)s), (2)", {"n": 1}) == 2
            assert await inside.row("DELETE FROM t WHERE n = 1") is None
        with pytest.raises(InvalidValueError):
            await asked(pool).row("SELECT %(text)s::text", {"text": "a\0b"})
        assert await asked(pool).row("SELECT 1") == (1,)

    run(database_url, scenario)


def test_a_statement_is_prepared_once_for_each_kind_of_values(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        await asked(pool).row(PREPARED)
        before = await asked(pool).row(PREPARED)
        assert before is not None
        for value in ("a", "b", None, 1, 2):
            await asked(pool).row("SELECT %(x)s", {"x": value})
        assert await asked(pool).row(PREPARED) == (before[0] + 2,)

    run(database_url, scenario)


def test_no_more_statements_stay_prepared_than_the_limit(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        async with asked(pool).transaction() as inside:
            for number in range(MOST_PREPARED + 10):
                text: Any = f"SELECT {number}"
                assert await inside.row(text) == (number,)
                assert await inside.row("SELECT -1") == (-1,)
            assert await inside.row(PREPARED) == (MOST_PREPARED,)
            # One that was given up, and one that was used all the time.
            assert await inside.row("SELECT 0") == (0,)
            assert await inside.row("SELECT -1") == (-1,)

    run(database_url, scenario)


def test_a_statement_whose_table_has_changed_is_prepared_anew(database_url: str) -> None:
    async def scenario(pool: Pool) -> None:
        with psycopg.connect(database_url, autocommit=True) as other:
            other.execute("CREATE TABLE public.changing AS SELECT 1 AS a")
            assert await asked(pool).row("SELECT * FROM public.changing") == (1,)
            for expected in ((1, 2), (1, 2, 2)):
                name = f"b{len(expected)}"
                other.execute(f"ALTER TABLE public.changing ADD COLUMN {name} int DEFAULT 2")
                handle = asked(pool)
                assert await handle.row("SELECT * FROM public.changing") == expected
                assert handle.statements == 2, "the first met a plan with other columns"

    run(database_url, scenario)


def test_a_failed_statement_stays_prepared_and_its_connection_in_the_pool(
    database_url: str,
) -> None:
    async def scenario(pool: Pool) -> None:
        for _ in range(3):
            with pytest.raises(InvalidValueError):
                await asked(pool).row("SELECT 1 / %(x)s::integer", {"x": 0})
        assert await asked(pool).row("SELECT 1 / %(x)s::integer", {"x": 1}) == (1,)
        assert pool.totals().lost == 0

    run(database_url, scenario)
