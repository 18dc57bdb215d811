"""The organization and team that a user's new things belong to when nobody names any."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from autogpt_db.database.capabilities import ForSchema
from autogpt_db.errors import CallError, ServiceUnavailableError, UniqueViolationError
from autogpt_db.logs.events import methods as log
from autogpt_db.operations import Database, operation
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from typing import LiteralString

Tenancy = tuple[str | None, str | None]

ATTEMPTS = 3
"""Tries to make a personal organization, while others take its slug or make it first."""

FIND: LiteralString = """
SELECT membership."orgId" AS organization_id,
       (
           SELECT team."id"
             FROM platform."Team" AS team
            WHERE team."orgId" = membership."orgId" AND team."isDefault"
            ORDER BY team."createdAt", team.ctid
            LIMIT 1
       ) AS team_id
  FROM platform."OrgMember" AS membership
  JOIN platform."Organization" AS organization ON organization."id" = membership."orgId"
 WHERE membership."userId" = %(user_id)s
   AND membership."isOwner"
   AND organization."isPersonal"
   AND organization."deletedAt" IS NULL
 ORDER BY membership."createdAt", membership.ctid
 LIMIT 1
"""
"""A user's own organization and its default team, in one row, or none."""

# Whoever makes one for this user waits for us, and we for them.
_LOCK: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended('personal organization of ' || %(user_id)s, 0))
"""

# One that was left without an owner stands in the way of another.
_DELETE_ORPHAN: LiteralString = """
UPDATE platform."Organization" AS organization
   SET "deletedAt" = autogpt_db.now_v1(),
       "updatedAt" = autogpt_db.now_v1()
 WHERE organization."bootstrapUserId" = %(user_id)s
   AND organization."isPersonal"
   AND organization."deletedAt" IS NULL
   AND NOT EXISTS (
       SELECT
         FROM platform."OrgMember" AS membership
        WHERE membership."orgId" = organization."id" AND membership."isOwner"
   )
   AND EXISTS (SELECT FROM platform."User" WHERE "User"."id" = %(user_id)s)
