"""Tables whose old rows the job retain deletes by themselves, each where its option says so.

A further table is a row of `RETAINED` and an option of its name, with `_days`, in the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.worker import retained_chats

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities


class Retained(NamedTuple):
    """A table whose rows go when they are old, with what is a part of them.

    Attributes:
        name: What its rows are; `retain.{name}_days` says when they go.
        delete: Deletes up to `batch` rows older than `horizon` (of chats one turn at least), and
            returns their number and where the next batch goes on: its `after`, NULL at the end.
            Where no index knows how old rows are it looks at `page` of them at most. A row that
            somebody else holds is left to the next run. None where there is no such table.
    """

    name: str
    delete: ForSchema[LiteralString | None]


def _by_age(table: LiteralString) -> LiteralString:
    """Return what deletes by age, which has an index: what has gone needs no walking past."""
    return f"""
WITH deleted AS (
    DELETE FROM {table}
     WHERE "id" = ANY (ARRAY(
           SELECT "id"
             FROM {table}
            WHERE "createdAt" < %(horizon)s
            ORDER BY "createdAt"
            LIMIT %(batch)s
              FOR UPDATE SKIP LOCKED
     ))
    RETURNING "id"
)
SELECT count(*), CASE WHEN count(*) = %(batch)s THEN max("id") END
  FROM deleted
"""


_COST_LOG: LiteralString = _by_age('platform."PlatformCostLog"')
_BOT_EVENTS: LiteralString = _by_age('platform."BotEvent"')


def _workspace_files(capabilities: Capabilities) -> LiteralString | None:
    if not capabilities.workspaces:
        return None
    shared: LiteralString = ""
    if capabilities.shared_files:
        shared += """
              AND NOT EXISTS (
                  SELECT FROM platform."SharedExecutionFile" AS shared
                   WHERE shared."fileId" = file."id"
              )"""
    if capabilities.share:
        shared += """
              AND NOT EXISTS (
                  SELECT FROM platform."SharedChatFile" AS shared
                   WHERE shared."fileId" = file."id"
              )"""
    # No index knows when a file was deleted, so a run goes through all of them once, by their ids.
    # What a public page still shows stays.
    return f"""
WITH page AS MATERIALIZED (
    SELECT "id"
      FROM platform."UserWorkspaceFile"
     WHERE "id" > %(after)s
     ORDER BY "id"
     LIMIT %(page)s
), deleted AS (
    DELETE FROM platform."UserWorkspaceFile"
     WHERE "id" = ANY (ARRAY(
           SELECT file."id"
             FROM page
             JOIN platform."UserWorkspaceFile" AS file ON file."id" = page."id"
            WHERE file."isDeleted"
              AND COALESCE(file."deletedAt", file."updatedAt") < %(horizon)s{shared}
            ORDER BY file."id"
            LIMIT %(batch)s
              FOR UPDATE OF file SKIP LOCKED
     ))
    RETURNING "id"
)
SELECT count(*), CASE WHEN count(*) = %(batch)s
                      THEN max("id")
                      ELSE (SELECT max(page."id") FROM page)
                 END
  FROM deleted
"""


RETAINED = (
    # Whole chats go before old messages of those that stay.
    Retained("chats", ForSchema(retained_chats.sessions)),
    Retained("chat_messages", ForSchema(retained_chats.messages)),
    Retained(
        "cost_log",
        ForSchema(lambda capabilities: _COST_LOG if capabilities.cost_log else None),
    ),
    Retained("workspace_files", ForSchema(_workspace_files)),
    Retained(
        "bot_events",
        ForSchema(lambda capabilities: _BOT_EVENTS if capabilities.bots else None),
    ),
)
