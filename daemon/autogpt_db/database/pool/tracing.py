"""What is traced of a call's way to PostgreSQL: waits, statements, transactions, batches.

Of a statement its kind and its operation's name are told, never its text or a value. Who comes here
has looked whether anything is traced at all (`Connections.traced`).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import psycopg

from autogpt_db.spans import SPAN, Kind, Span, Trace, new_id

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Iterator, Mapping, Sequence
    from typing import LiteralString

    from psycopg.pq.abc import PGresult

    from autogpt_db.database.pool.pooled import PooledConnection

LEAST_WAIT = 0.0005
"""Seconds from which on a wait is worth a span."""
STATEMENTS_READ = 2000
"""Statements whose kind is known; there are fewer, as their text is static."""
_CHANGES = re.compile(
    r"\b(?:(INSERT) INTO|(?<!FOR )(?<!FOR NO KEY )(?<!DO )(UPDATE)|(DELETE) FROM|(MERGE) INTO)\b"
).search


class Merging(Protocol):
    """A merged call.

    Attributes:
        outcome: Its document, or that it is its caller's to send.
        span: What is traced of it; None: nothing.
    """

    outcome: asyncio.Future[Any]
    span: Span | None


async def run_traced(
    span: Span,
    name: str,
    connection: PooledConnection,
    statement: LiteralString,
    parameters: Mapping[str, Any],
) -> PGresult:
    """Run a statement as a part of `span`; `name` is its operation's."""
    kind = kind_of(statement)
    with span.begin(f"{kind} {name}", Kind.CLIENT) as part:
        told = part.attributes
        told["db.system.name"] = "postgresql"
        told["db.namespace"] = _text(connection.pgconn.db)
        told["db.operation.name"] = kind
        told["db.query.summary"] = part.name
        told["server.address"] = _text(connection.pgconn.host)
        try:
            result = await connection.run(statement, parameters)
        except psycopg.Error as error:
            if error.sqlstate is not None:
                told["db.response.status_code"] = error.sqlstate
            raise
        told["db.response.returned_rows"] = result.ntuples
        return result


async def wait_traced(
    borrowing: Awaitable[PooledConnection], span: Span, *, heavy: bool
) -> PooledConnection:
    """Trace a wait for a connection as a part of `span`, if it is one.

    Args:
        borrowing: Returns the connection.
        span: What waits.
        heavy: Whether it is one of the calls that read much, which share half of them.
    """
    with span.begin("wait for connection", least=LEAST_WAIT) as part:
        part.attributes["autogpt_db.lane"] = "heavy" if heavy else "usual"
        return await borrowing


@contextmanager
def transaction_traced(span: Span) -> Iterator[None]:
    """Trace what is done inside as a transaction, its COMMIT included, as a part of `span`."""
    with span.begin("transaction") as part:
        SPAN.set(part)
        try:
            yield
        finally:
            SPAN.set(span)


async def outcome_traced(call: Merging, span: Span, name: str) -> Any:
    """Return a merged call's outcome; from its coming in to that is a part of `span`."""
    # Who is sent by himself at once has waited for nobody; whoever is in a batch is linked with it.
    with span.begin(f"merge {name}", least=LEAST_WAIT) as call.span:
        return await call.outcome


@contextmanager
def batch_traced(batch: Sequence[Merging], name: str) -> Iterator[None]:
    """Trace a batch, in its own task: a trace of its own, linked with those of its calls.

    Args:
        batch: The calls.
        name: Their operation.
    """
    calls = [call.span for call in batch if call.span is not None]
    if not calls:
        SPAN.set(None)  # the task was begun by some call, and would be a part of that
        yield
        return
    trace = Trace(new_id(128), calls[0].trace.record)
    links = [each.link for each in calls]
    span = Span(trace, f"batch {name}", Kind.INTERNAL, is_entry=True, links=links)
    span.attributes["db.operation.batch.size"] = len(batch)
    for each in calls:
        each.links.append(span.link)
    SPAN.set(span)
    try:
        yield
    finally:
        span.end()


@lru_cache(maxsize=STATEMENTS_READ)
def kind_of(statement: str) -> str:
    """Return what a statement does: the first change that it makes, or SELECT."""
    found = _CHANGES(statement)
    return next(filter(None, found.groups())) if found else "SELECT"


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
