"""Top-ups whose process ended between charge and entry: found, entered once, or reported."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest

from api_process import ApiProcess
from autogpt_db.settings import CreditsSettings, Secret
from payment_provider import PaymentProvider
from waiting import wait_for
from worker_scenarios import Queries, figures, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Iterator

# Stripe's library speaks to httpx in a way that httpx is giving up.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

KEY = "AUTO-TOP-UP-alice-run"
PAYMENTS, CHECKS = "/v1/payment_intents", "/v1/setup_intents"


@pytest.fixture
def provider() -> Iterator[PaymentProvider]:
    with PaymentProvider() as server:
        server.cards["cus_alice"] = ["pm_1"]
        yield server


@pytest.fixture
def queries(seeded_database_url: str) -> Iterator[Queries]:
    found = Queries(seeded_database_url)
    prepare(found, 100)
    yield found
    found.close()


def prepare(queries: Queries, amount: int) -> None:
    queries.rows(
        """UPDATE platform."User" SET "stripeCustomerId" = 'cus_alice',
                  "topUpConfig" = jsonb_build_object('amount', %(amount)s::integer, 'threshold', 50)
            WHERE id = 'alice'""",
        amount=amount,
    )
    queries.rows(
        """INSERT INTO platform."UserBalance" VALUES ('alice', 60, now())
               ON CONFLICT ("userId") DO UPDATE SET balance = 60, "updatedAt" = now()"""
    )


def reserve(queries: Queries, *, key: str = KEY, amount: int = 100, age: float = 600) -> None:
    """Leave what a process leaves that was killed after it had reserved an entry."""
    queries.rows(
        """INSERT INTO platform."CreditTransaction"
               ("transactionKey", "userId", "amount", "type", "runningBalance", "isActive")
           VALUES (%(key)s, 'alice', %(amount)s, 'TOP_UP', 60, false)""",
        key=key,
        amount=amount,
    )
    queries.rows(
        """INSERT INTO autogpt_db.top_up_reservation
               (transaction_key, user_id, customer, reserved_at)
           VALUES (%(key)s, 'alice', 'cus_alice',
                   clock_timestamp() - make_interval(secs => %(age)s))""",
        key=key,
        age=age,
    )


def paid(
    provider: PaymentProvider,
    *,
    key: str = KEY,
    user: str = "alice",
    amount: int = 100,
    status: str = "succeeded",
    age: float = 0,
    refunded: int = 0,
) -> str:
    """Put a payment among those that the provider knows of."""
    made = provider.intents.setdefault(PAYMENTS, [])
    identifier = f"pi_{len(made) + 1}"
    made.append(
        {
            "id": identifier,
            "object": "payment_intent",
            "status": status,
            "created": int(time.time() - age),
            "customer": "cus_alice",
            "metadata": {"user_id": user, "transaction_key": key},
            "amount_received": amount,
            "latest_charge": {
                "id": "ch_1", "object": "charge", "amount_refunded": refunded, "disputed": False,
            },
        }
    )  # fmt: skip
    return identifier


def settle(
    queries: Queries, provider: PaymentProvider, key: str | None = "sk_test_secret"
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the job; return what it counted and its own events. It never charges anything."""
    settings = msgspec.structs.replace(
        settings_for(queries.url),
        credits=CreditsSettings(
            enabled=True,
            stripe_api_key=None if key is None else Secret(key),
            stripe_base_url=provider.url,
            stripe_timeout=5.0,
        ),
    )
    before = len(provider.requests)
    result, events = run(queries, settings, "settle_top_ups")
    assert {method for method, *_ in provider.requests[before:]} <= {"GET"}
    return result, [event for event in events if "top_up" in event["event"]]


def entries(queries: Queries) -> list[tuple[Any, ...]]:
    return queries.rows(
        """SELECT "transactionKey", "amount", "isActive", "runningBalance"
             FROM platform."CreditTransaction" WHERE "type" IN ('TOP_UP', 'CARD_CHECK')
            ORDER BY "transactionKey" """
    )


def balance(queries: Queries) -> int:
    found: int = queries.value(
        """SELECT balance FROM platform."UserBalance" WHERE "userId" = 'alice'"""
    )
    return found