"""

# The slug is the part of the e-mail address before the @, with a number where that is taken.
_MAKE: LiteralString = """
WITH person AS MATERIALIZED (
    SELECT "User"."id",
           COALESCE(NULLIF("User"."name", ''), split_part("User"."email", '@', 1)) AS name,
           COALESCE(
               NULLIF(
                   btrim(
                       regexp_replace(
                           regexp_replace(
                               lower(autogpt_db.stripped_v1(split_part("User"."email", '@', 1))),
                               '[^a-z0-9-]', '-', 'g'
                           ),
                           '-+', '-', 'g'
                       ),
                       '-'
                   ),
                   ''
               ),
               'user'
           ) AS slug
      FROM platform."User"
     WHERE "User"."id" = %(user_id)s
), named AS (
    SELECT person."id",
           person.name,
           (
               SELECT candidate.slug
                 FROM (
                       SELECT n, person.slug || CASE WHEN n = 0 THEN '' ELSE '-' || n END AS slug
                         FROM generate_series(0, 9999) AS n
                        ORDER BY n
                      ) AS candidate
                WHERE NOT EXISTS (
                          SELECT
                            FROM platform."Organization" AS taken
                           WHERE taken."slug" = candidate.slug
                      )
                  AND NOT EXISTS (
                          SELECT
                            FROM platform."OrganizationAlias" AS taken
                           WHERE taken."aliasSlug" = candidate.slug
                      )
                  AND NOT EXISTS (
                          SELECT
                            FROM platform."OrganizationProfile" AS taken
                           WHERE taken."username" = candidate.slug
                      )
                ORDER BY candidate.n
                LIMIT 1
           ) AS slug
      FROM person
), organization AS (
    INSERT INTO platform."Organization"
           ("id", "createdAt", "updatedAt", "name", "slug", "isPersonal", "settings",
            "bootstrapUserId")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), named.name,
           named.slug, true, '{}'::jsonb, named."id"
      FROM named
     WHERE named.slug IS NOT NULL
    RETURNING "id", "name", "slug"
), member AS (
    INSERT INTO platform."OrgMember"
           ("id", "createdAt", "updatedAt", "orgId", "userId", "isOwner", "isAdmin", "status",
            "joinedAt")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), organization."id",
           %(user_id)s, true, true, 'ACTIVE'::platform."OrgMemberStatus", autogpt_db.now_v1()
      FROM organization
), team AS (
    INSERT INTO platform."Team"
           ("id", "createdAt", "updatedAt", "name", "isDefault", "joinPolicy", "orgId",
            "createdByUserId")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), 'Default', true,
           'OPEN'::platform."TeamJoinPolicy", organization."id", %(user_id)s
      FROM organization
    RETURNING "id"
), team_member AS (
    INSERT INTO platform."TeamMember"
           ("id", "createdAt", "updatedAt", "teamId", "userId", "isAdmin", "status", "joinedAt")
    SELECT gen_random_uuid()::text, autogpt_db.now_v1(), autogpt_db.now_v1(), team."id",
           %(user_id)s, true, 'ACTIVE'::platform."OrgMemberStatus", autogpt_db.now_v1()
      FROM team
), profile AS (
    INSERT INTO platform."OrganizationProfile"
           ("organizationId", "username", "displayName", "createdAt", "updatedAt")
    SELECT organization."id", organization."slug", organization."name", autogpt_db.now_v1(),
           autogpt_db.now_v1()
      FROM organization
), seat AS (
    INSERT INTO platform."OrganizationSeatAssignment"
           ("id", "organizationId", "userId", "seatType", "status", "assignedByUserId",
            "createdAt", "updatedAt")
    SELECT gen_random_uuid()::text, organization."id", %(user_id)s,
           'FREE'::platform."SeatType", 'ACTIVE'::platform."SeatStatus", %(user_id)s,
           autogpt_db.now_v1(), autogpt_db.now_v1()
      FROM organization
), balance AS (
    INSERT INTO platform."OrgBalance" ("orgId", "balance", "updatedAt")
    SELECT organization."id", 0, autogpt_db.now_v1()
      FROM organization
)
SELECT organization."id", team."id" FROM organization, team
"""


class Statements(NamedTuple):
    """How a user's own organization is found and made.

    Methods that do so in some databases only name them for those (`ForSchema`).

    Attributes:
        find: Returns it and its default team.
        lock: Waits for whoever makes one for the user.
        delete_orphan: Puts away one that has no owner.
        make: Makes it, and returns it with its default team.
    """

    find: LiteralString
    lock: LiteralString
    delete_orphan: LiteralString
    make: LiteralString


STATEMENTS = Statements(FIND, _LOCK, _DELETE_ORPHAN, _MAKE)
TENANCY = ForSchema(lambda capabilities: STATEMENTS if capabilities.expert_runs else None)
"""The same where new things belong to an organization that nobody has named (AutoGPT v0.7.1)."""


@operation(reads=False, repeat=harmless("Finds what the first call has made."))
async def get_user_default_team(database: Database, user_id: str) -> tuple[str | None, str | None]:
    """Return a user's own organization and its default team, made for a user who has none.

    What is made is the organization with its owner, profile, seat, balance and default team. Calls
    for one user queue up, and one makes it.

    Args:
        user_id: The user.

    Returns:
        Both ids; null for what there is not, as for an unknown user, and twice null where others
        keep this user from having one.
    """
    return await find_or_make(database, STATEMENTS, user_id)


@operation(reads=False, repeat=harmless("Finds what the first call has made."))
async def resolve_default_tenancy(
    database: Database, user_id: str
) -> tuple[str | None, str | None]:
    """Return what `get_user_default_team` does, and twice null where that fails.

    Args:
        user_id: The user.

    Returns:
        Both ids; null for what there is not, as for an unknown user, and twice null where none
        could be made.
    """
    return await default_tenancy(database, STATEMENTS, user_id)


async def default_tenancy(database: Database, statements: Statements, user_id: str) -> Tenancy:
    """Return what `resolve_default_tenancy` does, for other methods."""
    try:
        return await find_or_make(database, statements, user_id)
    except ServiceUnavailableError:
        raise  # it passes, and a repeat gets an answer
    except CallError as error:
        log.default_tenancy_unresolved(user_id=user_id, reason=str(error))
        return None, None


async def find_or_make(database: Database, statements: Statements, user_id: str) -> Tenancy:
    """Return what `get_user_default_team` does, for other methods.

    Raises:
        CallError: The database refused, in other words than that something is taken.
    """
    parameters = {"user_id": user_id}
    found = await database.row(statements.find, parameters)
    for _ in range(ATTEMPTS):
        if found is not None:
            break
        try:
            async with database.transaction() as transaction:
                await transaction.execute(statements.lock, parameters)
                found = await transaction.row(statements.find, parameters)
                if found is None:
                    await transaction.execute(statements.delete_orphan, parameters)
                    found = await transaction.row(statements.make, parameters) or (None, None)
        except UniqueViolationError:  # somebody without our lock was quicker
            found = await database.row(statements.find, parameters)
    organization_id, team_id = found or (None, None)
    return organization_id, team_id
