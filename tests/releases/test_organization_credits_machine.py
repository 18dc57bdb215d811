"""Organizations' credits under whatever order of calls at once: each ledger is its balance."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from autogpt_db.errors import InsufficientBalanceError
from autogpt_db.settings import CreditsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

NAMES = (f"party-{number}" for number in itertools.count())
COPY = 77
"""The balance that a user's own organization once had: never looked at, never changed."""

MAKE_ORGANIZATION = """
INSERT INTO "Organization" (id, name, slug, "isPersonal", "updatedAt")
VALUES (%(name)s, %(name)s, %(name)s, %(personal)s, now())
"""
MAKE_OWNER = """
WITH account AS (
    INSERT INTO "User" (id, email, "updatedAt") VALUES (%(name)s, %(name)s, now())
)
INSERT INTO "OrgMember" (id, "orgId", "userId", "isOwner", "updatedAt")
VALUES (%(name)s, %(name)s, %(name)s, true, now())
"""
MAKE_COPY = """
INSERT INTO "OrgBalance" ("orgId", balance, "updatedAt") VALUES (%(name)s, 77, now())
"""
LEDGERS = {
    False: """
SELECT stored.balance, sum(entry.amount), array_agg(entry."runningBalance"),
       array_agg(entry."runningBalance" - entry.amount)
  FROM "OrgBalance" AS stored
  JOIN "OrgCreditTransaction" AS entry ON entry."orgId" = stored."orgId"
 WHERE stored."orgId" = %(name)s
 GROUP BY stored.balance
""",
    True: """
SELECT stored.balance, sum(entry.amount), array_agg(entry."runningBalance"),
       array_agg(entry."runningBalance" - entry.amount)
  FROM "UserBalance" AS stored
  JOIN "CreditTransaction" AS entry ON entry."userId" = stored."userId"
 WHERE stored."userId" = %(name)s
 GROUP BY stored.balance
""",
}
"""Balance, sum of the entries, what each came to and came from; by whether it is a user's own."""


@pytest.fixture
def bank(service_in: Callable[..., Service]) -> Service:
    return service_in("v0.7.2", credits=CreditsSettings(enabled=True), pool_size=12)


def spend(name: str, cost: int, *, whatever: bool = False) -> tuple[str, dict[str, Any]]:
    return "spend_org_credits", {
        "org_id": name, "user_id": "somebody", "cost": cost, "metadata": {},
        "fail_insufficient_credits": not whatever,
    }  # fmt: skip


