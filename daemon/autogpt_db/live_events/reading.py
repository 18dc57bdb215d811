"""Reading the log of live events: in an order that never changes, from any position on.

Events are in the order of their transactions' numbers, and within one in that of their own. What is
read ends below the oldest transaction that is still under way, in whatever database of the server:
all below it have ended, so that nothing can appear later in front of what was read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import InvalidValueError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import LiteralString

MOST = 500
"""Events that one statement returns."""
_LARGEST = 2**63 - 1
_WRITTEN = re.compile(r"([0-9a-f]{8})-(\d{1,19})-(\d{1,19})", re.ASCII)

# Whose numbers they are: the server's, on its timeline, in this database. After a restore or a
# failover another transaction may have the number that a reader has seen. And what this statement
# sees has a beginning and an end: what was deleted, and what is not certain yet.
_HERE: LiteralString = """
WITH here AS MATERIALIZED (
    SELECT left(
               md5(
                   concat_ws(
                       ' ',
                       (SELECT system_identifier FROM pg_control_system()),
                       CASE WHEN NOT pg_is_in_recovery() THEN
                           left(pg_walfile_name(pg_current_wal_lsn()), 8)
                       END,
                       (SELECT oid FROM pg_database WHERE datname = current_database())
                   )
               ),
               8
           ) AS history,
           pg_snapshot_xmin(now.snapshot) AS horizon,
           pg_snapshot_xmax(now.snapshot) AS beyond
      FROM (SELECT pg_current_snapshot() AS snapshot) AS now
)
SELECT here.history, here.horizon::text::bigint, here.horizon < here.beyond,
       trim.transaction_id::text::bigint, trim.number,
       event.transaction_id::text::bigint, event.number, event.user_id, event.graph_id,
       event.graph_execution_id, event.kind, event.document
  FROM here
  LEFT JOIN autogpt_db.live_event_trim AS trim ON trim.transaction_id < here.beyond
"""
_EVENT: LiteralString = """
       SELECT stored.transaction_id, stored.number, stored.user_id, stored.graph_id,
              stored.graph_execution_id,
              CASE
                  WHEN stored.status IS NULL THEN 'balance'
                  WHEN stored.node_execution_id IS NULL THEN 'graph_execution'
                  ELSE 'node_execution'
              END AS kind,
              json_strip_nulls(
                  json_build_object(
                      'at', to_char(stored.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
                      'user_id', stored.user_id,
                      'organization_id', stored.organization_id,
                      'balance', stored.balance,
                      'graph_id', stored.graph_id,
                      'graph_execution_id', stored.graph_execution_id,
                      'node_id', stored.node_id,
                      'node_execution_id', stored.node_execution_id,
                      'status', stored.status
                  )
              )::text AS document
         FROM autogpt_db.live_event AS stored
"""
_SELECTED: LiteralString = """
          AND (%(user_id)s::text IS NULL OR stored.user_id = %(user_id)s::text)
          AND (%(graph_id)s::text IS NULL OR stored.graph_id = %(graph_id)s::text)
          AND (
              %(graph_execution_id)s::text IS NULL
              OR stored.graph_execution_id = %(graph_execution_id)s::text
          )
"""

READ: LiteralString = f"""{_HERE}
  LEFT JOIN LATERAL ({_EVENT}
        WHERE (stored.transaction_id, stored.number)
              > (%(transaction_id)s::text::xid8, %(number)s::bigint)
          AND stored.transaction_id < here.horizon{_SELECTED}
        ORDER BY stored.transaction_id, stored.number
        LIMIT %(limit)s::integer
       ) AS event ON true
 ORDER BY event.transaction_id, event.number
"""
"""Events behind a position, the first ones of them."""

READ_LAST: LiteralString = f"""{_HERE}
  LEFT JOIN LATERAL ({_EVENT}
        WHERE stored.transaction_id < here.horizon{_SELECTED}
        ORDER BY stored.transaction_id DESC, stored.number DESC
        LIMIT %(limit)s::integer
       ) AS event ON true
 ORDER BY event.transaction_id, event.number
"""
"""The last events."""


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
        user_id: Whose it is; None for an organization's balance.
        graph_id: The graph that is executed; None for a balance.
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
        events: What was found, in order.
        limit: How many events it has at most.
    """

    history: str
    horizon: int
    waits: bool
    trimmed: tuple[int, int]
    events: list[Event]
    limit: int

    @classmethod
    def of(cls, rows: Sequence[tuple[Any, ...]], limit: int) -> Page:
        """Return what `READ` or `READ_LAST` has returned.

        Args:
            rows: Theirs.
            limit: What they were given.
        """
        history, horizon, waits, transaction, number = rows[0][:5]
        found = [Event(*row[5:]) for row in rows if row[5] is not None]
        return cls(history, horizon, waits, (transaction or 0, number or 0), found, limit)

    @property
    def end(self) -> Position:
        """Return up to where the log has been read now."""
        return self.horizon_position if self.is_last else self.position(self.events[-1])

    @property
    def beginning(self) -> Position:
        """Return the position before everything that the log has."""
        return Position(self.history, *self.trimmed)

    @property
    def horizon_position(self) -> Position:
        """Return the position behind everything that is certain."""
        return Position(self.history, self.horizon, 0)

    @property
    def is_last(self) -> bool:
        """Tell whether there is nothing more that is certain."""
        return len(self.events) < self.limit

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


def parameters(
    selection: Selection, after: Position | None = None, *, limit: int = MOST
) -> dict[str, Any]:
    """Return what the statements have to know.

    Args:
        selection: Which events.
        after: Behind which position; None: from the beginning of the log.
        limit: How many at most.
    """
    transaction, number = (after.transaction, after.number) if after else (0, 0)
    return {
        **selection._asdict(),
        "transaction_id": str(transaction),
        "number": number,
        "limit": limit,
    }
