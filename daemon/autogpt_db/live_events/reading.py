"""Reading the log of live events: in an order that never changes, from any position on.

Events are in the order of their transactions' numbers, and within one in that of their own. What is
read ends below the oldest transaction that is still under way, in whatever database of the server:
all below it have ended, so that nothing can appear later in front of what was read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.database.quoting import quoted
from autogpt_db.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

MOST = 2000
"""Events that one statement looks at."""
_LARGEST = 2**63 - 1
_WRITTEN = re.compile(r"([0-9a-f]{8})-(\d{1,19})-(\d{1,19})", re.ASCII)


class Selection(NamedTuple):
    """Which events are wanted: those that all of it is true of.

    Attributes:
        user_id: Whose.
        graph_id: Of which graph's executions.
        graph_execution_id: Of which execution, its nodes' included.
    """

    user_id: str | None = None
    graph_id: str | None = None
    graph_execution_id: str | None = None

    def has(self, event: Event) -> bool:
        """Tell whether an event is wanted."""
        return (
            (self.user_id is None or event.user_id == self.user_id)
            and (self.graph_id is None or event.graph_id == self.graph_id)
            and (
                self.graph_execution_id is None
                or event.graph_execution_id == self.graph_execution_id
            )
        )


class Position(NamedTuple):
    """Up to where somebody has read: an event's id, or what stands between two events.

    Attributes:
        history: Whose numbers these are, in eight hexadecimal digits.
        transaction: The event's transaction.
        number: The event's own number; 0: before all of the transaction's.
    """

    history: str
    transaction: int
    number: int

    def __str__(self) -> str:
        """Return the id."""
        return f"{self.history}-{self.transaction}-{self.number}"

    @classmethod
    def of(cls, text: str, name: str) -> Position:
        """Return the position with this id.

        Args:
            text: The id.
            name: Where it was given, for the error.

        Raises:
            InvalidValueError: No event has such an id.
        """
        match = _WRITTEN.fullmatch(text)
        if match and int(match[2]) <= _LARGEST and int(match[3]) <= _LARGEST:
            return cls(match[1], int(match[2]), int(match[3]))
        raise InvalidValueError(f"{name}: this is no event's id; one looks like 0f3a9c21-75310-4.")


class Event(NamedTuple):
    """A change that was recorded.

    Attributes:
        transaction: The number of the transaction that made it.
        number: Its own.
        user_id: Whose it is; None for an organization's balance, and of a node execution whose run
            has been deleted.
        graph_id: The graph that is executed; None for a balance, and likewise.
        graph_execution_id: The execution; None for a balance.
        kind: `graph_execution`, `node_execution` or `balance`.
        document: What has changed: a JSON object, on one line.
    """

    transaction: int
    number: int
    user_id: str | None
    graph_id: str | None
    graph_execution_id: str | None
    kind: str
    document: str


class Page(NamedTuple):
    """What one look at the log has found.

    Attributes:
        history: Whose numbers these are.
        horizon: The transaction below which everything is certain.
        waits: Whether some transaction is under way, and may bring events before others that are
            there already.
        trimmed: Up to where events have been deleted: transaction and number.
        is_last: Whether there is nothing more that is certain.
        reached: The last event that was looked at: transaction and number.
        events: Those that are chosen, in order.
    """

    history: str
    horizon: int
    waits: bool
    trimmed: tuple[int, int]
    is_last: bool
    reached: tuple[int, int]
    events: list[Event]

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]], limit: int) -> Page:
        """Return what `READ` or `READ_LAST` has returned.

        Args:
            rows: Theirs.
            limit: What they were given.
        """
        history, horizon, waits, *rest = rows[0][:8]
        trimmed_transaction, trimmed_number, looked, transaction, number = rest
        return cls(
            history,
            horizon,
            waits,
            (trimmed_transaction or 0, trimmed_number or 0),
            looked < limit,
            (transaction or 0, number or 0),
            [Event(*row[8:]) for row in rows if row[8] is not None],
        )

    @property
    def end(self) -> Position:
        """Return up to where the log has been read now."""
        if self.is_last:
            return self.horizon_position
        return Position(self.history, *self.reached)

    @property
    def beginning(self) -> Position:
        """Return the position before everything that the log has."""
        return Position(self.history, *self.trimmed)

    @property
    def horizon_position(self) -> Position:
        """Return the position behind everything that is certain."""
        return Position(self.history, self.horizon, 0)

    def position(self, event: Event) -> Position:
        """Return an event's id."""
        return Position(self.history, event.transaction, event.number)

    def lacks_before(self, position: Position) -> str | None:
        """Return why events behind a position are missing from the log; None where none are.

        Args:
            position: Up to where somebody has read.
        """
        if position.history != self.history:
            return "the database is another one, or another server's, than the one of the last id"
        if (position.transaction, position.number) < self.trimmed:
            return "the log does not reach back to the last id (events.keep, events.keep_most)"
        return None


def in_schema(sql: LiteralString, schema: str) -> bytes:
    """Return a statement for who sends it past a pool.

    Args:
        sql: The statement.
        schema: The name of AutoGPT's schema.
    """
    return sql.replace("platform.", f"{quoted(schema)}.").encode()


def parameters(
    selection: Selection, after: Position | None = None, *, limit: int = MOST
) -> dict[str, Any]:
    """Return what the statements have to know.

    Args:
        selection: Which events.
        after: Behind which position; None: from the beginning of the log.
        limit: How many are looked at.
    """
    transaction, number = (after.transaction, after.number) if after else (0, 0)
    return {
        **selection._asdict(),
        "transaction_id": str(transaction),
        "number": number,
        "limit": limit,
    }
