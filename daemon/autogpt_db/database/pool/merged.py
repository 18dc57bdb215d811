"""What an operation declares beside its SQL, so that its calls may be merged."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, LiteralString, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BOUNDED_CALLS: LiteralString = (
    "json_to_recordset((SELECT %(calls)s::json FROM set_config('lock_timeout', '1s', true)))"
)
"""The calls of a batch that writes, as the rows that it reads.

Reading them bounds, for this statement alone, how long it waits for a row that another transaction
holds: the others in the batch have nothing to do with that row.
"""
PARSED_CALLS: LiteralString = (
    "jsonb_to_recordset((SELECT %(calls)s::jsonb FROM set_config('lock_timeout', '1s', true)))"
)
"""The same, for calls whose documents all become `jsonb`: these are parsed once, and not thrice."""
FEW_CALLS: LiteralString = "call.place BETWEEN 0 AND 63"
"""What is true of every call of a batch, and lets PostgreSQL expect that there are few.

It takes any JSON array for a hundred rows, and reads a table of some thousands to its end rather
than looking for so many. A batch goes by the indexes that one call goes by, at every size.
"""
_CLAIMED: LiteralString = """(
    SELECT autogpt_db.claimed_calls_v2(%(calls)s::json, %(method)s::text, %(keys)s::text[])
      FROM set_config('lock_timeout', '1s', true)
)"""
_CLAIMED_CALLS: dict[LiteralString, LiteralString] = {
    BOUNDED_CALLS: f"json_to_recordset({_CLAIMED})",
    PARSED_CALLS: f"jsonb_to_recordset({_CLAIMED}::jsonb)",
}
"""What stands there where calls have idempotency keys: those whose key is neither held nor used."""


_KEPT: LiteralString = """replied (place, reply) AS (
    SELECT place, convert_to(COALESCE(document::text, 'null'), 'UTF8')
      FROM answered
), kept AS (
    INSERT INTO autogpt_db.idempotency_key (method, key, fingerprint, status, reply)
    SELECT %(method)s::text,
           (%(keys)s::text[])[replied.place + 1],
           substring(%(fingerprints)b::bytea FROM replied.place * 32 + 1 FOR 32),
           200,
           CASE
               WHEN octet_length(replied.reply) <= %(most_bytes)s::integer THEN replied.reply
               ELSE autogpt_db.refused_reply_v1(octet_length(replied.reply))
           END
      FROM replied
)"""

MOST_CHARACTERS = 4 * 1024 * 1024
"""Characters of all parameters in one statement, and of the replies that are to be expected.

Putting them together holds the event loop.

A call that has more goes alone. PostgreSQL takes no value of more than a gigabyte, and drops the
connection that brings one.
"""
FINGERPRINT = 32
"""Bytes of a SHA-256."""
KEEPING = "idempotency key"
"""Among the parameters of a call with an idempotency key, its `Keeping`."""


@dataclass(slots=True)
class Keeping:
    """Under what a call's reply is kept.

    Attributes:
        method: The method that the key belongs to.
        key: The client's key.
        fingerprint: Digest of the call's content, `FINGERPRINT` bytes.
        most_bytes: Of its reply.
    """

    method: str
    key: str
    fingerprint: bytes
    most_bytes: int


class Sender(Protocol):
    """What statements are sent through: one call (`call.Call`).

    Attributes:
        pool_wait: Seconds that it waited for a connection.
    """

    pool_wait: float

    async def json(self, sql: LiteralString, parameters: Mapping[str, Any]) -> bytes | None:
        """Return the document in the first column of the first row."""

    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any]
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""


class NotKeptError(Exception):
    """A call with an idempotency key that has to be done in a transaction of its own."""


@dataclass(frozen=True, eq=False)
class Merged:
    """A statement for one call, and its form for many.

    Attributes:
        single: Named parameters in, a `json` document in the first column of at most one row.
        batch: `%(calls)s` is a JSON array of objects: the parameters of each call, and its
            `place`. Returns rows of place and document; a place that is missing stands for None.
            `FEW_CALLS` is among its conditions, and one that writes reads them from
            `BOUNDED_CALLS` or `PARSED_CALLS`.
        texts: Parameters that are text, or null.
        documents: Parameters that are JSON, or null: they stand in the array as they are.
        key: Parameters that name the row: no two calls with the same share a batch or are under
            way at once, so that they happen in the order of their arrival, and a batch touches
            its rows in the order of their keys, so that two daemons cannot block each other.
            Every write has one.
        shares: Whether calls with the same key may share a batch nevertheless, because the batch
            does them in their order.
        reads: Whether it only reads.
        answer: Place and document as the batch's last SELECT has them: that is where calls with
            idempotency keys keep their replies.
        keyed_batch: The batch for those calls, where it differs in more than that.
    """

    single: LiteralString
    batch: LiteralString
    texts: tuple[str, ...]
    documents: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    shares: bool = False
    reads: bool = False
    answer: tuple[LiteralString, LiteralString] | None = None
    keyed_batch: LiteralString | None = None

    def __post_init__(self) -> None:
        assert self.reads or self.key, "name the row in key=: calls of one keep their order"
        bounded = [calls for calls in _CLAIMED_CALLS if calls in self.batch]
        assert self.reads or bounded, "let a batch that writes read from BOUNDED_CALLS"
        assert FEW_CALLS in self.batch, "put FEW_CALLS among the conditions of the batch"

    @cached_property
    def keyed(self) -> KeyedMerged | None:
        """Return the same for calls with idempotency keys; None where each goes by itself."""
        if self.answer is None:
            return None
        place, document = self.answer
        batch = self.keyed_batch or self.batch
        last = f"SELECT {place}, {document}"
        ((calls, claimed),) = [each for each in _CLAIMED_CALLS.items() if each[0] in batch]
        once = batch.count(last) == batch.count(calls) == 1
        assert once, f"let the batch end in `{last}`, as answer= says"
        ahead, _, behind = batch.replace(calls, claimed).partition(last)
        text: LiteralString = f"""{ahead}, answered (place, document) AS MATERIALIZED (
{last}{behind}), {_KEPT}
SELECT place, document
  FROM answered