def reservations(queries: Queries) -> int:
    found: int = queries.value("SELECT count(*) FROM autogpt_db.top_up_reservation")
    return found


def grow_older(queries: Queries, seconds: float = 600) -> None:
    queries.rows(
        """UPDATE autogpt_db.top_up_reservation
              SET reserved_at = reserved_at - make_interval(secs => %(seconds)s)""",
        seconds=seconds,
    )


@pytest.mark.parametrize("amount", [100, 0])
def test_a_charge_whose_process_was_killed_is_entered_once(
    queries: Queries, provider: PaymentProvider, amount: int
) -> None:
    prepare(queries, amount)
    provider.outcomes["pm_1"] = "held"  # it is made, and nobody hears of it
    provider.gate.clear()
    options = ("credits.enabled=true", f"credits.stripe_base_url={provider.url}")
    with ApiProcess(queries.url, *options, environment={"STRIPE_API_KEY": "sk_test_secret"}) as api:
        request = {"user_id": "alice", "cost": 20, "metadata": {"graph_exec_id": "run"}}
        assert api.client.post("/spend_credits", json=request).json() == 40
        wait_for(lambda: provider.payments, what="the charge")
        api.signal(signal.SIGKILL)
        api.exit_code()
    provider.gate.set()
    assert entries(queries) == [(KEY, amount, False, 40)]
    assert settle(queries, provider) == ({"entered": 0, "unsettled": 0}, []), "it may yet end"
    grow_older(queries)
    result, (event,) = settle(queries, provider)
    name = "pi_1" if amount else "seti_1"
    assert result == {"entered": 1, "unsettled": 0}
    assert event == {
        "event": "auto_top_up_settled", "log_level": "info", "user_id": "alice",
        "transaction_key": KEY, "amount": amount, "payment": name,
    }  # fmt: skip
    assert entries(queries) == [(name, amount, True, 40 + amount)]
    assert balance(queries) == 40 + amount
    assert settle(queries, provider) == ({"entered": 0, "unsettled": 0}, [])
    assert balance(queries) == 40 + amount
    assert len(provider.payments) == 1


def test_only_entries_that_this_service_reserved_are_touched(
    queries: Queries, provider: PaymentProvider
) -> None:
    reserve(queries)
    queries.rows("DELETE FROM autogpt_db.top_up_reservation")  # AutoGPT's own looks the same
    paid(provider)
    assert settle(queries, provider) == ({"entered": 0, "unsettled": 0}, [])
    assert (entries(queries), provider.requests) == ([(KEY, 100, False, 60)], [])


def test_a_payment_on_a_later_page_is_found(queries: Queries, provider: PaymentProvider) -> None:
    provider.page = 2
    name = paid(provider)
    for number in range(5):
        paid(provider, key=f"another-{number}")
    paid(provider, user="somebody else")
    reserve(queries)
    assert settle(queries, provider)[0] == {"entered": 1, "unsettled": 0}
    assert entries(queries) == [(name, 100, True, 160)]
    assert len(provider.requests) == 4


@pytest.mark.parametrize(
    ("payments", "reason", "level"),
    [
        ([], "the provider knows of no payment", "warning"),
        ([{"age": 7200}], "the provider knows of no payment", "warning"),
        ([{"key": "another"}], "the provider knows of no payment", "warning"),
        ([{"user": "bob"}], "the provider knows of no payment", "warning"),
        ([{"status": "processing", "amount": 0}], "pi_1 is processing", "error"),
        ([{"refunded": 100}], "pi_1 was refunded or is disputed", "error"),
        ([{"amount": 50}], "pi_1 is of 50", "error"),
        ([{}, {}], "there are several payments: pi_2, pi_1", "error"),
    ],
)
def test_what_cannot_be_entered_stays_and_is_told_once(
    queries: Queries,
    provider: PaymentProvider,
    payments: list[dict[str, Any]],
    reason: str,
    level: str,
) -> None:
    for payment in payments:
        paid(provider, **payment)
    reserve(queries)
    result, (event,) = settle(queries, provider)
    assert result == {"entered": 0, "unsettled": 1}
    assert event == {
        "event": "auto_top_up_unsettled", "log_level": level, "user_id": "alice",
        "transaction_key": KEY, "amount": 100, "reason": reason,
    }  # fmt: skip
    assert settle(queries, provider) == ({"entered": 0, "unsettled": 1}, []), "told once"
    assert entries(queries) == [(KEY, 100, False, 60)]
    assert balance(queries) == 60
    assert figures(queries, "top_ups_unsettled") == [1]
    assert figures(queries, "top_ups_unsettled_oldest_seconds")[0] >= 600


