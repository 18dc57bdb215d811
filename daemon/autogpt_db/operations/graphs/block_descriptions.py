"""What blocks do, in words that are made for language models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db import models
from autogpt_db.operations import Database, Reply, operation
from autogpt_db.signatures.bounds import fetch_list, listed
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

NOT_OPTIMIZED = listed("""
SELECT json_build_object(
           'id', block."id",
           'name', block."name",
           'description', block."description"
       ) AS document
  FROM platform."AgentBlock" AS block
 WHERE block."description" IS NOT NULL AND block."optimizedDescription" IS NULL
 ORDER BY block.ctid
""")

OPTIMIZE: LiteralString = """
UPDATE platform."AgentBlock"
   SET "optimizedDescription" = %(optimized_description)s
 WHERE "id" = %(block_id)s
"""


@operation(reads=True)
async def get_blocks_needing_optimization(
    database: Database,
) -> Reply[list[models.BlockDescription]]:
    """Return the blocks that have a description, and none yet that is made for language models.

    Raises:
        ResultTooLargeError: The list is longer or larger than the settings allow.
    """
    return await fetch_list(database, NOT_OPTIMIZED, {}, narrow="raise the bound")


@operation(reads=False, repeat=harmless("Says the same again."))
async def update_block_optimized_description(
    database: Database, block_id: str, optimized_description: str
) -> None:
    """Give a block a description for language models; an unknown block is passed over.

    Args:
        block_id: The block.
        optimized_description: The description.
    """
    await database.execute(
        OPTIMIZE, {"block_id": block_id, "optimized_description": optimized_description}
    )
