"""What statements go through, whoever sends them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

NO_PARAMETERS: Mapping[str, Any] = {}


class Statements(ABC):
    """Statements with named parameters, one after the other."""

    __slots__ = ()

    @property
    @abstractmethod
    def schema(self) -> str:
        """Return the name of AutoGPT's schema, quoted."""

    @abstractmethod
    async def row(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> tuple[Any, ...] | None:
        """Return the first row, or None."""

    @abstractmethod
    async def rows(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> list[tuple[Any, ...]]:
        """Return all rows."""

    @abstractmethod
    async def execute(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> int:
        """Run a statement and return how many rows it changed."""

    async def json(
        self, sql: LiteralString, parameters: Mapping[str, Any] = NO_PARAMETERS
    ) -> bytes | None:
        """Return the `json` document in the first column of the first row, as PostgreSQL's bytes.

        Returns:
            None when there is no row, or SQL NULL in it.
        """
        found = await self.row(sql, parameters)
        document: bytes | None = found[0] if found is not None else None
        return document
