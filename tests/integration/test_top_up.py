"""Automatic top-ups: charged once, entered once, and never in the way of spending."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog

from api_process import ApiProcess
from autogpt_db.operations import background
from autogpt_db.operations.credits import top_up
from autogpt_db.settings import CreditsSettings, Secret
from gateway_figures import GatewayFigures
from payment_provider import PaymentProvider
from service import Service
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

# Stripe's library speaks to httpx in a way that httpx is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

PENDING = "AUTO-TOP-UP-alice-run"


@pytest.fixture
def provider() -> Iterator[PaymentProvider]:
    with PaymentProvider() as server:
        server.cards["cus_alice"] = ["pm_1", "pm_2"]
        yield server


@pytest.fixture
def bank(
    seeded_database_url: str, seeded_template: str, provider: PaymentProvider
) -> Iterator[Service]:
    with Service(
        seeded_database_url, copy_of=seeded_template, credits=credit_settings(provider), pool_size=8
    ) as service:
        prepare(service, 100, 50)
        yield service
        service.run(background.drain())


def credit_settings(provider: PaymentProvider, **options: Any) -> CreditsSettings:
    return CreditsSettings(
        enabled=True,
        stripe_api_key=Secret("sk_test_secret"),
        stripe_base_url=provider.url,
        stripe_timeout=10.0,
        **options,
    )


def prepare(bank: Service, amount: int, threshold: int, customer: str | None = "cus_alice") -> None:
    bank.rows(
        """UPDATE "User" SET "stripeCustomerId" = %(customer)s,
                  "topUpConfig" = jsonb_build_object('amount', %(amount)s::integer,
                                                     'threshold', %(threshold)s::integer)
            WHERE id = 'alice'""",
        customer=customer,
        amount=amount,
        threshold=threshold,
    )
    bank.rows(
        """INSERT INTO "UserBalance" VALUES ('alice', 60, now())
               ON CONFLICT ("userId") DO UPDATE SET balance = 60, "updatedAt" = now()"""
    )


def spend(bank: Service, cost: int = 20, run: str | None = "run") -> Any:
    metadata = {"graph_exec_id": run}
    return bank.call("spend_credits", user_id="alice", cost=cost, metadata=metadata)


def settle(bank: Service) -> list[Any]:
    """Wait until nothing is under way; return what was logged meanwhile."""
    with structlog.testing.capture_logs() as logs:
        bank.run(background.drain())
    return logs


def balance(bank: Service) -> int:
    return int(bank.value("""SELECT balance FROM "UserBalance" WHERE "userId" = 'alice'"""))


def top_ups(bank: Service) -> list[tuple[Any, ...]]:
    return bank.rows(
        """SELECT "transactionKey", amount, type::text, "isActive", "runningBalance", metadata
             FROM "CreditTransaction" WHERE type <> 'USAGE' ORDER BY "transactionKey" """
    )


METADATA = {"reason": {"reason": "Auto top up credits for alice"}}


def test_a_card_is_charged_and_the_entry_activated_under_the_payments_id(
    bank: Service, provider: PaymentProvider
) -> None:
    provider.gate.clear()
    assert spend(bank) == 40  # the balance before the top-up
    wait_for(lambda: bank.run(_yielded()) or top_ups(bank), what="the inactive entry")
    assert top_ups(bank) == [(PENDING, 100, "TOP_UP", False, 40, METADATA)]
    assert balance(bank) == 40
    provider.gate.set()
    (record,) = settle(bank)
    assert record == {
        "event": "auto_top_up", "log_level": "info", "user_id": "alice", "graph_exec_id": "run",
        "amount": 100, "payment": "pi_1",
    }  # fmt: skip
    assert top_ups(bank) == [("pi_1", 100, "TOP_UP", True, 140, METADATA)]
    assert balance(bank) == 140
    # Its place in the ledger is where it counts, not where it was asked for.
    entered = """SELECT "createdAt" FROM "CreditTransaction" WHERE "transactionKey" = 'pi_1'"""
    changed = """SELECT "updatedAt" FROM "UserBalance" WHERE "userId" = 'alice'"""
    assert bank.value(entered) == bank.value(changed)
    (payment,) = provider.payments
    wanted = {
        "amount": "100", "currency": "usd", "customer": "cus_alice", "payment_method": "pm_1",
        "off_session": "true", "confirm": "true", "metadata[user_id]": "alice",
        "metadata[transaction_key]": PENDING,
    }  # fmt: skip
    assert wanted.items() <= payment.items()
    assert spend(bank, 10) == 130  # above the threshold: nothing more
    assert settle(bank) == []
    ledger = bank.value("""SELECT sum(amount) FROM "CreditTransaction" WHERE "isActive" """)
    assert 60 + ledger == balance(bank)


async def _yielded() -> None:
    """Let what is under way go on for a moment of the loop's."""
    await background.attempt(_never, pauses=(0.01,))