class Organizations(RuleBasedStateMachine):
    """Organizations of both kinds that spend and get credits, and the balances they should have.

    Attributes:
        balances: By name.
        personal: Whether it is a user's own, by name.
    """

    parties = Bundle("parties")

    def __init__(self, bank: Service) -> None:
        super().__init__()
        self.bank = bank
        self.balances: dict[str, int] = {}
        self.personal: dict[str, bool] = {}

    @initialize(target=parties, personal=st.booleans())
    def first(self, personal: bool) -> str:
        return self._made(personal)

    @rule(target=parties, personal=st.booleans())
    def another(self, personal: bool) -> str:
        return self._made(personal)

    def _made(self, personal: bool) -> str:
        name = next(NAMES)
        self.bank.rows(MAKE_ORGANIZATION, name=name, personal=personal)
        if personal:
            self.bank.rows(MAKE_OWNER, name=name)
            self.bank.rows(MAKE_COPY, name=name)
        self.balances[name] = 0
        self.personal[name] = personal
        return name

    @rule(name=parties, amounts=st.lists(st.integers(1, 60), min_size=1, max_size=12))
    def add_at_once(self, name: str, amounts: list[int]) -> None:
        """Give credits back; first additions at once are all kept."""
        replies = self.bank.together([spend(name, -amount) for amount in amounts])
        assert all(type(reply) is int for reply in replies), replies
        self.balances[name] += sum(amounts)
        assert max(replies) == self.balances[name]

    @rule(name=parties, costs=st.lists(st.integers(1, 60), min_size=1, max_size=12))
    def spend_at_once(self, name: str, costs: list[int]) -> None:
        """Spend; what is refused was not covered, whatever came first."""
        replies = self.bank.together([spend(name, cost) for cost in costs])
        paid = [cost for cost, reply in zip(costs, replies, strict=True) if type(reply) is int]
        self.balances[name] = after = self.balances[name] - sum(paid)
        assert not paid or after >= 0
        assert not paid or min(reply for reply in replies if type(reply) is int) == after
        for cost, reply in zip(costs, replies, strict=True):
            if type(reply) is int:
                continue
            assert isinstance(reply, InsufficientBalanceError)
            _, user, balance, amount = reply.args
            if self.personal[name]:
                assert (user, amount) == (name, -cost)
            else:
                assert (user, amount) == ("somebody", cost)
            assert after <= balance < cost

    @rule(name=parties, costs=st.lists(st.integers(-40, 60), min_size=2, max_size=12))
    def spend_whatever_is_left_at_once(self, name: str, costs: list[int]) -> None:
        """Move the balance both ways, below 0 as well; nothing is refused, nothing is lost."""
        replies = self.bank.together([spend(name, cost, whatever=True) for cost in costs])
        assert all(type(reply) is int for reply in replies), replies
        self.balances[name] -= sum(costs)

    @rule(name=parties, costs=st.lists(st.integers(-30, 40), min_size=2, max_size=12))
    def do_all_of_it_at_once(self, name: str, costs: list[int]) -> None:
        """Look, spend what is covered and what isn't, and have the owner spend beside it."""
        calls = [spend(name, cost, whatever=number % 3 == 0) for number, cost in enumerate(costs)]
        if self.personal[name]:
            calls += [
                ("spend_credits", {"user_id": name, "cost": cost, "metadata": {}}) for cost in costs
            ]
            costs = [*costs, *costs]
        looks = [("get_org_credits", {"org_id": name})] * 3
        replies = self.bank.together([*calls, *looks])
        assert all(type(reply) is int for reply in replies[-3:])
        self.balances[name] -= sum(
            cost for cost, reply in zip(costs, replies[:-3], strict=True) if type(reply) is int
        )

    @rule(name=parties)
    def look(self, name: str) -> None:
        assert self.bank.call("get_org_credits", org_id=name) == self.balances[name]

    @invariant()
    def each_ledger_is_the_balance(self) -> None:
        for name, expected in self.balances.items():
            personal = self.personal[name]
            rows = self.bank.rows(LEDGERS[personal], name=name)
            if rows:
                ((balance, total, came_to, came_from),) = rows
                assert balance == total == expected, name
                # Each entry goes on where another one stopped, from nothing to the balance.
                assert sorted([*came_to, 0]) == sorted([*came_from, balance])
            else:
                assert expected == 0
            if personal:
                theirs = 'SELECT balance FROM "OrgBalance" WHERE "orgId" = %(name)s'
                assert self.bank.rows(theirs, name=name) == [(COPY,)]


def test_each_ledger_is_the_balance_whatever_happens_at_once(bank: Service) -> None:
    run_state_machine_as_test(
        lambda: Organizations(bank),  # type: ignore[arg-type]  # a function will do, its text says
        settings=settings(
            max_examples=20,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("personal", [False, True])
def test_64_spenders_of_different_amounts_race(bank: Service, personal: bool) -> None:
    bank.rows(MAKE_ORGANIZATION, name="o", personal=personal)
    if personal:
        bank.rows(MAKE_OWNER, name="o")
    bank.call("spend_org_credits", org_id="o", user_id="x", cost=-1000, metadata={})
    costs = [1 + (7 * number) % 60 for number in range(64)]
    replies = bank.together([spend("o", cost) for cost in costs])
    paid = [cost for cost, reply in zip(costs, replies, strict=True) if type(reply) is int]
    refused = [reply for reply in replies if type(reply) is not int]
    assert all(isinstance(reply, InsufficientBalanceError) for reply in refused)
    assert refused, "together they cost more than there is"
    ((balance, total, came_to, came_from),) = bank.rows(LEDGERS[personal], name="o")
    assert balance == total == 1000 - sum(paid)
    assert 0 <= balance < 60
    assert sorted([*came_to, 0]) == sorted([*came_from, balance])
