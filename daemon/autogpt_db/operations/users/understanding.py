"""What the copilot knows about users' businesses: read when a chat begins, added to by the copilot.

Stored is only what was ever said: `{"name": …, "business": {"version": 1, …}, "suggested_prompts":
…}`. Rows of early days have other shapes, which are read as they were meant: lists in an object of
lists, prompts in a list. What is neither counts as absent; a text or an item that is no string
refuses the row, as AutoGPT does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from autogpt_db import models
from autogpt_db.errors import LimitExceededError
from autogpt_db.models.understanding import BusinessUnderstandingInput
from autogpt_db.operations import Database, JsonText, Reply, events, operation
from autogpt_db.signatures.repeats import harmless
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from typing import LiteralString

UnderstandingInput = Annotated[JsonText, Document(BusinessUnderstandingInput)]
"""The whole model: declared members, null where nothing was said."""

_TEXTS: LiteralString = """ARRAY[
                   'job_title', 'business_name', 'industry', 'business_size', 'user_role',
                   'additional_notes'
               ]"""
_LISTS: LiteralString = """ARRAY[
                   'key_workflows', 'daily_activities', 'pain_points', 'bottlenecks',
                   'manual_tasks', 'automation_goals', 'current_software', 'existing_automation'
               ]"""


def _object(value: LiteralString) -> LiteralString:
    return f"""CASE jsonb_typeof({value}) WHEN 'object' THEN {value} ELSE '{{}}' END"""


def _strings(value: LiteralString) -> LiteralString:
    """Return the strings of a list, as a `jsonb`; NULL for what is none."""
    return f"""(
                       SELECT COALESCE(jsonb_agg(item.value ORDER BY item.place), '[]')
                         FROM jsonb_array_elements(
                                  CASE jsonb_typeof({value}) WHEN 'array' THEN {value} END
                              ) WITH ORDINALITY AS item (value, place)
                        WHERE jsonb_typeof(item.value) = 'string'
                       HAVING jsonb_typeof({value}) = 'array'
                   )"""


def _list(value: LiteralString) -> LiteralString:
    """Return a stored list as it was meant, as a `jsonb`."""
    return f"""CASE jsonb_typeof({value})
                   WHEN 'array' THEN {value}
                   WHEN 'object' THEN (
                       SELECT COALESCE(jsonb_agg(item.value ORDER BY part.place, item.place), '[]')
                         FROM jsonb_each({value}) WITH ORDINALITY AS part (name, value, place)
                        CROSS JOIN jsonb_array_elements(
                                  CASE jsonb_typeof(part.value) WHEN 'array' THEN part.value END
                              ) WITH ORDINALITY AS item (value, place)
                        WHERE jsonb_typeof(item.value) = 'string'
                   )
                   ELSE '[]'
               END"""


_DATA: LiteralString = _object('understanding."data"')
_BUSINESS: LiteralString = _object("""understanding."data" -> 'business'""")
_PROMPTS: LiteralString = """understanding."data" -> 'suggested_prompts'"""

# Members that are named once, for what is shown of `understanding`.
_DOCUMENT: LiteralString = f"""(
           jsonb_build_object(
               'id', understanding."id",
               'user_id', understanding."userId",
               'created_at', autogpt_db.iso_v1(understanding."createdAt"),
               'updated_at', autogpt_db.iso_v1(understanding."updatedAt"),
               'user_name', CASE
                   WHEN COALESCE(jsonb_typeof(understanding."data" -> 'name'), 'null')
                        IN ('string', 'null')
                   THEN understanding."data" -> 'name'
                   ELSE autogpt_db.refused_v1(understanding."data" -> 'name', 'a string')
               END,
               'suggested_prompts', CASE jsonb_typeof({_PROMPTS})
                   WHEN 'object' THEN (
                       SELECT COALESCE(jsonb_object_agg(theme.name, theme.prompts), '{{}}')
                         FROM (
                              SELECT part.name, {_strings("part.value")} AS prompts
                                FROM jsonb_each({_PROMPTS}) AS part (name, value)
                              ) AS theme
                        WHERE theme.prompts IS NOT NULL
                   )
                   WHEN 'array' THEN
                       CASE {_PROMPTS}
                           WHEN '[]' THEN '{{}}'
                           ELSE jsonb_build_object('General', {_strings(_PROMPTS)})
                       END
                   ELSE '{{}}'
               END
           )
           || (
               SELECT jsonb_object_agg(word.name, CASE
                          WHEN COALESCE(jsonb_typeof(word.value), 'null') IN ('string', 'null')
                          THEN word.value
                          ELSE autogpt_db.refused_v1(word.value, 'a string')
                      END)
                 FROM (
                      SELECT name, {_BUSINESS} -> name AS value
                        FROM unnest({_TEXTS}) AS name
                      ) AS word
           )
           || (
               SELECT jsonb_object_agg(list.name, CASE
                          WHEN jsonb_path_exists(list.value, 'strict $[*] ? (@.type() != "string")')
                          THEN autogpt_db.refused_v1(list.value, 'a list of strings')
                          ELSE list.value
                      END)
                 FROM (
                      SELECT name, {_list(f"({_BUSINESS} -> name)")} AS value
                        FROM unnest({_LISTS}) AS name
                      ) AS list
           )
       )::json"""

READ: LiteralString = f"""
SELECT {_DOCUMENT}
  FROM platform."CoPilotUnderstanding" AS understanding
 WHERE understanding."userId" = %(user_id)s