def test_a_payment_that_was_entered_before_under_the_same_key_is_not_entered_again(
    queries: Queries, provider: PaymentProvider
) -> None:
    """Without a graph execution, a user's key is the same each time."""
    name = paid(provider)
    reserve(queries)
    assert settle(queries, provider)[0]["entered"] == 1
    reserve(queries)
    result, (event,) = settle(queries, provider)
    assert result == {"entered": 0, "unsettled": 1}
    assert event["reason"] == "the provider knows of no payment"
    assert entries(queries) == [(KEY, 100, False, 60), (name, 100, True, 160)]
    assert balance(queries) == 160


def test_a_day_later_what_was_never_charged_is_let_be(
    queries: Queries, provider: PaymentProvider
) -> None:
    reserve(queries, age=90_000)
    result, (event,) = settle(queries, provider)
    assert result == {"entered": 0, "unsettled": 0}
    assert event["event"] == "auto_top_up_never_charged"
    assert entries(queries) == [(KEY, 100, False, 60)], "it keeps its execution from asking again"
    assert reservations(queries) == 0


@pytest.mark.parametrize("key", [None, "sk_wrong"])
def test_a_provider_that_cannot_be_asked_is_told_and_asked_again(
    queries: Queries, provider: PaymentProvider, key: str | None
) -> None:
    paid(provider)
    reserve(queries)
    result, (event,) = settle(queries, provider, key)
    assert result == {"entered": 0, "unsettled": 1}
    assert (event["event"], event["left"]) == ("top_ups_not_looked_up", 1)
    assert "sk_wrong" not in str(event)
    assert settle(queries, provider)[0] == {"entered": 1, "unsettled": 0}


def test_what_somebody_has_entered_or_removed_is_forgotten(
    queries: Queries, provider: PaymentProvider
) -> None:
    paid(provider)
    reserve(queries)
    queries.rows("""UPDATE platform."CreditTransaction" SET "isActive" = true""")
    assert settle(queries, provider) == ({"entered": 0, "unsettled": 0}, [])
    assert (reservations(queries), balance(queries)) == (0, 60)


def test_an_end_that_is_known_leaves_nothing_to_look_for(
    queries: Queries, provider: PaymentProvider
) -> None:
    options = ("credits.enabled=true", f"credits.stripe_base_url={provider.url}")
    with ApiProcess(queries.url, *options, environment={"STRIPE_API_KEY": "sk_test_secret"}) as api:

        def spend(run: str, cost: int) -> httpx.Response:
            request = {"user_id": "alice", "cost": cost, "metadata": {"graph_exec_id": run}}
            return api.client.post("/spend_credits", json=request)

        provider.outcomes["pm_1"] = "declined"
        assert spend("declined", 20).status_code == 200
        wait_for(lambda: api.events("auto_top_up_failed"), what="the refusal")
        wait_for(lambda: reservations(queries) == 0, what="the reservation to be forgotten")
        provider.outcomes["pm_1"] = "succeeded"
        assert spend("taken", 1).status_code == 200
        wait_for(lambda: api.events("auto_top_up"), what="the top-up")
        assert reservations(queries) == 0
        provider.outcomes["pm_1"] = "lost"
        assert spend("lost", 130).status_code == 200
        wait_for(lambda: api.events("auto_top_up_not_entered"), what="the charge without an answer")
        assert reservations(queries) == 1
    grow_older(queries)
    assert settle(queries, provider)[0] == {"entered": 1, "unsettled": 0}
    assert balance(queries) == 60 - 20 - 1 + 100 - 130 + 100
