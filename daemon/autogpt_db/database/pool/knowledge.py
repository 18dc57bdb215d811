"""What a process knows of AutoGPT's schema, and how it keeps up while AutoGPT migrates.

The catalogue is read once. From then on a fingerprint of it is asked for now and then, and at once
when a statement fails in a way that smells of a migration; when it has changed, the catalogue is
read again.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

import psycopg

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.catalogue_statement import READ
from autogpt_db.errors import AutogptDbError
from autogpt_db.logs.events import database as log

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import LiteralString

    from autogpt_db.database.pool.statements import Statements

INTERVAL = 2.0
"""Seconds between two looks at the fingerprint."""
TIMEOUT = 3.0
"""Seconds that a look may take."""

# A row of the catalogue that changes gets another xmin; statistics are written in place.
_FINGERPRINT: LiteralString = """
SELECT md5(concat_ws(
           ' ',
           (
               SELECT concat(namespace.xmin, namespace.nspacl)
                 FROM place
                 JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = place.oid
           ),
           (
               SELECT string_agg(concat(class.oid, '.', class.xmin), ' ' ORDER BY class.oid)
                 FROM place
                 JOIN pg_catalog.pg_class AS class ON class.relnamespace = place.oid
           ),
           (
               SELECT string_agg(
                          concat(attribute.attrelid, attribute.xmin), ' '
                          ORDER BY attribute.attrelid, attribute.attnum
                      )
                 FROM place
                 JOIN pg_catalog.pg_class AS class
                   ON class.relnamespace = place.oid AND class.relkind IN ('r', 'p', 'v', 'm')
                 JOIN pg_catalog.pg_attribute AS attribute
                   ON attribute.attrelid = class.oid AND attribute.attnum > 0
           ),
           (
               SELECT string_agg(concat(label.oid, '.', label.xmin), ' ' ORDER BY label.oid)
                 FROM place
                 JOIN pg_catalog.pg_type AS type ON type.typnamespace = place.oid
                 JOIN pg_catalog.pg_enum AS label ON label.enumtypid = type.oid
           ),
           (
               SELECT string_agg(concat(function.oid, '.', function.xmin), ' '
                                 ORDER BY function.oid)
                 FROM place
                 JOIN pg_catalog.pg_proc AS function ON function.pronamespace = place.oid
                WHERE function.probin IS NULL
           ),
           (
               SELECT concat(namespace.oid, '.', namespace.xmin)
                 FROM place
                 JOIN pg_catalog.pg_class AS class
                   ON class.relnamespace = place.oid AND class.relname = 'UnifiedContentEmbedding'
                 JOIN pg_catalog.pg_attribute AS attribute
                   ON attribute.attrelid = class.oid AND attribute.attname = 'embedding'
                 JOIN pg_catalog.pg_type AS type ON type.oid = attribute.atttypid
                 JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = type.typnamespace
           ),
           (
               SELECT string_agg(concat(policy.oid, '.', policy.xmin), ' ' ORDER BY policy.oid)
                 FROM pg_catalog.pg_policy AS policy
           ),
           (
               SELECT string_agg(concat(function.oid, '.', function.xmin), ' '
                                 ORDER BY function.oid)
                 FROM pg_catalog.pg_proc AS function
                WHERE function.pronamespace = to_regnamespace('autogpt_db')
           ),
           (
               SELECT concat(namespace.oid, '.', namespace.xmin)
                 FROM pg_catalog.pg_namespace AS namespace
                WHERE namespace.oid = to_regnamespace('autogpt_db')
           ),
           (
               SELECT string_agg(concat(class.oid, '.', class.xmin), ' ' ORDER BY class.oid)
                 FROM pg_catalog.pg_class AS class
                WHERE class.relnamespace = to_regnamespace('autogpt_db')
                  AND class.relkind IN ('r', 'p')
           ),
           (
               SELECT string_agg(role.oid::text, ' ' ORDER BY role.oid)
                 FROM pg_catalog.pg_roles AS role
                WHERE pg_has_role(role.oid, 'USAGE')
           ),
           (
               SELECT concat(role.rolbypassrls, role.rolsuper)
                 FROM pg_catalog.pg_roles AS role
                WHERE role.rolname = current_user
           )
       ))
"""
_PLACE: LiteralString = """
WITH place AS MATERIALIZED (
    SELECT to_regnamespace(%(schema)s)::oid AS oid
)
"""

LOOK: LiteralString = f"{_PLACE}{_FINGERPRINT}, false"
"""The fingerprint, and whether a migration is under way: nobody records them here."""

LOOK_WITH_RECORD: LiteralString = f"""{_PLACE}{_FINGERPRINT}, EXISTS (
       SELECT
         FROM platform."_prisma_migrations"
        WHERE "finished_at" IS NULL AND "rolled_back_at" IS NULL
       )
