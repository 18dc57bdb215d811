"""One connection's statements: each prepared once, and sent and read in as few steps as there are.

psycopg's cursor makes its way through a dozen objects for every statement, which takes longer than
the server does for a short one. What it is made of is used here: its adaptation of values, its way
of talking to libpq, its errors.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute
from psycopg.pq import ExecStatus

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

MOST_PREPARED = 100
"""Statements that stay prepared on one connection: those that were used last."""
STATEMENTS_READ = 2000
"""Statements whose placeholders are known; there are fewer, as their text is static."""

_PLACEHOLDER = re.compile(r"%(?:\((\w+)\)([sbt])|%)")
_FORMATS = {"s": PyFormat.AUTO, "b": PyFormat.BINARY, "t": PyFormat.TEXT}
_CHANGED_PLAN = "0A000"
"""SQLSTATE of a prepared statement whose result has other columns than it had: a table changed."""
_Key = tuple[str, tuple[int, ...]]


class _Text(NamedTuple):
    """A statement as the server takes it.

    Attributes:
        text: Its text, with numbered placeholders.
        names: The parameters, in that order.
        formats: How each travels.
    """

    text: bytes
    names: tuple[str, ...]
    formats: tuple[PyFormat, ...]


@lru_cache(maxsize=STATEMENTS_READ)
def _read(statement: str) -> _Text:
    formats: dict[str, PyFormat] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        if name is None:
            return "%"
        formats.setdefault(name, _FORMATS[found[2]])
        return f"${list(formats).index(name) + 1}"

    text = _PLACEHOLDER.sub(number, statement)
    return _Text(text.encode(), tuple(formats), tuple(formats.values()))


class Commands:
    """Runs the statements of one connection, and reads what they return."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Begin with none prepared.

        Args:
            connection: Is not used for anything else while one of them runs.
        """
        self._pgconn: PGconn = connection.pgconn
        self._transformer = Transformer(connection)
        self._names: OrderedDict[_Key, bytes] = OrderedDict()
        self._count = 0

    def run(self, statement: LiteralString, parameters: Mapping[str, Any]) -> PQGen[PGresult]:
        """Run a statement, for the connection's `wait`.

        Args:
            statement: Its text, with `%(name)s` for each parameter.
            parameters: By name.

        Raises:
            psycopg.Error: It failed.
        """
        transformer = self._transformer
        text = _read(statement)
        values = transformer.dump_sequence([parameters[name] for name in text.names], text.formats)
        key = statement, transformer.types or ()
        formats = transformer.formats
        name = self._names.get(key)
        if name is None:
            name = yield from self._prepare(key, text.text)
        else:
            self._names.move_to_end(key)
        self._pgconn.send_query_prepared(name, values, param_formats=formats)
        try:
            return _good((yield from execute(self._pgconn)))
        except psycopg.Error as error:
            if error.sqlstate == _CHANGED_PLAN:
                self._names.pop(key, None)  # prepared anew it knows them
            raise

    def rows(self, result: PGresult) -> list[tuple[Any, ...]]:
        """Return what a statement has returned."""
        transformer = self._transformer
        transformer.set_pgresult(result)
        try:
            return transformer.load_rows(0, result.ntuples, tuple)
        finally:
            transformer.set_pgresult(None)  # it may be large

    def first(self, result: PGresult) -> tuple[Any, ...] | None:
        """Return the first row of it, or None."""
        if not result.ntuples:
            return None
        transformer = self._transformer
        transformer.set_pgresult(result)
        try:
            return transformer.load_row(0, tuple)
        finally:
            transformer.set_pgresult(None)

    def _prepare(self, key: _Key, text: bytes) -> PQGen[bytes]:
        if len(self._names) >= MOST_PREPARED:
            _, oldest = self._names.popitem(last=False)
            self._pgconn.send_query(b"DEALLOCATE " + oldest)
            _good((yield from execute(self._pgconn)))
        self._count += 1
        name = b"statement_%d" % self._count
        self._pgconn.send_prepare(name, text, param_types=key[1])
        _good((yield from execute(self._pgconn)))
        self._names[key] = name
        return name


def _good(results: list[PGresult]) -> PGresult:
    """Return the result of a statement.

    Raises:
        psycopg.Error: It failed, or its connection ended afterwards.
    """
    for result in results:
        if result.status == ExecStatus.FATAL_ERROR:
            raise psycopg.errors.error_from_result(result)
    return results[-1]
