"""Operations whose statements depend on what the database has; an API process loads them by name.

`LibraryAgent."folderId"` is there from v0.6.49 on.
"""

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.operations import FEW_CALLS, Database, Merged, Reply, operation

NONE = "SELECT to_json('without'::text)"
COUNTED = """SELECT to_json('with'::text) FROM platform."User" WHERE "id" = %(user_id)s"""
FOLDERS = """
SELECT to_json('with'::text)
  FROM (SELECT count("folderId") FROM platform."LibraryAgent") AS counted
"""
BATCH = f"""
SELECT call.place, ({{}})
  FROM json_to_recordset(%(calls)s::json) AS call (place integer)
 WHERE {FEW_CALLS}
"""

ALONE = ForSchema(lambda has: FOLDERS if has.folders else NONE)
TOGETHER = ForSchema(
    lambda has: Merged(
        single=FOLDERS if has.folders else NONE,
        batch=BATCH.format(FOLDERS if has.folders else NONE),
        texts=("user_id",),
        reads=True,
    )
)


@operation(reads=True)
async def folders_alone(database: Database, user_id: str) -> Reply[str]:
    """Tell whether there are folders, by a statement of its own."""
    return await database.json(ALONE(database.capabilities), {"user_id": user_id})


@operation(reads=True)
async def folders_together(database: Database, user_id: str) -> Reply[str]:
    """Tell whether there are folders, merged with other calls."""
    return await database.merged(TOGETHER(database.capabilities), {"user_id": user_id})
