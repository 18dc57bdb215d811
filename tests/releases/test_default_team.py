"""The organization and team of a user's own: found, or made once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.database.pool import Pool
from autogpt_db.errors import InvalidValueError
from autogpt_db.operations.users.default_team import STATEMENTS, default_tenancy

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

PEOPLE = """
INSERT INTO "User" (id, email, name, "updatedAt")
VALUES ('ann', ' Ann.B__c@example.com', 'Ann', now()), ('ben', 'ann-b-c@example.com', '', now()),
       ('eve', '...@example.com', NULL, now()), ('una', 'ÜNA!@example.com', 'Una', now())
"""
MADE = """
SELECT organization.name, organization.slug, organization."isPersonal",
       organization."bootstrapUserId", organization.settings,
       (SELECT json_agg(
                   json_build_array("userId", "isOwner", "isAdmin", "isBillingManager", status))
          FROM "OrgMember" WHERE "orgId" = organization.id),
       (SELECT json_agg(json_build_array(name, "isDefault", "joinPolicy", "createdByUserId", slug))
          FROM "Team" WHERE "orgId" = organization.id),
       (SELECT json_agg(json_build_array(member."userId", member."isAdmin", member.status))
          FROM "TeamMember" AS member JOIN "Team" ON "Team".id = member."teamId"
         WHERE "Team"."orgId" = organization.id),
       (SELECT json_build_array(username, "displayName") FROM "OrganizationProfile"
         WHERE "organizationId" = organization.id),
       (SELECT json_agg(json_build_array("userId", "seatType", status, "assignedByUserId"))
          FROM "OrganizationSeatAssignment" WHERE "organizationId" = organization.id),
       (SELECT balance FROM "OrgBalance" WHERE "orgId" = organization.id)
  FROM "Organization" AS organization
 WHERE organization.id = %(organization)s
"""
ROWS = """
SELECT (SELECT count(*) FROM "Organization"), (SELECT count(*) FROM "OrgMember"),
       (SELECT count(*) FROM "Team"), (SELECT count(*) FROM "TeamMember"),
       (SELECT count(*) FROM "OrganizationProfile"), (SELECT count(*) FROM "OrgBalance"),
       (SELECT count(*) FROM "OrganizationSeatAssignment")
