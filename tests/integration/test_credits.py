"""Credits: what is spent is entered, what isn't covered isn't spent, whoever calls at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import InsufficientBalanceError, InvalidValueError, RawQueryError
from autogpt_db.settings import CreditsSettings
from releases.building import TABLES
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYS = [
    "graph_exec_id", "graph_id", "node_id", "node_exec_id", "block_id", "block", "input", "reason",
]  # fmt: skip


def key_of_day(later: int = 0) -> str:
    """Return the key of today's top-up, or of that of so many days later."""
    day = datetime.now(UTC).date() + timedelta(days=later)
    return f"MONTHLY-CREDIT-TOP-UP-{day.isoformat()}"


@pytest.fixture
def bank(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    accounts = CreditsSettings(enabled=True, refill=1000)
    with Service(
        seeded_database_url, copy_of=seeded_template, credits=accounts, pool_size=16
    ) as service:
        yield service


def spend(bank: Service, cost: int, user: str = "alice", **metadata: Any) -> int:
    left: int = bank.call("spend_credits", user_id=user, cost=cost, metadata=metadata)
    return left


def set_balance(bank: Service, balance: int, user: str = "alice", updated: str = "now()") -> None:
    bank.rows(
        f"""INSERT INTO "UserBalance" VALUES (%(user)s, %(balance)s, {updated})
            ON CONFLICT ("userId") DO UPDATE
                SET balance = EXCLUDED.balance, "updatedAt" = EXCLUDED."updatedAt" """,
        user=user,
        balance=balance,
    )


def enter(bank: Service, key: str, running: int | None, created: str, **options: Any) -> None:
    bank.rows(
        """INSERT INTO "CreditTransaction"
               ("transactionKey", "userId", amount, type, "runningBalance", "createdAt", "isActive")
           VALUES (%(key)s, 'alice', 1, 'GRANT', %(running)s, %(created)s, %(active)s)""",
        key=key,
        running=running,
        created=created,
        active=options.get("active", True),
    )


def entries(bank: Service, user: str = "alice") -> list[tuple[Any, ...]]:
    return bank.rows(
        """SELECT amount, type::text, "runningBalance", "isActive" FROM "CreditTransaction"
            WHERE "userId" = %(user)s ORDER BY "createdAt", "runningBalance" DESC""",
        user=user,
    )


def balance(bank: Service, user: str = "alice") -> int:
    query = 'SELECT balance FROM "UserBalance" WHERE "userId" = %(user)s'
    return int(bank.value(query, user=user))


def test_without_accounts_spending_costs_nothing_and_everybody_has_100(service: Service) -> None:
    assert service.call("get_credits", user_id="nobody") == 100
    assert service.statements == 0
    assert service.call("spend_credits", user_id="alice", cost=5, metadata={}) == 0
    assert service.statements == 0
    assert service.value('SELECT count(*) FROM "CreditTransaction"') == 0


def test_a_cost_of_0_gives_0_without_looking(bank: Service) -> None:
    set_balance(bank, 50)
    assert spend(bank, 0) == 0
    assert bank.statements == 0


def test_spending_moves_the_balance_and_enters_it(bank: Service) -> None:
    set_balance(bank, 50, updated="'2026-01-01'")
    assert spend(bank, 20, block="b\x00c", input={"_sa": 1, "k": "v"}, unknown=1) == 30
    assert bank.statements == 1
    row = bank.rows(
        """SELECT length("transactionKey"), amount, type::text, "runningBalance", "isActive",
                  metadata, entry."createdAt" = stored."updatedAt",
                  now() AT TIME ZONE 'UTC' - entry."createdAt" < interval '10 seconds'
             FROM "CreditTransaction" AS entry JOIN "UserBalance" AS stored USING ("userId")"""
    )
    metadata = dict.fromkeys(KEYS) | {"block": "bc", "input": {"k": "v"}}
    assert row == [(36, -20, "USAGE", 30, True, metadata, True, True)]
    assert spend(bank, 30) == 0


def test_numbers_that_json_lacks_become_null_in_the_metadata(bank: Service) -> None:
    set_balance(bank, 50)
    body = b'{"user_id": "alice", "cost": 1, "metadata": {"input": {"a": [NaN, 1e999, 1], "b": 2}}}'
    assert bank.send("spend_credits", body) == 49
    stored = bank.value('SELECT metadata FROM "CreditTransaction"')
    assert stored["input"] == {"a": [None, None, 1], "b": 2}


def test_what_is_not_covered_is_refused_with_all_four_arguments(bank: Service) -> None:
    set_balance(bank, 1405)
    with pytest.raises(InsufficientBalanceError) as caught:
        spend(bank, 2000)
    assert bank.statements == 2
    assert caught.value.body() == {
        "type": "InsufficientBalanceError",
        "args": [
            "Insufficient balance of $14.05, where this will cost $20.0", "alice", 1405, -2000,
        ],
    }  # fmt: skip
    assert caught.value.status == 400
    assert (balance(bank), entries(bank)) == (1405, [])


def test_a_user_who_is_not_there_is_a_value_error(bank: Service) -> None:
    with pytest.raises(InvalidValueError, match="User nobody not found") as caught:
        spend(bank, 1, user="nobody")
    assert caught.value.wire_type == "ValueError"
    with pytest.raises(RawQueryError):
        spend(bank, -1, user="nobody")


def test_a_negative_cost_adds_and_is_usage_all_the_same(bank: Service) -> None:
    set_balance(bank, 5)
    assert spend(bank, -20) == 25
    assert entries(bank) == [(20, "USAGE", 25, True)]


def test_a_balance_beyond_an_integer_is_refused(bank: Service) -> None:
    set_balance(bank, 2**31 - 1)
    for cost in (-1, -(2**31)):
        with pytest.raises(RawQueryError, match="integer out of range") as caught:
            spend(bank, cost)
        assert caught.value.status == 400
    assert (balance(bank), entries(bank)) == (2**31 - 1, [])


def test_without_a_row_the_newest_active_entry_that_knows_a_balance_counts(bank: Service) -> None:
    enter(bank, "old", 10, "2026-01-01")
    enter(bank, "new", 500, "2100-01-02")
    enter(bank, "unknowing", None, "2100-01-03")
    enter(bank, "inactive", 7, "2100-01-04", active=False)
    assert spend(bank, 100) == 400
    assert balance(bank) == 400


def test_without_anything_there_is_nothing_to_spend(bank: Service) -> None:
    with pytest.raises(InsufficientBalanceError) as caught:
        spend(bank, 1)
    assert caught.value.args[2] == 0


@pytest.mark.parametrize("history", [None, 100])
def test_64_spenders_never_overdraw_and_the_ledger_agrees(
    bank: Service, history: int | None
) -> None:
    if history is None:
        set_balance(bank, 100)
    else:
        enter(bank, "history", 100, "2026-01-01")  # the first spender has no row to lock
    call = "spend_credits", {"user_id": "alice", "cost": 10, "metadata": {}}
    replies = bank.together([call] * 64)
    assert sorted(reply for reply in replies if isinstance(reply, int)) == list(range(0, 100, 10))
    assert sum(isinstance(reply, InsufficientBalanceError) for reply in replies) == 54
    assert balance(bank) == 0
    spent = [row for row in entries(bank) if row[1] == "USAGE"]
    assert [row[2] for row in spent] == list(range(90, -1, -10))
    assert sum(row[0] for row in spent) == -100


def test_64_first_additions_are_all_kept(bank: Service) -> None:
    call = "spend_credits", {"user_id": "alice", "cost": -1, "metadata": {}}
    replies = bank.together([call] * 64)
    assert sorted(replies) == list(range(1, 65))
    assert balance(bank) == 64 == sum(row[0] for row in entries(bank))


def test_the_first_look_of_a_month_fills_up(bank: Service) -> None:
    set_balance(bank, 300, updated="now() - interval '32 days'")
    began = key_of_day()
    assert bank.call("get_credits", user_id="alice") == 1000
    # In tables that were brought forward, another one asks whether they were.
    assert bank.statements == (2 if TABLES == "v0.6.48" else 3)
    rows = bank.rows(
        'SELECT "transactionKey", amount, type::text, "runningBalance", metadata '
        'FROM "CreditTransaction"'
    )
    ((key, *entry),) = rows
    assert entry == [700, "GRANT", 1000, {"reason": "Monthly credit refill"}]
    assert key in {began, key_of_day()}, "midnight may have passed meanwhile"
    assert balance(bank) == 1000
    assert spend(bank, 600) == 400
    assert bank.call("get_credits", user_id="alice") == 400
    assert bank.statements == 1


def test_a_month_to_come_is_another_month(bank: Service) -> None:
    set_balance(bank, 300, updated="now() + interval '400 days'")
    assert bank.call("get_credits", user_id="alice") == 1000


def test_a_full_balance_gets_an_entry_of_nothing(bank: Service) -> None:
    set_balance(bank, 5000, updated="'2026-01-31'")
    assert bank.call("get_credits", user_id="alice") == 5000
    assert entries(bank) == [(0, "GRANT", 5000, True)]


def test_spending_alone_fills_nothing_up_and_counts_as_this_months_change(bank: Service) -> None:
    set_balance(bank, 300, updated="'2026-01-31'")
    assert spend(bank, 100) == 200
    assert bank.call("get_credits", user_id="alice") == 200


def test_todays_key_is_used_once(bank: Service) -> None:
    set_balance(bank, 300, updated="'2026-01-31'")
    for later in (0, 1):  # midnight may pass meanwhile
        enter(bank, key_of_day(later), None, "2026-01-01")
    assert bank.call("get_credits", user_id="alice") == 300
    assert balance(bank) == 300


def test_without_a_row_history_up_to_now_decides(bank: Service) -> None:
    enter(bank, "past", 40, "2026-01-01")
    enter(bank, "future", 4000, "2100-01-01")
    assert bank.call("get_credits", user_id="alice") == 1000
    assert entries(bank)[1][:3] == (960, "GRANT", 1000)


def test_an_entry_of_this_month_without_a_row_needs_no_refill(bank: Service) -> None:
    enter(bank, "now", 40, str(bank.value("SELECT now() AT TIME ZONE 'UTC'")))
    assert bank.call("get_credits", user_id="alice") == 40


@pytest.mark.parametrize(("known", "shown"), [(500, 500), (None, 1000)])
def test_a_newer_entry_that_knows_no_balance_counts_for_nothing(
    bank: Service, known: int | None, shown: int
) -> None:
    enter(bank, "known", known, str(bank.value("SELECT now() AT TIME ZONE 'UTC'")))
    bank.let_a_millisecond_pass()
    enter(bank, "unknowing", None, str(bank.value("SELECT now() AT TIME ZONE 'UTC'")))
    assert bank.call("get_credits", user_id="alice") == shown


def test_a_new_user_gets_the_whole_refill_and_no_user_gets_a_400(bank: Service) -> None:
    assert bank.call("get_credits", user_id="bob") == 1000
    with pytest.raises(RawQueryError):
        bank.call("get_credits", user_id="nobody")


def test_64_first_looks_fill_up_once(bank: Service) -> None:
    call = "get_credits", {"user_id": "alice"}
    assert bank.together([call] * 64) == [1000] * 64
    assert entries(bank) == [(1000, "GRANT", 1000, True)]


def test_a_new_month_under_way_with_spenders_keeps_the_ledger(bank: Service) -> None:
    set_balance(bank, 300, updated="'2026-01-31'")
    looks = [("get_credits", {"user_id": "alice"})] * 32
    spends = [("spend_credits", {"user_id": "alice", "cost": 10, "metadata": {}})] * 32
    mixed = [call for pair in zip(spends, looks, strict=True) for call in pair]
    replies = bank.together(mixed)
    spent = sum(isinstance(reply, int) for reply in replies[::2])
    rows = entries(bank)
    assert balance(bank) == 300 + sum(row[0] for row in rows)
    assert sum(row[1] == "USAGE" for row in rows) == spent
    assert sum(row[1] == "GRANT" for row in rows) <= 1
    assert all(row[2] >= 0 for row in rows)


def test_without_monthly_refills_the_balance_is_as_it_stands(seeded_database_url: str) -> None:
    plain = CreditsSettings(enabled=True, monthly_refill="off")
    with Service(seeded_database_url, credits=plain) as bank:
        set_balance(bank, 7, updated="'2026-01-31'")
        assert bank.call("get_credits", user_id="alice") == 7
        assert bank.call("get_credits", user_id="nobody") == 0
        assert entries(bank) == []
        bank.rows('DELETE FROM "UserBalance"')
        enter(bank, "past", 40, "2026-01-01")
        enter(bank, "future", 4000, "2100-01-01")
        assert bank.call("get_credits", user_id="alice") == 40


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ('{"amount": 100, "threshold": 50}', True),
        ('{"amount": "100", "threshold": "41"}', True),
        ('{"amount": 100, "threshold": 40}', False),
        ('{"amount": 100, "threshold": 0}', False),
        ('{"threshold": 50}', False),
        ('{"amount": 1, "threshold": "x"}', False),
        ("null", False),
        ("[]", False),
        (None, False),
    ],
)
def test_a_wish_for_a_top_up_is_passed_over_without_a_provider(
    bank: Service, config: str | None, wanted: bool
) -> None:
    set_balance(bank, 60)
    bank.rows('UPDATE "User" SET "topUpConfig" = %(config)s', config=config)
    with structlog.testing.capture_logs() as logs:
        assert spend(bank, 20, graph_exec_id="e") == 40
    skipped = {
        "event": "auto_top_up_skipped", "log_level": "info", "user_id": "alice",
        "graph_exec_id": "e",
    }  # fmt: skip
    assert logs == ([skipped] if wanted else [])
    assert len(entries(bank)) == 1


