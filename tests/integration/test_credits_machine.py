"""Credits under whatever order of calls at once: the ledger is the balance, and never below 0."""

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
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

REFILL = 40
NAMES = (f"user-{number}" for number in itertools.count())


@pytest.fixture
def bank(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    accounts = CreditsSettings(enabled=True, refill=REFILL)
    with Service(
        seeded_database_url, copy_of=seeded_template, credits=accounts, pool_size=12
    ) as service:
        yield service


def spend(user: str, cost: int) -> tuple[str, dict[str, Any]]:
    return "spend_credits", {"user_id": user, "cost": cost, "metadata": {}}


class Accounts(RuleBasedStateMachine):
    """Users who spend, look and reach milestones, and the balances they should have.

    Attributes:
        balances: By user.
        stale: Users whose balance was last changed in another month, or never.
        granted: Users who had this month's refill today already.
    """

    users = Bundle("users")

    def __init__(self, bank: Service) -> None:
        super().__init__()
        self.bank = bank
        self.balances: dict[str, int] = {}
        self.stale: set[str] = set()
        self.granted: set[str] = set()

    @initialize(target=users, balance=st.none() | st.integers(0, 60))
    def first_user(self, balance: int | None) -> str:
        return self._made(balance)

    @rule(target=users, balance=st.none() | st.integers(0, 60))
    def new_user(self, balance: int | None) -> str:
        return self._made(balance)

    def _made(self, balance: int | None) -> str:
        """Add a user without anything, or with a history but no balance of their own yet."""
        user = next(NAMES)
        self.bank.rows(
            """INSERT INTO "User" (id, email, "updatedAt") VALUES (%(user)s, %(user)s, now())""",
            user=user,
        )
        if balance is not None:
            self.bank.rows(
                """INSERT INTO "CreditTransaction"
                       ("transactionKey", "userId", amount, type, "runningBalance", "createdAt")
                   VALUES ('first', %(user)s, %(balance)s, 'GRANT', %(balance)s, '2026-01-15')""",
                user=user,
                balance=balance,
            )
        self.balances[user] = balance or 0
        self.stale.add(user)
        return user

    @rule(user=users, costs=st.lists(st.integers(1, 60), min_size=1, max_size=12))
    def spend_at_once(self, user: str, costs: list[int]) -> None:
        """Spend; what is refused was not covered, whatever came first."""
        before = self.balances[user]
        replies = self.bank.together([spend(user, cost) for cost in costs])
        paid = [cost for cost, reply in zip(costs, replies, strict=True) if type(reply) is int]
        refused = [
            cost for cost, reply in zip(costs, replies, strict=True) if type(reply) is not int
        ]
        self.balances[user] = after = before - sum(paid)
        left = sorted((reply for reply in replies if type(reply) is int), reverse=True)
        assert all(cost > after for cost in refused)
        assert left == sorted(set(left), reverse=True)
        assert not paid or left[-1] == after
        for cost, reply in zip(costs, replies, strict=True):
            if type(reply) is not int:
                assert isinstance(reply, InsufficientBalanceError)
                assert reply.args[1] == user
                assert reply.args[3] == -cost
                assert after <= reply.args[2] < cost
        if paid:
            self.stale.discard(user)

    @rule(user=users, costs=st.lists(st.integers(-30, 40), min_size=2, max_size=12))
    def spend_and_add_at_once(self, user: str, costs: list[int]) -> None:
        """Move the balance both ways; nothing that was answered is lost."""
        replies = self.bank.together([spend(user, cost) for cost in costs])
        moved = [
            cost for cost, reply in zip(costs, replies, strict=True) if cost and type(reply) is int
        ]
        self.balances[user] -= sum(moved)
        if moved:
            self.stale.discard(user)

    @rule(user=users, times=st.integers(1, 8))
    def look_at_once(self, user: str, times: int) -> None:
        """Look; the first look of a month fills up, once."""
        replies = self.bank.together([("get_credits", {"user_id": user})] * times)
        if user in self.stale and user not in self.granted:
            self.balances[user] = max(self.balances[user], REFILL)
            self.granted.add(user)
            self.stale.discard(user)
        assert replies == [self.balances[user]] * times

    @rule(user=users, costs=st.lists(st.integers(1, 30), min_size=1, max_size=6))
    def look_and_spend_at_once(self, user: str, costs: list[int]) -> None:
        """Look while spending; whether it fills up first or last is anybody's guess."""
        looks = [("get_credits", {"user_id": user})] * len(costs)
        spends = [spend(user, cost) for cost in costs]
        replies = self.bank.together([*looks, *spends])
        assert all(type(reply) is int for reply in replies[: len(looks)])
        paid = [
            c for c, reply in zip(costs, replies[len(looks) :], strict=True) if type(reply) is int
        ]
        grants = self.bank.value(
            """SELECT COALESCE(sum(amount), 0) FROM "CreditTransaction"
                WHERE "userId" = %(user)s AND "transactionKey" ~ '^MONTHLY' """,
            user=user,
        )
        before = self.balances[user]
        self.balances[user] = self.bank.value(
            """SELECT COALESCE(sum(amount), 0) FROM "CreditTransaction"
                WHERE "userId" = %(user)s""",
            user=user,
        )
        granted = self.balances[user] - before + sum(paid)
        assert 0 <= granted <= (REFILL if user in self.stale else 0)
        assert granted <= grants
        if self.bank.value(
            """SELECT count(*) FROM "CreditTransaction"
                WHERE "userId" = %(user)s AND "transactionKey" ~ '^MONTHLY' """,
            user=user,
        ):
            self.granted.add(user)
        if paid or user in self.granted:
            self.stale.discard(user)

    @rule(user=users, same_day=st.booleans())
    def let_a_month_pass(self, user: str, same_day: bool) -> None:
        """Make the last change one of another month; on another day, too, or with today's key."""
        found = self.bank.rows(
            """UPDATE "UserBalance" SET "updatedAt" = '2026-01-31' WHERE "userId" = %(user)s
               RETURNING 1""",
            user=user,
        )
        if not found:
            return
        self.stale.add(user)
        if not same_day:
            self.bank.rows(
                """UPDATE "CreditTransaction" SET "transactionKey" = gen_random_uuid()
                    WHERE "userId" = %(user)s""",
                user=user,
            )
            self.granted.discard(user)

    @invariant()
    def the_ledger_is_the_balance(self) -> None:
        rows = self.bank.rows(
            """SELECT "userId", balance,
                      (SELECT sum(amount) FROM "CreditTransaction" AS entry
                        WHERE entry."userId" = stored."userId" AND "isActive"),
                      (SELECT min("runningBalance") FROM "CreditTransaction" AS entry
                        WHERE entry."userId" = stored."userId")
                 FROM "UserBalance" AS stored"""
        )
        for user, balance, ledger, least in rows:
            if user in self.balances:
                assert balance == ledger == self.balances[user], user
                assert balance >= 0
                assert least >= 0


def test_the_ledger_is_the_balance_whatever_happens_at_once(bank: Service) -> None:
    run_state_machine_as_test(
        lambda: Accounts(bank),  # type: ignore[arg-type]  # a function will do, its text says
        settings=settings(
            max_examples=20,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_64_spenders_of_different_amounts_race(bank: Service) -> None:
    user = "alice"
    bank.rows("""INSERT INTO "UserBalance" VALUES ('alice', 1000, now())""")
    costs = [1 + (7 * number) % 60 for number in range(64)]
    replies = bank.together([spend(user, cost) for cost in costs])
    paid = [cost for cost, reply in zip(costs, replies, strict=True) if type(reply) is int]
    refused = [reply for reply in replies if type(reply) is not int]
    assert all(isinstance(reply, InsufficientBalanceError) for reply in refused)
    assert len(paid) + len(refused) == 64
    left = bank.value("""SELECT balance FROM "UserBalance" WHERE "userId" = 'alice'""")
    ledger = bank.value("""SELECT sum(amount) FROM "CreditTransaction" WHERE "userId" = 'alice'""")
    assert left == 1000 - sum(paid) == 1000 + ledger
    assert 0 <= left < 60
    running = bank.rows(
        """SELECT "runningBalance", amount FROM "CreditTransaction" ORDER BY "runningBalance" """
    )
    assert [balance for balance, _ in running] == sorted({balance for balance, _ in running})
    # Each entry goes on where another one stopped.
    assert {balance - amount for balance, amount in running} == {
        1000, *(balance for balance, _ in running[1:])
    }  # fmt: skip