async def _never() -> bool:
    return False


def test_an_amount_of_0_checks_a_card(bank: Service, provider: PaymentProvider) -> None:
    prepare(bank, 0, 50)
    assert spend(bank) == 40
    settle(bank)
    (check,) = provider.payments
    assert "amount" not in check
    assert (check["customer"], check["usage"]) == ("cus_alice", "off_session")
    assert top_ups(bank) == [("seti_1", 0, "CARD_CHECK", True, 40, METADATA)]
    assert balance(bank) == 40


def test_a_negative_amount_writes_nothing(bank: Service, provider: PaymentProvider) -> None:
    prepare(bank, -5, 50)
    assert spend(bank) == 40
    settle(bank)
    assert (top_ups(bank), provider.requests) == ([], [])


@pytest.mark.parametrize(("threshold", "wanted"), [(40, False), (41, True), (0, False)])
def test_only_a_balance_below_its_threshold_is_topped_up(
    bank: Service, provider: PaymentProvider, threshold: int, wanted: bool
) -> None:
    prepare(bank, 7, threshold)
    spend(bank)
    settle(bank)
    assert len(provider.payments) == wanted
    # Looked at again before anything is charged: another top-up may have been quicker.
    bank.rows('UPDATE "UserBalance" SET balance = 40')
    reserved = bank.rows(top_up.RESERVE, user_id="alice", key="another", metadata="{}")
    assert len(reserved) == wanted


def test_the_next_card_is_tried_when_one_is_declined(
    bank: Service, provider: PaymentProvider
) -> None:
    figures = GatewayFigures()
    provider.outcomes["pm_1"] = "declined"
    spend(bank)
    settle(bank)
    assert [payment["payment_method"] for payment in provider.payments] == ["pm_2"]
    assert balance(bank) == 140
    assert figures.failures("payments") == 0, "a card's, and not the provider's"


def test_a_payment_that_asks_for_its_holder_is_cancelled(
    bank: Service, provider: PaymentProvider
) -> None:
    provider.outcomes["pm_1"] = "requires_action"
    spend(bank)
    settle(bank)
    assert provider.cancelled == ["pi_1"]
    assert [payment["payment_method"] for payment in provider.payments] == ["pm_2"]
    assert balance(bank) == 140


def test_what_fails_is_swallowed_and_blocks_this_graph_execution_alone(
    bank: Service, provider: PaymentProvider
) -> None:
    provider.outcomes |= {"pm_1": "declined", "pm_2": "declined"}
    assert spend(bank) == 40
    (record,) = settle(bank)
    assert (record["event"], record["log_level"]) == ("auto_top_up_failed", "warning")
    assert "declined" in record["reason"]
    assert top_ups(bank) == [(PENDING, 100, "TOP_UP", False, 40, METADATA)]
    provider.outcomes.clear()
    asked = len(provider.requests)
    assert spend(bank, 1) == 39
    assert settle(bank) == []
    assert len(provider.requests) == asked
    assert spend(bank, 1, run="another") == 38
    settle(bank)
    assert balance(bank) == 138
    assert [row[0] for row in top_ups(bank)] == [PENDING, "pi_1"]


def test_without_a_graph_execution_it_is_tried_once_for_a_user(
    bank: Service, provider: PaymentProvider
) -> None:
    provider.cards.clear()
    for _ in range(2):
        spend(bank, 15, run=None)
        settle(bank)
    assert [row[0] for row in top_ups(bank)] == ["AUTO-TOP-UP-alice-None"]
    lists = [path for _, path, _, _ in provider.requests]
    assert lists == ["/v1/payment_methods"]


