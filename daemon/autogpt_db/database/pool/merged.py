"""What an operation declares beside its SQL, so that its calls may be merged."""

from __future__ import annotations

from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any, LiteralString

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BOUNDED_CALLS: LiteralString = (
    "json_to_recordset((SELECT %(calls)s::json FROM set_config('lock_timeout', '1s', true)))"
)
"""The calls of a batch that writes, as the rows that it reads.

Reading them bounds, for this statement alone, how long it waits for a row that another transaction
holds: the others in the batch have nothing to do with that row.
"""


@dataclass(frozen=True, eq=False)
class Merged:
    """A statement for one call, and its form for many.

    Attributes:
        single: Named parameters in, a `json` document in the first column of at most one row.
        batch: `%(calls)s` is a JSON array of objects: the parameters of each call, and its
            `place`. Returns rows of place and document; a place that is missing stands for None.
            One that writes reads them from `BOUNDED_CALLS`.
        texts: Parameters that are text, or null.
        documents: Parameters that are JSON, or null: they stand in the array as they are.
        key: Parameters that name the row: no two calls with the same share a batch or are under
            way at once, so that they happen in the order of their arrival, and a batch touches
            its rows in the order of their keys, so that two daemons cannot block each other.
            Every write has one.
        shares: Whether calls with the same key may share a batch nevertheless, because the batch
            does them in their order.
        reads: Whether it only reads.
    """

    single: LiteralString
    batch: LiteralString
    texts: tuple[str, ...]
    documents: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    shares: bool = False
    reads: bool = False

    def __post_init__(self) -> None:
        assert self.reads or self.key, "writes without a key would lose their order"
        assert self.reads or BOUNDED_CALLS in self.batch, "a batch that writes bounds its waits"

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
