"""`autogpt-db user`: whom operators look up, on the database of any release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.operations.users.account_statements import FIND, LISTS
from autogpt_db.statements.sql import read
from releases.building import LATEST
from typed_commands import TypedCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from autogpt_db.operations.users.accounts import Order
    from releases.building import ReleaseDatabases

MADE = """
INSERT INTO platform."User" ("id", "email", "name", "createdAt", "updatedAt", "emailVerified")
VALUES ('ann', 'Ann@Example.com', 'Ann', '2020-01-01', '2020-01-01', false),
       ('ann2', 'ann@example.com', 'Ann the second', '2020-01-02', '2020-01-02', true),
       ('odd', '100%_x@example.com', E'O\\x1b[31mdd\\nline', '2020-01-03', '2020-01-03', true);
INSERT INTO platform."AgentGraph" ("id", "version", "userId") VALUES ('graph', 1, 'ann');
INSERT INTO platform."CreditTransaction"
       ("transactionKey", "userId", "amount", "type", "runningBalance", "createdAt", "isActive")
VALUES ('k1', 'ann', 500, 'TOP_UP', 500, '2020-02-01', true),
       ('k2', 'ann', 9, 'GRANT', 509, '2020-03-01', true),
       ('k3', 'ann', 90, 'TOP_UP', 599, '2020-04-01', false);
INSERT INTO platform."AgentGraphExecution"
       ("id", "agentGraphId", "agentGraphVersion", "userId", "executionStatus", "createdAt",
        "isDeleted")
SELECT 'run-' || n, 'graph', 1, 'ann2', 'FAILED', now() - n * interval '1 day', n = 0
  FROM generate_series(0, 3) AS n;