"""

# What was said, in the form in which it is stored. Lists that are stored already are kept, and what
# they lack is put behind; all else that is said replaces what was there. The row is locked
# meanwhile, also one that somebody else is just making.
UPSERT: LiteralString = f"""
INSERT INTO platform."CoPilotUnderstanding" AS understanding
       ("id", "createdAt", "updatedAt", "userId", "data")
SELECT gen_random_uuid()::text, moment.now, moment.now, %(user_id)s,
       jsonb_strip_nulls(jsonb_build_object(
           'name', said.input -> 'user_name',
           'business', jsonb_build_object('version', 1) || COALESCE((
               SELECT jsonb_object_agg(part.name, CASE jsonb_typeof(part.value)
                          WHEN 'array' THEN (
                              SELECT COALESCE(jsonb_agg(item.value ORDER BY item.place), '[]')
                                FROM (
                                     SELECT each.value, min(each.place) AS place
                                       FROM jsonb_array_elements(part.value)
                                            WITH ORDINALITY AS each (value, place)
                                      GROUP BY each.value
                                     ) AS item
                          )
                          ELSE part.value
                      END)
                 FROM jsonb_each(said.input - 'user_name' - 'suggested_prompts')
                      AS part (name, value)
           ), '{{}}'),
           'suggested_prompts', said.input -> 'suggested_prompts'
       ))
  FROM (SELECT %(input_data)s::jsonb AS input) AS said
 CROSS JOIN (SELECT autogpt_db.now_v1() AS now) AS moment
    ON CONFLICT ("userId") DO UPDATE
   SET "updatedAt" = EXCLUDED."updatedAt",
       "data" = {_DATA} || EXCLUDED."data" || jsonb_build_object(
           'business', {_BUSINESS} || (EXCLUDED."data" -> 'business') || COALESCE((
               SELECT jsonb_object_agg(list.name, list.kept || COALESCE((
                          SELECT jsonb_agg(item.value ORDER BY item.place)
                            FROM jsonb_array_elements(list.added)
                                 WITH ORDINALITY AS item (value, place)
                           WHERE NOT list.kept @> jsonb_build_array(item.value)
                      ), '[]'))
                 FROM (
                      SELECT part.name, part.value AS added,
                             {_list(f"({_BUSINESS} -> part.name)")} AS kept
                        FROM jsonb_each(EXCLUDED."data" -> 'business') AS part (name, value)
                       WHERE jsonb_typeof(part.value) = 'array'
                      ) AS list
           ), '{{}}')
       )
 WHERE COALESCE(octet_length(understanding."data"::text), 0) <= %(most_bytes)s
RETURNING {_DOCUMENT}
"""


@operation(reads=True)
async def get_business_understanding(
    database: Database, user_id: str
) -> Reply[models.BusinessUnderstanding | None]:
    """Return what the copilot knows about a user's business; null when nothing was ever said.

    Args:
        user_id: The user.

    Raises:
        ValidationFailedError: What is stored is nothing that the model takes.
    """
    return await database.json(READ, {"user_id": user_id})


@operation(
    reads=False,
    repeat=harmless("Finds everything said already; `updated_at` moves."),
)
async def upsert_business_understanding(
    database: Database, user_id: str, input_data: UnderstandingInput
) -> Reply[models.BusinessUnderstanding]:
    """Add to what the copilot knows about a user's business.

    Texts and `suggested_prompts` replace what was there, items are added to their lists unless they
    are there. Of calls at once none loses what another one says. What AutoGPT keeps of it in Redis
    is forgotten afterwards; without a Redis (section `redis`) AutoGPT's start page shows
    the old prompts for up to two days.

    Args:
        user_id: The user.
        input_data: What was learned; null and absent members change nothing.

    Returns:
        All that is known now.

    Raises:
        ForeignKeyViolationError: There is no such user.
        ValidationFailedError: What is stored is nothing that the model takes; nothing is written.
        LimitExceededError: What is stored is as much as a reply may have already.
    """
    most = database.settings.limits.result_bytes
    document = await database.json(
        UPSERT, {"user_id": user_id, "input_data": input_data, "most_bytes": most}
    )
    if document is None:
        raise LimitExceededError(
            "input_data", "adds to what has too many bytes already", "limits.result_bytes", most
        )
    events.forget_understanding(database.settings, user_id)
    return document