"""
"""The same, where AutoGPT's migrations are recorded."""

# Not there, or of another kind: schemas, syntax and names, features, values of an enum, what must
# not be null or is checked, and what PostgreSQL itself did not expect.
_SMELLS = ("3F000", "42", "0A000", "22P02", "23502", "23514", "XX000")
# What no change of values can make right.
_SHAPE = ("3F000", "42", "0A000", "XX000")


class Knowledge:
    """What is known of the schema.

    Args:
        open_call: Returns what one look asks through.
        live_events: Whether statements record what they change.

    Attributes:
        catalogue: What it has, as read last; None before.
        capabilities: What statements depend on; None before.
        migrating: Whether AutoGPT's migrations are under way, as far as they are recorded.
        version: How often it was found changed.
        when_learned: Called with the catalogue whenever it has been read.
    """

    def __init__(self, open_call: Callable[[], Statements], *, live_events: bool = False) -> None:
        self._open_call = open_call
        self._live_events = live_events
        self.catalogue: Catalogue | None = None
        self.capabilities: Capabilities | None = None
        self.migrating = False
        self.version = 0
        self.when_learned: list[Callable[[Catalogue], None]] = []
        self._fingerprint: str | None = None
        self._looks = 0
        self._looking = asyncio.Lock()

    async def keep_up(self) -> NoReturn:
        """Look now and then, until cancelled; an outage is somebody else's to tell of."""
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.look()
            except (AutogptDbError, psycopg.Error, OSError):
                continue
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
                log.schema_unreadable(exc_info=error)

    async def look(self) -> None:
        """Look whether the schema has changed, and read it again if it has.

        Whoever comes while a look is under way gets the next one, and they share it: what failed
        before it began is explained by it.
        """
        asked = self._looks
        async with self._looking:
            if self._looks == asked:
                self._looks += 1
                async with asyncio.timeout(TIMEOUT):
                    await self._look(self._open_call())

    def learn(self, catalogue: Catalogue) -> None:
        """Take a catalogue that has just been read for what the schema has."""
        self.catalogue = catalogue
        found = Capabilities.of(catalogue)
        self.capabilities = replace(found, live_events=self._live_events)
        self.version += 1
        for tell in self.when_learned:
            tell(catalogue)

    async def _look(self, database: Statements) -> None:
        recorded = self.catalogue is not None and (
            self.catalogue.has("_prisma_migrations", "finished_at")
            and self.catalogue.may("r", "_prisma_migrations", ("finished_at", "rolled_back_at"))
        )
        schema = {"schema": database.schema}
        fingerprint, self.migrating = await self._fingerprinted(database, schema, recorded=recorded)
        if fingerprint == self._fingerprint:
            return
        # After the fingerprint: what changes in between is seen by the next look.
        began = time.monotonic()
        document = await database.json(READ, schema)
        assert document is not None, "a SELECT without FROM has one row"
        first, read = self.catalogue is None, Catalogue.decode(document)
        self._fingerprint = fingerprint
        if read == self.catalogue:
            return
        self.learn(read)
        if not first:
            log.schema_changed(seconds=round(time.monotonic() - began, 3))
        elif not recorded:
            await self._look(database)  # and now with their record, if there is one

    @staticmethod
    async def _fingerprinted(
        database: Statements, schema: Mapping[str, str], *, recorded: bool
    ) -> tuple[str, bool]:
        if recorded:
            try:
                row = await database.row(LOOK_WITH_RECORD, schema)
            except (AutogptDbError, psycopg.Error) as error:
                if not is_about_schema(error):
                    raise
                recorded = False  # the record is gone, or closed to us
        if not recorded:
            row = await database.row(LOOK, schema)
        assert row is not None, "a SELECT without FROM has one row"
        fingerprint, migrating = row
        return fingerprint, migrating


def smells_of_migration(error: BaseException) -> bool:
    """Tell whether a statement's failure may come from a schema that has changed."""
    return (_state(error) or "").startswith(_SMELLS)


def is_about_schema(error: BaseException) -> bool:
    """Tell whether a failure is about the schema, whatever the call's values are."""
    return (_state(error) or "").startswith(_SHAPE)


def _state(error: BaseException) -> str | None:
    # An operation may have given the failure another class, once or more often.
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, psycopg.Error):
        cause = cause.__cause__
    return cause.sqlstate if cause is not None else None
