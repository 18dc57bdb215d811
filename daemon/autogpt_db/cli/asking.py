"""What commands ask of the database itself, in the words of the operations that read it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn, TypeVar

from autogpt_db.cli.printing import say
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from autogpt_db.database.pool import Database
    from autogpt_db.settings import Settings

Answer = TypeVar("Answer")


def ask(settings: Settings, name: str, question: Callable[[Database], Awaitable[Answer]]) -> Answer:
    """Return what reads of the database say; what that has is known to them.

    Args:
        settings: Where it is.
        name: The command, for `pg_stat_activity`.
        question: Reads, on a handle of the pool.

    Raises:
        ConfigurationError: A file that TLS needs is missing, or we are refused for good.
        DatabaseUnreachableError: Nobody answers there.
        LockedError: Somebody else has locked a table for longer than calls wait.
    """
    import asyncio

    from autogpt_db.cli.connecting import connect
    from autogpt_db.database.pool import Pool
    from autogpt_db.database.schema import read_catalogue
    from autogpt_db.logs import records_on_stderr

    # Says who doesn't answer, where a pool would only wait.
    connection, target = connect(settings, name)
    with connection:
        catalogue = read_catalogue(connection, target.schema)

    async def main() -> Answer:
        async with Pool.open(settings, name=f"autogpt-db {name}", size=1, url=target) as pool:
            pool.knowledge.learn(catalogue)
            return await question(pool.call(name, reads=True))

    with records_on_stderr():
        return asyncio.run(main())


def fail(words: str) -> NoReturn:
    """Say on stderr that what was asked for is not there, and end with 1."""
    say(f"autogpt-db: {printable(words)}", error=True)
    sys.exit(1)
