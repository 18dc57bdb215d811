"""A call with an idempotency key, done and kept by the one statement that most writes are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

import psycopg

from autogpt_db.database.pool.call import Call
from autogpt_db.database.pool.knowledge import smells_of_migration
from autogpt_db.database.pool.merged import KEEPING, Keeping, NotKeptError
from autogpt_db.errors import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import LiteralString

    from autogpt_db.database.pool.connections import Connections
    from autogpt_db.database.pool.idempotency import Slot
    from autogpt_db.database.pool.merged import Merged
    from autogpt_db.database.pool.sending import Fetch


class KeyedCall(Call):
    """A call whose only statement may be merged, and keeps its reply; others need a transaction.

    Attributes:
        kept: The reply; None as long as nothing was written.
    """

    __slots__ = ("_keeping", "_sending", "kept")

    def __init__(
        self, connections: Connections, slot: Slot, *, deadline: float, most_bytes: int
    ) -> None:
        """Start with nothing sent.

        Args:
            connections: The process's.
            slot: The key's place.
            deadline: `time.monotonic()` moment after which nobody waits for the answer.
            most_bytes: Of its reply.
        """
        super().__init__(connections, slot.method, reads=False, deadline=deadline)
        self._keeping = Keeping(slot.method, slot.key, slot.fingerprint, most_bytes)
        self._sending = False
        self.kept: bytes | None = None

    async def merged(self, merged: Merged, parameters: Mapping[str, Any]) -> bytes | None:
        """Return a document, which is kept.

        Raises:
            NotKeptError: That cannot be done here, and nothing was.
        """
        keyed = merged.keyed
        if keyed is None or self.kept is not None:
            raise NotKeptError
        self._sending = True
        try:
            document = await self._merge(keyed, {**parameters, KEEPING: self._keeping})
        except (CallError, psycopg.Error) as error:
            if not smells_of_migration(error):
                raise
            # AutoGPT's tables or what is ours: only statements about one of them tell which.
            raise NotKeptError from error
        finally:
            self._sending = False
        self.kept = b"null" if document is None else document
        return document

    def transaction(self) -> NoReturn:
        """Refuse: the reply has to be kept in it."""
        raise NotKeptError

    async def _run(self, sql: LiteralString, parameters: Mapping[str, Any], fetch: Fetch) -> Any:
        if not self._sending:
            raise NotKeptError
        return await super()._run(sql, parameters, fetch)
