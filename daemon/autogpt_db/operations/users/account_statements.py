"""The statements that look users up, put together for what a database has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.capabilities import ForSchema

if TYPE_CHECKING:
    from typing import LiteralString

    from autogpt_db.database.capabilities import Capabilities

# What a user did last: a run, a payment, a chat. What AutoGPT or an operator has done isn't it.
_RAN_OR_PAID: LiteralString = """
      LEFT JOIN LATERAL (
           SELECT moment.at, moment.what
             FROM (
                   (
                   SELECT run."createdAt", 'run'
                     FROM platform."AgentGraphExecution" AS run
                    WHERE run."userId" = person."id" AND NOT run."isDeleted"
                    ORDER BY run."createdAt" DESC
                    LIMIT 1
                   )
                    UNION ALL
                   (
                   SELECT paid."createdAt", 'payment'
                     FROM platform."CreditTransaction" AS paid
                    WHERE paid."userId" = person."id"
                      AND paid."isActive"
                      AND paid."type" IN ('TOP_UP', 'USAGE')
                    ORDER BY paid."createdAt" DESC
                    LIMIT 1
                   )
"""
_CHATTED: LiteralString = """
                    UNION ALL
                   SELECT max(chat."updatedAt"), 'chat'
                     FROM platform."ChatSession" AS chat
                    WHERE chat."userId" = person."id"
"""
_LATEST: LiteralString = """
                  ) AS moment (at, what)
            WHERE moment.at IS NOT NULL
            ORDER BY moment.at DESC
            LIMIT 1
      ) AS activity ON true
"""
# As get_credits has it.
_BALANCE: LiteralString = """
      LEFT JOIN LATERAL (
           SELECT COALESCE(
                      (
                          SELECT account."balance"
                            FROM platform."UserBalance" AS account
                           WHERE account."userId" = person."id"
                      ),
                      (
                          SELECT entry."runningBalance"
                            FROM platform."CreditTransaction" AS entry
                           WHERE entry."userId" = person."id"
                             AND entry."isActive"
                             AND entry."runningBalance" IS NOT NULL
                           ORDER BY entry."createdAt" DESC
                           LIMIT 1
                      ),
                      0
                  ) AS credits
      ) AS balance ON true
"""
# A personal organization is billed on its owner's account: its own balance is a dead copy.
_ORGANIZATIONS: LiteralString = """
       (
           SELECT COALESCE(
                      jsonb_agg(
                          jsonb_build_object(
                              'id', organization."id",
                              'name', organization."name",
                              'slug', organization."slug",
                              'personal', organization."isPersonal",
                              'role', CASE
                                  WHEN membership."isOwner" THEN 'owner'
                                  WHEN membership."isAdmin" THEN 'admin'
                                  ELSE 'member'
                              END,
                              'status', membership."status"::text,
                              'balance', CASE
                                  WHEN NOT organization."isPersonal" THEN COALESCE(
                                      (
                                          SELECT account."balance"
                                            FROM platform."OrgBalance" AS account
                                           WHERE account."orgId" = organization."id"
                                      ),
                                      0
                                  )
                              END
                          )
                          ORDER BY organization."isPersonal" DESC, membership."createdAt",
                                   organization."id"
                      ),
                      '[]'
                  )
             FROM platform."OrgMember" AS membership
             JOIN platform."Organization" AS organization
               ON organization."id" = membership."orgId"
            WHERE membership."userId" = page."id" AND organization."deletedAt" IS NULL
       )
"""
_IN_ORGANIZATION: LiteralString = """
       AND (
           %(organization)s::text IS NULL
           OR EXISTS (
               SELECT
                 FROM platform."OrgMember" AS membership
                 JOIN platform."Organization" AS organization
                   ON organization."id" = membership."orgId"
                WHERE membership."userId" = person."id"
                  AND organization."deletedAt" IS NULL
                  AND %(organization)s::text IN (organization."id", organization."slug")
           )
       )
"""
_OF_TIER: LiteralString = """
       AND (%(tier)s::text IS NULL OR person."subscriptionTier"::text = %(tier)s::text)
"""
_RUNS: LiteralString = """
       (
           SELECT COALESCE(jsonb_object_agg(counted.status, counted.number), '{}')
             FROM (
                   SELECT run."executionStatus"::text, count(*)
                     FROM platform."AgentGraphExecution" AS run
                    WHERE run."userId" = page."id" AND NOT run."isDeleted"
                    GROUP BY run."executionStatus"
                  ) AS counted (status, number)
       )