def test_amounts_are_32_bit_and_metadata_must_be_there(bank: Service) -> None:
    request = {"user_id": "alice", "cost": 2**31, "metadata": {}}
    assert bank.answer("spend_credits", request)[0] == 400
    assert bank.answer("spend_credits", {"user_id": "alice", "cost": 1})[0] == 422
    wrong = {"user_id": "alice", "cost": 1, "metadata": {"input": []}}
    assert bank.answer("spend_credits", wrong)[0] == 422


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(start=st.integers(0, 50), costs=st.lists(st.integers(-30, 30), max_size=12))
def test_whatever_is_spent_the_ledger_is_the_balance(
    bank: Service, start: int, costs: list[int]
) -> None:
    bank.rows('DELETE FROM "CreditTransaction"')
    set_balance(bank, start)
    expected = start
    for cost in costs:
        if cost > expected:
            with pytest.raises(InsufficientBalanceError) as caught:
                spend(bank, cost)
            assert caught.value.args[1:] == ("alice", expected, -cost)
        elif cost:
            expected -= cost
            assert spend(bank, cost) == expected
    assert balance(bank) == expected == start + sum(row[0] for row in entries(bank))


def test_two_processes_worth_of_spenders(bank: Service, seeded_database_url: str) -> None:
    set_balance(bank, 200)
    call = "spend_credits", {"user_id": "alice", "cost": 10, "metadata": {}}

    def one_process(_: int) -> list[Any]:
        with Service(seeded_database_url, credits=CreditsSettings(enabled=True)) as service:
            return service.together([call] * 16)

    with ThreadPoolExecutor(4) as threads:
        replies = [reply for found in threads.map(one_process, range(4)) for reply in found]
    assert sum(isinstance(reply, int) for reply in replies) == 20
    assert balance(bank) == 0