@pytest.mark.parametrize(
    ("outcome", "event"),
    [("lost", "auto_top_up_not_entered"), ("processing", "auto_top_up_not_entered"),
     ("error", "auto_top_up_not_entered")],
)  # fmt: skip
def test_after_a_charge_with_an_unknown_end_no_other_card_is_charged(
    bank: Service, provider: PaymentProvider, outcome: str, event: str
) -> None:
    provider.outcomes["pm_1"] = outcome
    assert spend(bank) == 40
    (record,) = settle(bank)
    assert (record["event"], record["log_level"]) == (event, "error")
    assert {
        form["payment_method"] for _, path, form, _ in provider.requests if "intents" in path
    } == {"pm_1"}
    assert len(provider.payments) == (outcome == "lost")  # repeats of the library's charged nothing
    keys = {
        headers["idempotency-key"] for _, path, _, headers in provider.requests if "intents" in path
    }
    assert keys == {f"{PENDING}:pm_1"}
    assert balance(bank) == 40
    assert top_ups(bank)[0][3] is False


def test_a_wrong_key_is_told_without_it(
    seeded_database_url: str, provider: PaymentProvider
) -> None:
    wrong = CreditsSettings(
        enabled=True, stripe_api_key=Secret("sk_wrong"), stripe_base_url=provider.url
    )
    with Service(seeded_database_url, credits=wrong) as bank:
        prepare(bank, 100, 50)
        assert spend(bank) == 40
        (record,) = settle(bank)
    assert record["event"] == "auto_top_up_failed"
    assert "sk_wrong" not in str(record)


def test_who_is_no_customer_is_charged_nothing(bank: Service, provider: PaymentProvider) -> None:
    prepare(bank, 100, 50, customer=None)
    assert spend(bank) == 40
    (record,) = settle(bank)
    assert "no customer" in record["reason"]
    assert provider.requests == []
    assert top_ups(bank)[0][:4] == (PENDING, 100, "TOP_UP", False)


def test_a_provider_that_is_away_fails_no_spending(
    bank: Service, provider: PaymentProvider
) -> None:
    figures = GatewayFigures()
    provider.close()
    assert spend(bank) == 40
    (record,) = settle(bank)
    assert record["event"] == "auto_top_up_failed"
    assert figures.failures("payments") == 1


def test_32_spenders_of_one_execution_are_charged_once(
    bank: Service, provider: PaymentProvider
) -> None:
    prepare(bank, 1000, 1000)
    call = (
        "spend_credits",
        {"user_id": "alice", "cost": 1, "metadata": {"graph_exec_id": "run"}},
    )
    replies = bank.together([call] * 32)
    assert all(isinstance(reply, int) for reply in replies)
    settle(bank)
    assert len(provider.payments) == 1
    assert balance(bank) == 60 - 32 + 1000


def test_what_was_paid_is_entered_when_the_database_is_back(
    bank: Service, provider: PaymentProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top_up, "PAUSES", (0.05,) * 20)
    provider.gate.clear()
    assert spend(bank) == 40
    wait_for(lambda: bank.run(_yielded()) or top_ups(bank), what="the inactive entry")
    with psycopg.connect(bank.url) as locker:
        locker.execute('LOCK platform."CreditTransaction" IN ACCESS EXCLUSIVE MODE')
        provider.gate.set()
        wait_for(
            lambda: (
                bank.run(_yielded())
                or bank.value(
                    """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock'"""
                )
            ),
            what="the entering statement, to be killed",
        )
    (record,) = settle(bank)
    assert record["event"] == "auto_top_up"
    assert (balance(bank), top_ups(bank)[0][:4]) == (140, ("pi_1", 100, "TOP_UP", True))


def test_entering_twice_adds_once(bank: Service) -> None:
    spend(bank)
    settle(bank)
    entered = {"user_id": "alice", "key": PENDING, "payment": "pi_9"}
    handle = bank.pool.call("test", reads=False)
    assert bank.run(handle.execute(top_up.ENTER(handle.capabilities), entered)) == 0
    assert balance(bank) == 140


def test_a_call_with_a_key_tops_up_once_it_is_committed(
    bank: Service, provider: PaymentProvider
) -> None:
    options = ("credits.enabled=true", f"credits.stripe_base_url={provider.url}")
    environment = {"STRIPE_API_KEY": "sk_test_secret"}
    request = {"user_id": "alice", "cost": 20, "metadata": {"graph_exec_id": "run"}}
    with ApiProcess(bank.url, *options, environment=environment) as api:
        for _ in range(2):
            reply = api.client.post(
                "/spend_credits", json=request, headers={"Idempotency-Key": "once"}
            )
            assert (reply.status_code, reply.json()) == (200, 40)
        wait_for(lambda: api.events("auto_top_up"), what="the top-up")
        api.signal()
        assert api.exit_code() == 0
        assert "sk_test_secret" not in api.log()
    assert len(provider.payments) == 1
    assert balance(bank) == 140
