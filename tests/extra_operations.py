"""Operations that only tests serve: AUTOGPT_DB_TEST_OPERATIONS names this module."""

from __future__ import annotations

import gc
import sys
from typing import Any

from autogpt_db.operations import Database, JsonValue, Reply, operation


@operation(reads=True)
async def tell_time(database: Database, zone: str = "UTC") -> Reply[str]:
    """Return the database's time, as a trivial read.

    It exists to be measured.
    """
    return await database.json("SELECT to_json(now() AT TIME ZONE %(zone)s)", {"zone": zone})


@operation(reads=True)
async def loaded_modules(database: Database) -> list[str]:  # noqa: ARG001 - as below
    """Return what this process has imported."""
    return sorted(sys.modules)


@operation(reads=True)
async def objects_that_stay(database: Database) -> int:  # noqa: ARG001 - as below
    """Return how many objects the garbage collector leaves alone; it must be at work."""
    assert gc.isenabled()
    return gc.get_freeze_count()


@operation(reads=True)
async def echo(
    database: Database,  # noqa: ARG001 - the registry hands it to every operation
    text: str,
    number: int = 0,
    flag: bool = False,
    document: JsonValue | None = None,
) -> list[Any]:
    """Return the arguments as they were understood."""
    return [text, number, flag, str(document)]


@operation(reads=True)
async def sleep_reading(database: Database, seconds: float) -> Reply[str]:
    """Read slowly."""
    return await database.json(
        "SELECT to_json('slept'::text) FROM pg_sleep(%(seconds)s)", {"seconds": seconds}
    )


@operation(reads=False)
async def sleep_writing(database: Database, key: str, seconds: float = 0.0) -> str:
    """Write slowly."""
    await database.execute(
        """
        INSERT INTO platform."AgentNodeExecutionKeyValueData"
               ("userId", "key", "agentNodeExecutionId", "data", "updatedAt")
        SELECT 'test', %(key)s, 'test', '1', now()
          FROM pg_sleep(%(seconds)s)
        ON CONFLICT DO NOTHING
        """,
        {"key": key, "seconds": seconds},
    )
    return key


@operation(reads=True)
async def repeat_text(
    database: Database,  # noqa: ARG001 - the registry hands it to every operation
    times: int,
) -> str:
    """Return a long text."""
    return "x" * times


@operation(reads=True)
async def fail_with_a_bug(database: Database) -> None:  # noqa: ARG001 - as above
    """Raise what nobody expects."""
    raise KeyError("a bug \ud800")