"""


class Operator(TypedCommands):
    """Types commands of the group `user` at a database."""

    def __init__(self, url: str, directory: Path) -> None:
        super().__init__("user", url, directory)

    def listed(self, *words: str) -> list[str]:
        """Return the ids that `user list` shows, in its order."""
        return [one["id"] for one in self.reads("list", *words)]


@pytest.fixture(scope="module")
def operator(
    releases: ReleaseDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Operator]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MADE)
    yield Operator(url, tmp_path_factory.mktemp("operator"))
    releases.drop(url)


def test_every_release_has_what_is_asked_for() -> None:
    for state in {release.state for release in RELEASES}:
        catalogue = catalogue_of(state)
        has = Capabilities.of(catalogue)
        for statement in (FIND(has), *LISTS(has).values()):
            lacks = read(statement).lacks(catalogue)
            assert not lacks, (state, lacks)


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.54", "v0.6.68", LATEST])
def test_a_release_without_something_shows_the_rest(
    release_database: Callable[..., str], tmp_path: Path, state: str
) -> None:
    url = release_database(state, ours=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MADE)
    operator = Operator(url, tmp_path)
    shown = operator.reads("show", "ann2")
    assert shown["runs"] == {"FAILED": 3}
    assert (shown["tier"] is None) == (state == "v0.6.48")
    assert shown["organizations"] == ([] if state in {"v0.6.68", LATEST} else None)
    assert operator.listed() == ["odd", "ann2", "ann"]
    for words, since in (
        (("--tier", "PRO"), "v0.6.54"),
        (("--organization", "acme"), "v0.6.67"),
    ):
        done = operator.types("list", *words)
        known = state in {"v0.6.68", LATEST} or (since, state) == ("v0.6.54", "v0.6.54")
        assert (done.exit_code, since in done.output) == ((0, False) if known else (78, True))


def test_one_is_shown(operator: Operator) -> None:
    shown = operator.reads("show", "alice@example.com")
    organizations = shown.pop("organizations")
    assert shown.pop("runs")["COMPLETED"] > 0
    assert shown.pop("last_activity").endswith("+00:00")
    assert shown == {
        "id": "alice",
        "email": "alice@example.com",
        "name": shown["name"],
        "email_verified": True,
        "created_at": shown["created_at"],
        "tier": shown["tier"],
        "balance": 1000,
        "last_did": "run",
    }
    assert shown["tier"] is not None
    assert [(one["slug"], one["role"], one["balance"]) for one in organizations] == [
        ("alice", "owner", None),
        ("acme", "member", 500),
    ]
    done = operator.types("show", "alice")
    assert done.exit_code == 0
    assert "balance              1000 credits\n" in done.stdout
    assert "organization         Alice (alice): owner, personal\n" in done.stdout
    assert "organization         Acme (acme): member, 500 credits\n" in done.stdout


def test_the_address_is_found_in_any_case_and_as_it_stands_first(operator: Operator) -> None:
    assert operator.reads("show", "ALICE@example.COM")["id"] == "alice"
    assert operator.reads("show", "Ann@Example.com")["id"] == "ann"
    assert operator.reads("show", "ann@example.com")["id"] == "ann2"
    done = operator.types("show", "ANN@EXAMPLE.COM")
    assert done.exit_code == 1
    assert "more than one user has that address: " in done.stderr
    assert "(ann)" in done.stderr
    assert "(ann2)" in done.stderr


@pytest.mark.parametrize("who", ["nobody@example.com", "ali%", "", "x\x1b[2J"])
def test_nobody_is_said_so(operator: Operator, who: str) -> None:
    done = operator.types("show", who)
    assert done.exit_code == 1
    assert done.stderr.startswith("autogpt-db: no user has the id or the e-mail address ")
    assert "\x1b" not in done.output


def test_the_balance_is_as_get_credits_has_it(operator: Operator) -> None:
    shown = operator.reads("show", "ann")
    assert shown["balance"] == 509, "of the last entry, where there is no account yet"
    assert (shown["last_activity"], shown["last_did"]) == (
        "2020-02-01T00:00:00+00:00",
        "payment",
    ), "what was granted is nothing that she did, and what is not active didn't happen"
    shown = operator.reads("show", "odd")
    assert (shown["balance"], shown["last_activity"], shown["runs"]) == (0, None, {})


def test_what_names_hold_moves_no_cursor(operator: Operator) -> None:
    done = operator.types("show", "odd")
    assert "name                 O\\u001b[31mdd\\nline\n" in done.stdout
    assert "\x1b" not in operator.types("list").stdout


def test_options_narrow_the_list_down_together(operator: Operator) -> None:
    assert operator.listed("--search", "ANN") == ["ann2", "ann"]
    assert operator.listed("--search", "%_") == ["odd"], "the text, and no pattern"
    assert operator.listed("--search", "the SECOND") == ["ann2"]
    assert set(operator.listed("--organization", "acme")) == {"alice", "bob", "carol"}
    assert operator.listed("--organization", "org-1", "--search", "bob") == ["bob"]
    assert operator.listed("--tier", "PRO", "--organization", "acme") == ["carol"]
    assert operator.listed("--tier", "none of them") == []
    assert operator.types("list", "--search", "nobody").stdout == "No user is like that.\n"
    assert "ann2" in operator.listed("--active", "2")
    assert not {"ann", "odd"} & set(operator.listed("--active", "2"))


def test_the_list_has_an_order_and_an_end(operator: Operator) -> None:
    everybody = operator.listed()
    assert everybody[-3:] == ["odd", "ann2", "ann"], "who came last is first"
    assert operator.listed("--order", "activity")[0] == "ann2"
    richest = [one["balance"] for one in operator.reads("list", "--order", "balance")]
    assert richest == sorted(richest, reverse=True)
    addresses = [one["email"] for one in operator.reads("list", "--order", "email")]
    with psycopg.connect(operator.url) as connection:
        rows = connection.execute('SELECT "email" FROM platform."User" ORDER BY "email"').fetchall()
    assert addresses == [address for (address,) in rows]
    done = operator.types("list", "--limit", "2")
    head, *lines = done.stdout.splitlines()
    assert head.split("  ")[0] == "e-mail"
    assert [line.split()[1] for line in lines[:2]] == everybody[:2]
    assert lines[2] == f"The first 2 of {len(everybody)}: --limit shows more."
    assert operator.listed("--limit", "2") == everybody[:2]
    for limit in ("0", "10001", "x"):
        assert operator.types("list", "--limit", limit).exit_code == 2


def reads_of(plan: dict[str, Any], table: str) -> int:
    """Return how often a plan has looked into a table."""
    own = plan["Actual Loops"] if plan.get("Relation Name") == table else 0
    return own + sum(reads_of(each, table) for each in plan.get("Plans", ()))


@pytest.mark.parametrize(
    ("order", "tables"),
    [
        ("created", {"CreditTransaction", "AgentGraphExecution"}),
        ("email", {"CreditTransaction", "AgentGraphExecution"}),
        ("balance", {"AgentGraphExecution"}),
    ],
)
def test_of_people_who_are_not_shown_little_is_looked_up(
    operator: Operator, order: Order, tables: set[str]
) -> None:
    given = {"order": order, "limit": 1, "search": None, "tier": None, "organization": None}
    statement = LISTS(Capabilities.of(catalogue_of(LATEST)))[order == "balance", False]
    with psycopg.connect(operator.url, autocommit=True) as connection:
        connection.execute("SET enable_hashjoin = off")
        connection.execute("SET enable_mergejoin = off")
        connection.execute("SET enable_seqscan = off")
        explained = connection.execute(
            f"EXPLAIN (ANALYZE, FORMAT json) {statement}".encode(), given
        ).fetchone()
    assert explained is not None
    ((found,),) = explained
    for table in tables:
        assert reads_of(found["Plan"], table) <= 3, table


def test_an_empty_database_is_told_of(own_database_url: str, tmp_path: Path) -> None:
    done = Operator(own_database_url, tmp_path).types("list")
    assert done.exit_code == 78, done.output
    assert "Traceback" not in done.output
    assert done.stderr.startswith("autogpt-db: ")
