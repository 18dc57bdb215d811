"""`autogpt-db user`: AutoGPT's users, as an operator looks them up; nothing is changed."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.asking import ask, fail
from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.printing import say
from autogpt_db.cli.tables import moment, table
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.cli.runtime import Loads
    from autogpt_db.database.capabilities import Capabilities
    from autogpt_db.database.pool import Database
    from autogpt_db.operations.users.accounts import Account, Filter, Order
    from autogpt_db.settings import Settings

_NAMED = 3
"""Organizations that a line of the table names."""


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def user() -> None:
    """Look AutoGPT's users up."""


@user.command()
@click.argument("who", metavar="EMAIL|ID")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def show(sources: Loads, *, who: str, as_json: bool) -> None:
    """Show one user: tier, balance, organizations, runs, last activity."""
    with friendly():
        account = account_of(sources.load().settings, "user", who)
        if as_json:
            from autogpt_db.worker.administration import as_json as to_json

            say(to_json(_described(account)))
            return
        for line in _lines(account):
            say(line)


@user.command("list")
@click.option("--search", metavar="TEXT", help="Whose address or name has this in it.")
@click.option("--tier", help="Of this subscription tier, such as PRO.")
@click.option("--organization", metavar="ID|SLUG", help="Members of this organization.")
@click.option(
    "--active",
    "active_days",
    metavar="DAYS",
    type=click.IntRange(1, 3650),
    help="Who ran, chatted or paid within so many days.",
)
@click.option(
    "--order",
    type=click.Choice(["created", "activity", "balance", "email"]),
    default="created",
    show_default=True,
    help="What comes first: the newest user, the latest activity, the most credits, or A.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="How many at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(
    sources: Loads,
    *,
    search: str | None,
    tier: str | None,
    organization: str | None,
    active_days: int | None,
    order: Order,
    limit: int,
    as_json: bool,
) -> None:
    """List users; options narrow it down together."""
    from autogpt_db.operations.users.accounts import Filter, list_accounts

    wanted = Filter(search, tier, organization, active_days, order, limit)

    async def listed(database: Database) -> tuple[list[Account], int]:
        _refuse_what_it_lacks(database.capabilities, wanted)
        return await list_accounts(database, wanted)

    with friendly():
        accounts, number = ask(sources.load().settings, "user", listed)
        if as_json:
            from autogpt_db.worker.administration import as_json as to_json

            say(to_json([_described(account) for account in accounts]))
        elif accounts:
            columns = (
                "e-mail", "id", "tier", "balance", "organizations", "runs", "last activity (UTC)",
            )  # fmt: skip
            for line in table(columns, map(_row, accounts)):
                say(line)
        if number > len(accounts):
            say(f"The first {len(accounts)} of {number}: --limit shows more.", error=as_json)
        elif not as_json:
            users = "user" if number == 1 else "users"
            say(f"\n{number} {users}." if number else "No user is like that.")


def account_of(settings: Settings, name: str, who: str) -> Account:
    """Return the one user whom an operator names; where there is none, say so and end with 1.

    Args:
        settings: Where the database is.
        name: The command, for `pg_stat_activity`.
        who: The id, or the e-mail address in upper or lower case.
    """
    from autogpt_db.operations.users.accounts import find_accounts

    found = ask(settings, name, lambda database: find_accounts(database, who))
    if not found:
        fail(
            f"no user has the id or the e-mail address {who!r}. "
            "autogpt-db user list --search finds parts of addresses and names."
        )
    if len(found) > 1:
        several = ", ".join(f"{one.email} ({one.id})" for one in found)
        fail(f"more than one user has that address: {several}. Name one by the id.")
    return found[0]


def _refuse_what_it_lacks(has: Capabilities, wanted: Filter) -> None:
    """Fail where a filter asks for what this database has no place for.

    Raises:
        ConfigurationError: It does.
    """
    from autogpt_db.errors import ConfigurationError

    if wanted.tier is not None and not has.tier:
        raise ConfigurationError("--tier: this database knows no tiers; AutoGPT v0.6.54 has them.")
    if wanted.organization is not None and not has.orgs:
        raise ConfigurationError(
            "--organization: this database knows no organizations; AutoGPT v0.6.67 has them."
        )


def _lines(account: Account) -> Iterator[str]:
    runs = sum(account.runs.values())
    statuses = ", ".join(f"{number} {status}" for status, number in account.runs.items())
    did = f" ({account.last_did})" if account.last_did else ""
    confirmed = "confirmed" if account.email_verified else "not confirmed"
    facts = [
        ("id", account.id),
        ("e-mail", f"{account.email} ({confirmed})"),
        ("name", account.name or "-"),
        ("since (UTC)", moment(account.created_at)),
        ("tier", account.tier or "-"),
        ("balance", f"{account.balance} credits"),
        *(("organization", line) for line in _organizations(account)),
        ("runs", f"{runs}: {statuses}" if runs else "0"),
        ("last activity (UTC)", f"{moment(account.last_activity)}{did}"),
    ]
    width = max(len(name) for name, _ in facts)
    for name, value in facts:
        yield f"{name.ljust(width)}  {printable(value)}"


def _organizations(account: Account) -> Iterator[str]:
    if not account.organizations:
        yield "-"
    for one in account.organizations or ():
        words = [one.role]
        if one.status != "ACTIVE":
            words.append(one.status)
        words.append("personal" if one.personal else f"{one.balance} credits")
        yield f"{one.name} ({one.slug}): {', '.join(words)}"


def _row(account: Account) -> tuple[str, ...]:
    slugs = [one.slug for one in account.organizations or ()]
    named = ", ".join(slugs[:_NAMED]) + (f" +{len(slugs) - _NAMED}" if slugs[_NAMED:] else "")
    return (
        account.email,
        account.id,
        account.tier or "-",
        str(account.balance),
        named or "-",
        str(sum(account.runs.values())),
        moment(account.last_activity),
    )


def _described(account: Account) -> dict[str, Any]:
    moments = ("created_at", "last_activity")
    told = dataclasses.asdict(account)
    return told | {name: told[name] and told[name].replace(tzinfo=dt.UTC) for name in moments}
