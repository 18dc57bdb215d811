"""Writes whose effects can be counted: AUTOGPT_DB_TEST_OPERATIONS names this module."""

from __future__ import annotations

from autogpt_db.errors import InvalidValueError, ServiceUnavailableError, UniqueViolationError
from autogpt_db.operations import Database, events, operation

COUNT_UP = """
INSERT INTO platform."AgentNodeExecutionKeyValueData" AS stored
       ("userId", "key", "agentNodeExecutionId", "data", "updatedAt")
SELECT 'counter', %(counter)s, 'test', '1', autogpt_db.now_v1()
  FROM pg_sleep(%(seconds)s)
    ON CONFLICT ("userId", "key") DO UPDATE
   SET "data" = to_jsonb(stored."data"::integer + 1)
RETURNING "data"::integer, gen_random_uuid()::text
"""
INSERT = """
INSERT INTO platform."AgentNodeExecutionKeyValueData"
       ("userId", "key", "agentNodeExecutionId", "data", "updatedAt")
VALUES ('counter', %(counter)s, 'test', '100', autogpt_db.now_v1())
"""
COLLIDE = "DO $$ BEGIN RAISE EXCEPTION 'collided' USING ERRCODE = '40001'; END $$"


@operation(reads=False)
async def count_up(
    database: Database, counter: str, seconds: float = 0.0, ending: str = "", size: int = 0
) -> str:
    """Add 1 to a counter and return it with a text that is never the same; or end otherwise.

    Args:
        counter: Which.
        seconds: To take for it.
        ending: `refused`, `unavailable` or `bug` fail after the write. With `first` before it only
            the first call ever does, for which the database needs a sequence `public.runs`.
        size: Characters to return besides.
    """
    row = await database.row(COUNT_UP, {"counter": counter, "seconds": seconds})
    assert row is not None
    if ending.startswith("first "):
        run = await database.row("SELECT nextval('public.runs')")
        ending = ending.removeprefix("first ") if run == (1,) else ""
    events.notify(database.settings, "counter", {"counted": row[0]})
    match ending:
        case "refused":
            raise InvalidValueError(f"Refused on purpose: {row[1]}")
        case "unavailable":
            raise ServiceUnavailableError("Unavailable on purpose.")
        case "collided":
            await database.execute(COLLIDE)
        case "bug":
            raise KeyError("a bug")
    return f"{row[0]} {row[1]} {'x' * size}"


@operation(reads=False)
async def count_up_elsewhere(database: Database, counter: str) -> str:
    """Do what `count_up` does, under another name."""
    return await count_up(database, counter)


@operation(reads=False)
async def insert_or_count_up(database: Database, counter: str) -> str:
    """Begin a counter at 100; a counter that there is counts up instead."""
    try:
        await database.execute(INSERT, {"counter": counter})
    except UniqueViolationError:
        return await count_up(database, counter)
    return "100"