"""


def _whole(capabilities: Capabilities, found: LiteralString) -> LiteralString:
    """Return the statement about the users that `found` finds, as `page`."""
    organizations = _ORGANIZATIONS if capabilities.orgs else "NULL::jsonb"
    return (
        "WITH "
        + found
        + 'SELECT page."id", page."email", page."name", page."emailVerified", page."createdAt",'
        + " page.tier, page.credits, "
        + organizations
        + ", "
        + _RUNS
        + """, page.at, page.what, page.number
  FROM page
 ORDER BY page.place
"""
    )


def _columns(capabilities: Capabilities) -> LiteralString:
    tier: LiteralString = 'person."subscriptionTier"::text' if capabilities.tier else "NULL::text"
    return (
        """
    SELECT person."id", person."email", person."name", person."emailVerified",
           person."createdAt", balance.credits, activity.at, activity.what,
           """
        + tier
        + " AS tier"
    )


def _people(
    capabilities: Capabilities,
    people: LiteralString = 'platform."User" AS person',
    *,
    balance: bool = True,
    activity: bool = True,
) -> LiteralString:
    """Return the FROM clause of people, with what they have and did last where that is wanted."""
    return (
        """
      FROM """
        + people
        + """
"""
        + (_BALANCE if balance else "")
        + (_RAN_OR_PAID if activity else "")
        + (_CHATTED if activity and capabilities.chats else "")
        + (_LATEST if activity else "")
    )


def _list(capabilities: Capabilities, *, balance: bool, activity: bool) -> LiteralString:
    """Return a list's statement, which looks at what people have or did before it knows whom.

    Of people who aren't shown nothing is looked up that doesn't decide about that.
    """
    by_balance: LiteralString = """
                        CASE %(order)s::text WHEN 'balance' THEN balance.credits END
                        DESC NULLS LAST,"""
    by_activity: LiteralString = """
                        CASE %(order)s::text WHEN 'activity' THEN activity.at END
                        DESC NULLS LAST,"""
    active: LiteralString = """
       AND (
           %(active_days)s::integer IS NULL
           OR activity.at >= autogpt_db.now_v1() - make_interval(days => %(active_days)s::integer)
       )
"""
    return _whole(
        capabilities,
        """found AS MATERIALIZED (
    SELECT person."id",
           count(*) OVER () AS number,
           row_number() OVER (
               ORDER BY CASE %(order)s::text WHEN 'email' THEN person."email" END,"""
        + (by_balance if balance else "")
        + (by_activity if activity else "")
        + """
                        person."createdAt" DESC,
                        person."id"
           ) AS place
"""
        + _people(capabilities, balance=balance, activity=activity)
        + """
     WHERE (
               %(search)s::text IS NULL
               OR strpos(lower(person."email"), lower(%(search)s::text)) > 0
               OR strpos(lower(person."name"), lower(%(search)s::text)) > 0
           )
"""
        + (active if activity else "")
        + (_OF_TIER if capabilities.tier else "")
        + (_IN_ORGANIZATION if capabilities.orgs else "")
        + """
     ORDER BY place
     LIMIT %(limit)s
), page AS MATERIALIZED (
"""
        + _columns(capabilities)
        + ", found.number, found.place"
        + _people(
            capabilities,
            'found JOIN platform."User" AS person ON person."id" = found."id"',
        )
        + """
)
""",
    )


def _find(capabilities: Capabilities) -> LiteralString:
    """Return the statement that finds by the id, else the address, else that in any case."""
    return _whole(
        capabilities,
        """page AS MATERIALIZED (
"""
        + _columns(capabilities)
        + """,
           1 AS number,
           rank() OVER (
               ORDER BY person."id" = %(who)s::text DESC, person."email" = %(who)s::text DESC
           ) AS place
"""
        + _people(capabilities)
        + """
     WHERE person."id" = %(who)s::text OR lower(person."email") = lower(%(who)s::text)
     ORDER BY place
     FETCH FIRST 1 ROW WITH TIES
)
""",
    )


LISTS = ForSchema(
    lambda capabilities: {
        (balance, activity): _list(capabilities, balance=balance, activity=activity)
        for balance in (False, True)
        for activity in (False, True)
    }
)
"""By whether people's balance, and whether what they did last, decides who is shown where."""
FIND = ForSchema(_find)
