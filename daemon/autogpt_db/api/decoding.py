"""Where a body becomes arguments: on the event loop while that is quick, else in a helper process.

What a body costs depends on its shape far more than on its size: a text of 64 KB takes 50 µs, as
many empty lists that must be cleaned 20 ms. Everybody else waits while the loop computes, so it
takes on no more than a share of each of its turns.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.errors import ArgumentsNotHonouredError
from autogpt_db.operations.reading import read_body
from autogpt_db.signatures.json_text import is_clean

if TYPE_CHECKING:
    from autogpt_db.database.pool.knowledge import Knowledge
    from autogpt_db.helpers import Helpers
    from autogpt_db.operations import Operation
    from autogpt_db.settings import LimitsSettings

LARGEST_ANYHOW = 16_384
"""Bytes of a body that is read on the loop whatever its shape: 6 ms at most."""
LARGEST_PLAIN = 65_536
"""Bytes of a body that is read on the loop where nothing needs to be converted or cleaned."""
NOT_MEASURED = 2_048
"""Bytes of a body that takes no time worth measuring."""
SHARE = 0.05
"""Seconds of one turn of the loop that go into reading bodies; what comes then goes elsewhere."""


class Arguments(NamedTuple):
    """What a body says.

    Attributes:
        values: The call's arguments, by name.
        digest: SHA-256 of the body, where it was asked for.
    """

    values: dict[str, Any]
    digest: bytes = b""


class Decoding:
    """Reads the bodies of one process.

    Args:
        helpers: Read what the loop should not.
        limits: Bound what is read.
        knowledge: Which arguments the database has something for.
    """

    def __init__(self, helpers: Helpers, limits: LimitsSettings, knowledge: Knowledge) -> None:
        self._helpers = helpers
        self._knowledge = knowledge
        self._limits = limits
        self._spent = 0.0

    def at_once(self, operation: Operation, body: bytes) -> dict[str, Any] | None:
        """Return a call's arguments if they can be had quickly, else None.

        Raises:
            CallError: They don't fit.
        """
        values = self._quickly(operation, body)
        if values is not None:
            self._admit(operation, values)
        return values

    def _quickly(self, operation: Operation, body: bytes) -> dict[str, Any] | None:
        size = len(body)
        if size <= NOT_MEASURED:
            return operation.decode(body, self._limits)
        if size > LARGEST_PLAIN or self._spent > SHARE:
            return None
        if not self._spent:
            asyncio.get_running_loop().call_soon(self._next_turn)
        began = time.perf_counter()
        try:
            if size <= LARGEST_ANYHOW:
                return operation.decode(body, self._limits)
            if not is_clean(body):
                return None
            return operation.decode_fast(body, self._limits)
        except Exception:
            if size <= LARGEST_ANYHOW:
                raise
            return None  # a helper says what is wrong, or converts
        finally:
            self._spent += time.perf_counter() - began

    async def read(self, operation: Operation, body: bytes, *, digest: bool = False) -> Arguments:
        """Return a call's arguments, wherever they can be had.

        Args:
            operation: What is called.
            body: The request's.
            digest: Whether the body's digest is wanted as well.

        Raises:
            ArgumentsNotHonouredError: There are some that we cannot honour; it has the body.
            CallError: They don't fit.
        """
        try:
            values = self.at_once(operation, body)
            if values is not None:
                return Arguments(values, hashlib.sha256(body).digest() if digest else b"")
            found = Arguments(
                *await self._helpers.run(
                    read_body, operation.name, body, self._limits, digest, size=len(body)
                )
            )
            self._admit(operation, found.values)
        except ArgumentsNotHonouredError as error:
            error.rest = body
            raise
        return found

    def _admit(self, operation: Operation, values: dict[str, Any]) -> None:
        knowledge = self._knowledge
        operation.admit(values, knowledge.capabilities, migrating=knowledge.migrating)

    def _next_turn(self) -> None:
        self._spent = 0.0