"""
        return KeyedMerged(text, self)

    async def alone(self, sender: Sender, parameters: Mapping[str, Any]) -> bytes | None:
        """Send one call by itself, and return its document."""
        return await sender.json(self.single, parameters)

    def parameters_of(self, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the batch's parameters."""
        return {"calls": self.encode(calls)}

    def size_of(self, parameters: Mapping[str, Any]) -> int:
        """Return how many characters a call adds to a batch, about.

        Args:
            parameters: The call's.
        """
        size = 0
        for name in self.texts:
            size += len(parameters[name] or "")
        for name in self.documents:
            size += len(parameters[name] or "")
        return size

    def encode(self, calls: Iterable[Mapping[str, Any]]) -> str:
        """Return the parameters of calls as the array that `batch` reads.

        Raises:
            ValueError: One holds U+0000, which PostgreSQL's text cannot: `single` refuses it too.
                A batch would only where it comes to read that call, which no row may ask for.
        """
        objects = []
        for place, parameters in enumerate(calls):
            members = [f'{{"place":{place}']
            for name in self.texts:
                value = parameters[name]
                if value is not None:
                    if "\0" in value:
                        raise ValueError(f"{name} holds U+0000")
                    members.append(f'"{name}":{encode_basestring(value)}')
            for name in self.documents:
                value = parameters[name]
                if value is not None:
                    members.append(f'"{name}":{value}')
            objects.append(",".join(members))
        return "[" + "},".join(objects) + "}]"


class KeyedMerged:
    """A statement for many calls with idempotency keys, which keeps their replies as well.

    It leaves calls out whose key is held or used: those fail with `NotKeptError`. Parameters have
    the call's `Keeping` besides.
    """

    reads = False

    def __init__(self, batch: LiteralString, merged: Merged) -> None:
        """Take the statement, and what it was made of."""
        self.batch = batch
        self.key = merged.key
        self.shares = merged.shares
        self.texts = merged.texts
        self._size_of = merged.size_of
        self._encode = merged.encode

    def size_of(self, parameters: Mapping[str, Any]) -> int:
        """Return how many characters a call adds to a batch, about.

        Args:
            parameters: The call's.

        Raises:
            NotKeptError: So many that as one array they would be copied several times, here and
                there.
        """
        size = self._size_of(parameters)
        if size > MOST_CHARACTERS:
            raise NotKeptError
        return size

    async def alone(self, sender: Sender, parameters: Mapping[str, Any]) -> bytes | None:
        """Send one call by itself, and return its document.

        Raises:
            NotKeptError: Its key is held or used.
        """
        rows = await sender.rows(self.batch, self.parameters_of([parameters]))
        if not rows:
            raise NotKeptError
        document: bytes | None = rows[0][1]
        return document

    def parameters_of(self, calls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Return the batch's parameters."""
        all_kept: list[Keeping] = [call[KEEPING] for call in calls]
        keys = [one.key.replace("\\", "\\\\").replace('"', '\\"') for one in all_kept]
        return {
            "calls": self._encode(calls),
            "method": all_kept[0].method,
            "keys": '{"' + '","'.join(keys) + '"}',
            "fingerprints": b"".join([one.fingerprint for one in all_kept]),
            "most_bytes": all_kept[0].most_bytes,
        }
