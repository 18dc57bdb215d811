"""Users as an operator looks them up: who they are, what they have, what they did last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from autogpt_db.operations.users.account_statements import FIND, LISTS

if TYPE_CHECKING:
    import datetime as dt

    from autogpt_db.database.pool import Database

Order = Literal["created", "activity", "balance", "email"]


@dataclass(frozen=True, slots=True)
class Organization:
    """An organization that a user is a member of.

    Attributes:
        id: Its id.
        name: Its name.
        slug: Its name in addresses.
        personal: Whether it is a user's own, which is billed on the user's account.
        role: The user's: `owner`, `admin` or `member`.
        status: The membership's: `ACTIVE` and others.
        balance: Its credits; None for a personal one.
    """

    id: str
    name: str
    slug: str
    personal: bool
    role: str
    status: str
    balance: int | None


@dataclass(frozen=True, slots=True)
class Account:
    """A user.

    Attributes:
        id: The id.
        email: The e-mail address.
        name: What the user is called, or None.
        email_verified: Whether the address has been confirmed.
        created_at: When the user came, UTC.
        tier: The subscription's, or None where the database knows of none.
        balance: The user's own credits.
        organizations: Whose member the user is; None where the database knows of none.
        runs: How many runs there are, by status; deleted ones aren't counted.
        last_activity: When the user last ran, chatted or paid, UTC; None: never.
        last_did: What that was: `run`, `chat` or `payment`.
    """

    id: str
    email: str
    name: str | None
    email_verified: bool
    created_at: dt.datetime
    tier: str | None
    balance: int
    organizations: list[Organization] | None
    runs: dict[str, int]
    last_activity: dt.datetime | None
    last_did: str | None


@dataclass(frozen=True, slots=True)
class Filter:
    """Which users are listed.

    Attributes:
        search: A part of the address or the name, in upper or lower case; None: all.
        tier: The subscription's tier.
        organization: Id or slug of an organization that they are members of.
        active_days: They did something within so many days.
        order: What is first: who came last, who did something last, who has most, or by address.
        limit: How many at most.
    """

    search: str | None = None
    tier: str | None = None
    organization: str | None = None
    active_days: int | None = None
    order: Order = "created"
    limit: int = 50


async def find_accounts(database: Database, who: str) -> list[Account]:
    """Return the user with this id or e-mail address; more than one where only the case differs.

    Args:
        database: A handle on the pool.
        who: The id, or the address in upper or lower case; as it stands it comes first.
    """
    rows = await database.rows(FIND(database.capabilities), {"who": who})
    return [_account(row) for row in rows]


async def list_accounts(database: Database, wanted: Filter) -> tuple[list[Account], int]:
    """Return the users that are wanted, and how many there are without the limit.

    Args:
        database: A handle on the pool.
        wanted: Which of them.
    """
    given = {name: getattr(wanted, name) for name in Filter.__slots__}
    by_activity = wanted.order == "activity" or wanted.active_days is not None
    statement = LISTS(database.capabilities)[wanted.order == "balance", by_activity]
    rows = await database.rows(statement, given)
    return [_account(row) for row in rows], rows[0][-1] if rows else 0


def _account(row: tuple[Any, ...]) -> Account:
    user_id, email, name, verified, created, tier, credit, organizations, runs, at, what, _ = row
    found = None if organizations is None else [Organization(**each) for each in organizations]
    counted = dict(sorted(runs.items()))
    return Account(user_id, email, name, verified, created, tier, credit, found, counted, at, what)
