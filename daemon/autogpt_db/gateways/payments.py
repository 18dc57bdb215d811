"""The payment provider, Stripe, by its own client library; off without a key."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from autogpt_db.gateways.failures import failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

    from stripe import StripeClient

    from autogpt_db.settings import CreditsSettings

MOST_CARDS = 10
"""Cards of one customer that are tried."""
REPEATS = 2
"""Times that the library repeats a request that got no answer, under the same idempotency key."""


MOST_PAYMENTS = 1000
"""Payments of one customer that are looked through."""
CLOCKS_DIFFER = 600
"""Seconds by which the provider's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment, or a check of a card, that the provider knows of.

    Attributes:
        id: The provider's.
        status: The provider's word: `succeeded`, `processing`, …
        amount: US cents that were received; 0 for a check.
        returned: Whether something of it was given back, or its holder disputes it.
    """

    id: str
    status: str
    amount: int
    returned: bool


class PaymentError(Exception):
    """Nothing was charged; the message says why."""


class PaymentUnknownError(Exception):
    """Nobody knows whether something was charged; the message says why."""


async def charge(options: CreditsSettings, customer: str, amount: int, key: str, user: str) -> str:
    """Charge one of a customer's cards, or check one when there is nothing to charge.

    Cards are tried in the provider's order until one is taken. Where a charge's end is unknown no
    other card is tried: nobody pays twice.

    Args:
        options: With the provider's key.
        customer: The provider's id of the customer.
        amount: US cents.
        key: Names this payment: the provider takes it once, however often it is asked.
        user: Whose it is; stored with the payment.

    Returns:
        The provider's id of the payment.

    Raises:
        PaymentError: No card was taken.
        PaymentUnknownError: A card may have been charged.
    """
    # Beside the loop: it takes a second.
    stripe: Any = await asyncio.to_thread(importlib.import_module, "stripe")
    stripe.enable_telemetry = False
    async with _opened(stripe, options) as client:
        return await _charge(stripe, client, customer, amount, key, user)


async def _charge(
    stripe: Any, client: StripeClient, customer: str, amount: int, key: str, user: str
) -> str:
    try:
        cards = await client.v1.payment_methods.list_async(
            {"customer": customer, "type": "card", "limit": MOST_CARDS}
        )
    except stripe.StripeError as error:
        raise PaymentError(_unanswered(error)) from error
    reasons = []
    for card in cards.data:
        try:
            payment = await _asked(client, customer, amount, card.id, key, user)
        except stripe.CardError as error:
            reasons.append(_described(error))
        except stripe.APIConnectionError as error:
            raise PaymentUnknownError(_unanswered(error)) from error
        except stripe.StripeError as error:
            status = error.http_status or 0
            kind = PaymentUnknownError if status >= 500 else PaymentError  # noqa: PLR2004 - HTTP's
            raise kind(_unanswered(error)) from error
        else:
            if payment.status == "succeeded":
                found: str = payment.id
                return found
            if payment.status == "processing":
                raise PaymentUnknownError(f"{payment.id} is still being processed")
            # It asks for its holder: one who says yes later must not pay for nothing.
            await _cancelled(stripe, client, amount, payment.id)
            reasons.append(f"{payment.id}: {payment.status}")
    raise PaymentError("; ".join(reasons) or "the customer has no card")


async def find(
    options: CreditsSettings, customer: str, amount: int, key: str, user: str, *, since: float
) -> list[Payment]:
    """Return what was charged or checked under a key; nothing is charged.

    The payments are listed: the provider's search doesn't know of the newest ones.

    Args:
        options: With the provider's key.
        customer: The provider's id of the customer.
        amount: US cents that were to be charged; 0 for a check of a card.
        key: What `charge` named the payment by.
        user: Whose it is.
        since: When it was asked for at the earliest, Unix time.

    Raises:
        PaymentError: The provider could not be asked; the message says why.
        PaymentUnknownError: It cannot say of this customer.
    """
    if options.stripe_api_key is None:
        raise PaymentError("there is no credits.stripe_api_key")
    if not available():
        raise PaymentError("the client library is missing: install autogpt-db[stripe]")
    stripe: Any = await asyncio.to_thread(importlib.import_module, "stripe")
    stripe.enable_telemetry = False
    wanted: dict[str, Any] = {
        "customer": customer,
        "created": {"gte": int(since) - CLOCKS_DIFFER},
        "limit": 100,
    }
    if amount:
        wanted["expand"] = ["data.latest_charge"]
    found = []
    async with _opened(stripe, options) as client:
        intents: Any = client.v1.payment_intents if amount else client.v1.setup_intents
        try:
            page = await intents.list_async(wanted)
            seen = 0
            async for intent in page.auto_paging_iter():
                seen += 1
                if seen > MOST_PAYMENTS:
                    raise PaymentUnknownError(
                        f"{customer} has made more than {MOST_PAYMENTS} payments since"
                    )
                made = intent.to_dict()
                metadata = made.get("metadata") or {}
                if (metadata.get("transaction_key"), metadata.get("user_id")) == (key, user):
                    found.append(_payment(made))
        except stripe.InvalidRequestError as error:
            raise PaymentUnknownError(_described(error)) from error
        except stripe.StripeError as error:
            raise PaymentError(_unanswered(error)) from error
    return found


def _payment(intent: dict[str, Any]) -> Payment:
    charge = intent.get("latest_charge") or {}
    return Payment(
        intent["id"],
        intent["status"],
        intent.get("amount_received") or 0,
        bool(charge.get("amount_refunded") or charge.get("disputed")),
    )


def available() -> bool:
    """Tell whether the provider's library is installed."""
    return importlib.util.find_spec("stripe") is not None


@asynccontextmanager
async def _opened(stripe: Any, options: CreditsSettings) -> AsyncIterator[StripeClient]:
    assert options.stripe_api_key is not None
    transport = stripe.HTTPXClient(timeout=options.stripe_timeout)
    try:
        yield stripe.StripeClient(
            options.stripe_api_key.reveal(),
            base_addresses={"api": options.stripe_base_url} if options.stripe_base_url else {},
            max_network_retries=REPEATS,
            http_client=transport,
        )
    finally:
        await transport.close_async()


def _asked(
    client: StripeClient, customer: str, amount: int, card: str, key: str, user: str
) -> Awaitable[Any]:
    common: dict[str, Any] = {
        "customer": customer,
        "payment_method": card,
        "payment_method_types": ["card"],
        "confirm": True,
        "metadata": {"user_id": user, "transaction_key": key},
    }
    options: Any = {"idempotency_key": f"{key}:{card}"[:255]}
    if amount == 0:
        check: Any = {**common, "usage": "off_session"}
        return client.v1.setup_intents.create_async(check, options)
    payment: Any = {**common, "amount": amount, "currency": "usd", "off_session": True}
    return client.v1.payment_intents.create_async(payment, options)


async def _cancelled(stripe: Any, client: StripeClient, amount: int, payment: str) -> None:
    intents = client.v1.payment_intents if amount else client.v1.setup_intents
    try:
        await intents.cancel_async(payment)
    except stripe.StripeError as error:
        said = _unanswered(error)
        raise PaymentUnknownError(f"{payment} could not be cancelled: {said}") from error


def _unanswered(error: Exception) -> str:
    """Describe, and count, a failure of the provider's and not of a card or a customer."""
    failed("payments")
    return _described(error)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