"""


MANY = """
INSERT INTO "User" (id, email, "updatedAt")
SELECT 'u' || n, 'u' || n || '@example.com', now() FROM generate_series(1, 5000) AS n;
INSERT INTO "Organization" (id, name, slug, "isPersonal", "bootstrapUserId", "updatedAt")
SELECT 'o' || n, 'o', 'o' || n, true, 'u' || n, now() FROM generate_series(1, 5000) AS n;
INSERT INTO "OrgMember" (id, "orgId", "userId", "isOwner", "updatedAt")
SELECT 'm' || n, 'o' || n, 'u' || n, true, now() FROM generate_series(1, 5000) AS n;
INSERT INTO "Team" (id, name, "orgId", "createdByUserId", "isDefault", "updatedAt")
SELECT 't' || n, 't', 'o' || n, 'u' || n, true, now() FROM generate_series(1, 5000) AS n;
INSERT INTO "OrganizationAlias" (id, "organizationId", "aliasSlug", "aliasType")
SELECT 'a' || n, 'o' || n, 'a' || n, 'RENAME' FROM generate_series(1, 5000) AS n;
INSERT INTO "OrganizationProfile" ("organizationId", username, "displayName", "updatedAt")
SELECT 'o' || n, 'o' || n, 'o', now() FROM generate_series(1, 5000) AS n;
ANALYZE
"""


METHODS = ("get_user_default_team", "resolve_default_tenancy")


def resolve(service: Service, user: str, method: str = METHODS[0]) -> Any:
    return service.call(method, user_id=user)


@pytest.mark.parametrize("method", METHODS)
def test_what_there_is_is_found_and_nothing_written(service_in: Serve, method: str) -> None:
    service = service_in("v0.6.68", seeded=True)
    before = service.rows(ROWS)
    assert resolve(service, "alice", method) == ["org-a", "team-a"]
    assert resolve(service, "nobody", method) == [None, None]
    assert resolve(service, "bob", method) == ["org-b", "team-b"], "bob's acme is not personal"
    service.rows("""UPDATE "Team" SET "isDefault" = false WHERE id = 'team-a'""")
    assert resolve(service, "alice", method) == ["org-a", None]
    assert service.rows(ROWS) == before


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_a_user_without_one_gets_all_of_it(service_in: Serve, state: str) -> None:
    service = service_in(state)
    service.rows(PEOPLE)
    organization, team = resolve(service, "ann")
    assert resolve(service, "ann") == [organization, team]
    ((name, slug, personal, made_for, settings, *rest),) = service.rows(
        MADE, organization=organization
    )
    assert (name, slug, personal, made_for, settings) == ("Ann", "ann-b-c", True, "ann", {})
    assert rest == [
        [["ann", True, True, False, "ACTIVE"]],
        [["Default", True, "OPEN", "ann", None]],
        [["ann", True, "ACTIVE"]],
        ["ann-b-c", "Ann"],
        [["ann", "FREE", "ACTIVE", "ann"]],
        0,
    ]
    assert service.value('SELECT id FROM "Team"') == team
    service.rows(
        """INSERT INTO "OrganizationAlias" (id, "organizationId", "aliasSlug", "aliasType")
                    VALUES ('a', %(id)s, 'ann-b-c-1', 'RENAME')""",
        id=organization,
    )
    slugs = {}
    for user in ("ben", "eve", "una"):
        organization, _ = resolve(service, user)
        ((name, slugs[user], *_rest),) = service.rows(MADE, organization=organization)
        assert name == {"ben": "ann-b-c", "eve": "...", "una": "Una"}[user]
    assert slugs == {"ben": "ann-b-c-2", "eve": "user", "una": "na"}
    assert service.rows(ROWS) == [(4,) * 7]


def sequential(plan: Any) -> list[str]:
    """Return the tables that a plan reads from end to end."""
    below = [name for each in plan.get("Plans", ()) for name in sequential(each)]
    return [plan["Relation Name"], *below] if plan["Node Type"] == "Seq Scan" else below


def test_it_is_found_and_made_by_indexes(service_in: Serve) -> None:
    service = service_in("v0.7.2")
    for statement in MANY.split(";"):
        service.rows(statement)
    for statement in (STATEMENTS.find, STATEMENTS.delete_orphan, STATEMENTS.make):
        (plan,) = service.value(f"EXPLAIN (FORMAT json) {statement}", user_id="u7")
        assert sequential(plan["Plan"]) == [], statement


def test_of_many_calls_one_makes_it(service_in: Serve) -> None:
    service = service_in("v0.6.68", pool_size=16)
    service.rows(PEOPLE)
    users = ("ann", "ben", "eve", "una")
    answers = service.together(
        [(method, {"user_id": user}) for user in users for method in METHODS * 16]
    )
    assert len({json.dumps(answer) for answer in answers}) == len(users), "32 each, one made"
    assert all(len(answer) == 2 and None not in answer for answer in answers)
    assert service.rows(ROWS) == [(4,) * 7]


def test_where_no_index_says_so_the_lock_does(service_in: Serve) -> None:
    service = service_in("v0.6.68", pool_size=16)
    service.rows(PEOPLE)
    service.rows('DROP INDEX "Organization_one_personal_per_user"')
    answers = service.together([(METHODS[0], {"user_id": "ann"})] * 32)
    assert len({json.dumps(answer) for answer in answers}) == 1
    assert service.rows(ROWS) == [(1,) * 7]


def test_it_is_made_in_a_transaction_of_somebody_elses(service_in: Serve) -> None:
    service = service_in("v0.6.68")
    service.rows(PEOPLE)
    service.rows("""
        INSERT INTO "Organization" (id, name, slug, "isPersonal", "bootstrapUserId", "updatedAt")
        VALUES ('taken', 'x', 'taken', true, 'ben', now())""")
    service.rows("""INSERT INTO "OrgMember" (id, "orgId", "userId", "isOwner", "updatedAt")
                    VALUES ('m', 'taken', 'eve', true, now())""")

    async def keyed(user: str) -> Any:
        async with (
            Pool.open(service.settings, size=1) as pool,
            pool.call("keyed", reads=False).transaction() as transaction,
        ):
            await transaction.make_undoable()
            return await default_tenancy(transaction, STATEMENTS, user)

    assert service.run(keyed("ben")) == (None, None), "what fails in it is undone alone"
    organization, team = service.run(keyed("ann"))
    assert resolve(service, "ann") == [organization, team]


def test_one_without_an_owner_is_put_away_and_anothers_stays(service_in: Serve) -> None:
    service = service_in("v0.6.68")
    service.rows(PEOPLE)
    service.rows("""
        INSERT INTO "Organization" (id, name, slug, "isPersonal", "bootstrapUserId", "updatedAt")
        VALUES ('orphan', 'x', 'ann-b-c', true, 'ann', now()),
               ('taken', 'x', 'taken', true, 'ben', now());
        """)
    service.rows("""INSERT INTO "OrgMember" (id, "orgId", "userId", "isOwner", "updatedAt")
                    VALUES ('m', 'taken', 'eve', true, now())""")
    organization, team = resolve(service, "ann")
    assert organization not in {None, "orphan"}
    assert team is not None
    deleted = """SELECT id FROM "Organization" WHERE "deletedAt" IS NOT NULL"""
    assert service.rows(deleted) == [("orphan",)]
    assert service.rows(MADE, organization=organization)[0][1] == "ann-b-c-1"
    assert resolve(service, "ben") == [None, None], "the index allows ben no second one"
    assert resolve(service, "eve")[0] == "taken"
    service.rows("""
        INSERT INTO "Organization" (id, name, slug, "isPersonal", "bootstrapUserId", "updatedAt")
        VALUES ('left', 'x', 'left', true, 'gone', now())""")
    assert resolve(service, "gone") == [None, None]
    assert service.rows(deleted) == [("orphan",)], "an unknown user's stays as it is"


def test_what_the_database_refuses_is_told_or_twice_null(service_in: Serve) -> None:
    service = service_in("v0.6.68")
    service.rows(PEOPLE)
    service.rows('ALTER TABLE "OrgBalance" ADD CHECK (balance > 0)')
    with pytest.raises(InvalidValueError):
        resolve(service, "ann", "get_user_default_team")
    assert resolve(service, "ann", "resolve_default_tenancy") == [None, None]
    assert service.rows(ROWS) == [(0,) * 7], "all of it or nothing"


def test_the_newest_of_organizations_is_not_taken(service_in: Serve) -> None:
    service = service_in("v0.6.68")
    service.rows(PEOPLE)
    for number, deleted in ((1, "now()"), (3, "NULL"), (2, "NULL")):
        service.rows(f"""
            INSERT INTO "Organization" (id, name, slug, "isPersonal", "deletedAt", "updatedAt")
            VALUES ('o{number}', 'x', 'o{number}', true, {deleted}, now())""")
        service.rows(f"""
            INSERT INTO "OrgMember" (id, "orgId", "userId", "isOwner", "createdAt", "updatedAt")
            VALUES ('m{number}', 'o{number}', 'ann', true, '2026-01-0{number}', now())""")
    assert resolve(service, "ann") == ["o2", None], "the oldest membership of those not deleted"
