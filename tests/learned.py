"""What a pool knows of a schema, taken from one that has read the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.pool import Pool

_READ: dict[str, Catalogue] = {}
"""What the pools of this process have read, by its fingerprint."""

_FINGERPRINTS: dict[str, str] = {}
"""Those of templates' copies."""

_UNFINISHED = """
SELECT EXISTS (
       SELECT FROM platform."_prisma_migrations"
        WHERE "finished_at" IS NULL AND "rolled_back_at" IS NULL
       )
"""


async def learn(pool: Pool, copy_of: str | None, *, seconds: float) -> bool:
    """Do as `Pool.wait` does, but read no catalogue twice.

    Most tests have a copy of a template, and to read its catalogue costs PostgreSQL as much as to
    copy it. Whether one is the same is told as the product tells whether its own has changed: by
    the versions of all rows that it is made of. A copy has them all: where nobody has changed the
    schema since, not even that has to be asked.

    Args:
        pool: Learns.
        copy_of: The template of which its database is a copy, with the same schema still.
        seconds: Most to wait for its connections.
    """
    if not await pool._connections.wait(seconds):
        return False
    knowledge = pool.knowledge
    call = knowledge._open_call()
    fingerprint = _FINGERPRINTS.get(copy_of) if copy_of else None
    if fingerprint is None:
        schema = {"schema": call.schema}
        fingerprint, _ = await knowledge._fingerprinted(call, schema, recorded=False)
    if copy_of:
        _FINGERPRINTS[copy_of] = fingerprint
    if fingerprint in _READ:
        knowledge.learn(_READ[fingerprint])
        knowledge._fingerprint = fingerprint
        if _READ[fingerprint].has("_prisma_migrations", "finished_at"):
            row = await call.row(_UNFINISHED)
            knowledge.migrating = row is not None and bool(row[0])
    else:
        await knowledge.look()
        if knowledge.catalogue is not None:
            _READ[fingerprint] = knowledge.catalogue
    return True
