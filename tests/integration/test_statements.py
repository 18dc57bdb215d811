"""How many statements a call costs, as PostgreSQL's own log counts them.

`AUTOGPT_DB_TEST_WRITE_PAGES=1 pytest tests/integration/test_statements.py` writes the page anew.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg
import pytest
from tools.sample_calls import examples

from autogpt_db.database.pool import knowledge, pulse
from autogpt_db.database.provisioning.migration import migrate
from autogpt_db.settings import CreditsSettings, IntegrationsSettings, Secret
from postgres_server import PostgresServer, clone
from private_cluster import fill_as_0_1_0
from releases.building import ENCRYPTION_KEY, LATEST, ReleaseDatabases
from service import FIRST, LATER, OPERATIONS, Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Every second or two somebody looks how the database is, and whether its schema has changed.
_LOOKS = tuple(look.strip().splitlines()[0] for look in (knowledge.LOOK, pulse.LOOK))
# Here one connection runs every statement there is, and keeps so many of them prepared.
_FORGOTTEN = "DEALLOCATE statement_"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "statements.md"
MOST = 2
DATABASE = "counted"
ALICE = {"user_id": "alice"}
MESSAGE = {"content": "Done.", "message_id": "message"}
BATCH = {"user_id": "alice", "notification_type": "AGENT_RUN"}
EVENT = {"type": "AGENT_RUN", "user_id": "alice", "data": {"a": 1}}
FILE = examples()["create_workspace_file"][0]
NODE = {"node_id": "n-std", "graph_exec_id": "e1", "input_name": "data", "input_data": 1}

# What AutoGPT's engine sends, from the contract's notes: where it says nothing, nobody counted.
AUTOGPT = {
    "get_graph_execution": "6",
    "create_graph_execution": "9, and 2 for each starting node with inputs",
    "get_node_executions": "5",
    "update_node_execution_status": "8",
    "update_graph_execution_start_time": "9",
    "update_graph_execution_stats": "9",
    "upsert_execution_input": "4, or 7 for a new row",
    "upsert_execution_output": "1",
    "set_execution_kv_data": "1",
    "get_node": "4",
    "get_graph": "5, and 5 for each level of sub-graphs",
    "get_connected_output_nodes": "5",
    "spend_credits": "2",
    "get_credits": "1",
    "get_active_user_ids_in_timerange": "1",
    "get_or_create_human_review": "5",
    "create_or_add_to_user_notification_batch": "7, or 8 for an existing one",
    "empty_user_notification_batch": "4",
    "list_library_agents": "4",
    "increment_onboarding_runs": "6",
}

# Beyond two: which, how many, and what forces it.
_BATCHES = (
    "a transaction: the batch is locked, and a statement of its own then sees the events that were "
    "being added, so that none is deleted unread"
)
_ORGANIZATION = (
    "once in a user's life: the organization is made in a transaction, under a lock that lets "
    "whoever comes meanwhile find it"
)
_CREDENTIALS = (
    "a transaction: under a lock for the user a statement of its own sees what is stored, which is "
    "decrypted to tell what has changed"
)
_POSTS = (
    "a transaction: the thread is locked, and a statement of its own then sees the numbers of the "
    "messages that were being posted"
)
_FOLDERS = (
    "a transaction: the user's folders are locked, and a statement of its own then sees where they "
    "lie"
)
_TOKENS = (
    "a transaction: under a lock for what is linked a statement of its own sees the tokens that "
    "were being made, so that only the latest counts"
)
_DELETED_CHAT = (
    "a transaction: the session is locked, and statements of their own then see what it shares and "
    "end that"
)
EXCEPTIONS = {
    "set_user_credentials": _CREDENTIALS,
    "set_user_credentials (of a user without an organization)": (
        "the same, twice, and between them the organization is made"
    ),
    "empty_user_notification_batch": _BATCHES,
    "clear_all_user_notification_batches": _BATCHES,
    "remove_notifications_from_batch": _BATCHES,
    "get_user_default_team (of a user who has none)": _ORGANIZATION,
    "resolve_default_tenancy (of a user who has none)": _ORGANIZATION,
    "add_store_agent_to_library (by a user without an organization)": _ORGANIZATION,
    "create_folder": _FOLDERS,
    "move_folder": _FOLDERS,
    "delete_folder": (
        "a transaction: the user's folders are locked, then the rows of those that go, and a "
        "statement of its own then sees who has just put agents into them"
    ),
    "append_expert_run_message": _POSTS,
    "append_plain_session_message": _POSTS,
    "create_server_link_token": _TOKENS,
    "create_user_link_token": _TOKENS,
    "sync_guild_presence": (
        "a transaction: two that write many rows each are done one after the other, or they could "
        "wait for one another"
    ),
    "delete_chat_session": _DELETED_CHAT,
    "increment_onboarding_runs (first run ever)": (
        "the row is made first, then counted as any other: two first runs at once count as two"
    ),
}


class Call(NamedTuple):
    """A call whose statements are counted.

    Attributes:
        method: Its method.
        arguments: Its arguments.
        case: What is special about it, for the page; a method's usual call has none.
    """

    method: str
    arguments: dict[str, Any]
    case: str = ""

    @property
    def name(self) -> str:
        return f"{self.method} ({self.case})" if self.case else self.method


SEQUENCE = [
    Call("get_credits", ALICE, "first of a month"),
    Call("get_credits", ALICE),
    Call("spend_credits", {**ALICE, "cost": 1, "metadata": {}}),
    Call("increment_onboarding_runs", ALICE, "first run ever"),
    Call("increment_onboarding_runs", ALICE),
    Call("update_user_integrations", {**ALICE, "data": {}}),
    Call(
        "create_graph_execution",
        {
            **ALICE, "graph_id": "g1", "graph_version": 2, "inputs": {"a": 1},
            "starting_nodes_input": [["n-in", {"name": "a", "value": 1}], ["n-std", {"data": 1}]],
        },
    ),
    Call("update_graph_execution_start_time", {"graph_exec_id": "e3"}),
    Call("update_graph_execution_stats", {"graph_exec_id": "e3", "stats": {"cost": 1}}),
    Call(
        "update_graph_execution_stats",
        {"graph_exec_id": "e3", "status": "COMPLETED", "stats": {"cost": 1}},
        "with a status",
    ),
    Call(
        "update_graph_execution_stats",
        {"graph_exec_id": "e3", "status": "RUNNING"},
        "refused transition",
    ),
    Call("upsert_execution_input", NODE, "new row"),
    Call("upsert_execution_input", {**NODE, "input_name": "more"}),
    Call("upsert_execution_output", {"node_exec_id": "x1", "output_name": "o", "output_data": 1}),
    Call(
        "update_node_execution_status",
        {"node_exec_id": "x4", "status": "QUEUED", "execution_data": {"a": 1}},
    ),
    Call(
        "update_node_execution_status",
        {"node_exec_id": "x4", "status": "COMPLETED"},
        "refused transition",
    ),
    Call(
        "update_node_execution_status_batch", {"node_exec_ids": ["x4", "x1"], "status": "RUNNING"}
    ),
    Call(
        "set_execution_kv_data", {**ALICE, "node_exec_id": "x1", "key": "key", "data": {"a": 1}}
    ),
    Call(
        "get_or_create_human_review",
        {
            **ALICE, "node_exec_id": "x9", "graph_exec_id": "e1", "graph_id": "g1",
            "graph_version": 2, "input_data": {"a": 1}, "message": "m", "editable": True,
        },
    ),
    Call("update_review_processed_status", {"node_exec_id": "x9", "processed": False}),
    Call("cancel_pending_reviews_for_execution", {**ALICE, "graph_exec_id": "e1"}),
    Call(
        "create_or_add_to_user_notification_batch", {**BATCH, "notification_data": EVENT}, "new"
    ),
    Call("create_or_add_to_user_notification_batch", {**BATCH, "notification_data": EVENT}),
    Call("remove_notifications_from_batch", {**BATCH, "notification_ids": ["none"]}),
    Call("empty_user_notification_batch", BATCH),
    Call("create_or_add_to_user_notification_batch", {**BATCH, "notification_data": EVENT}, "new"),
    Call("clear_all_user_notification_batches", ALICE),
    Call("add_store_agent_to_library", {**ALICE, "store_listing_version_id": "slv1"}),
    Call("cleanup_expired_oauth_tokens", {}),
    Call("backfill_missing_embeddings", {}),
    Call("cleanup_orphaned_embeddings", {}),
    Call(
        "get_graph",
        {**ALICE, "graph_id": "g1", "version": None, "include_subgraphs": True},
        "with sub-graphs",
    ),
    Call("get_store_agents", {"search_query": "weather"}, "search"),
]  # fmt: skip
"""Calls that follow one another, each on what those before it have left."""


LATER_SEQUENCE = [
    Call("get_user_default_team", ALICE),
    Call("get_user_default_team", {"user_id": "frank"}, "of a user who has none"),
    Call("set_user_credentials", examples()["set_user_credentials"][0]),
    Call(
        "set_user_credentials",
        {
            "user_id": "gina",
            "credentials": [{"id": "g", "type": "api_key", "provider": "p", "api_key": "k"}],
        },
        "of a user without an organization",
    ),
    Call("spend_org_credits", examples()["spend_org_credits"][0]),
    Call("spend_org_credits", examples()["spend_org_credits"][1], "of a user's own organization"),
    Call("get_org_credits", {"org_id": "org-1"}),
    Call("get_org_credits", {"org_id": "org-a"}, "of a user's own organization"),
    Call("resolve_default_tenancy", ALICE),
    Call("resolve_default_tenancy", {"user_id": "erin"}, "of a user who has none"),
    Call("add_store_agent_to_library", {**ALICE, "store_listing_version_id": "slv1"}),
    Call(
        "add_store_agent_to_library",
        {"user_id": "dave", "store_listing_version_id": "slv1"},
        "by a user without an organization",
    ),
    Call("get_or_create_workspace", ALICE),
    Call("get_or_create_workspace", {"user_id": "carol"}, "of a user who has none"),
    Call("create_workspace_file", FILE),
    Call("create_workspace_file", FILE, "repeated"),
    Call("create_folder", examples()["create_folder"][0]),
    Call("create_folder", examples()["create_folder"][1], "in the root"),
    Call("move_folder", examples()["move_folder"][0]),
    Call("delete_folder", examples()["delete_folder"][0]),
    Call("create_library_agent", examples()["create_library_agent"][0]),
    Call("resolve_private_expert_tenancy", {**ALICE, "expert_id": "x1"}),
    Call("append_expert_run_message", {**ALICE, "expert_id": "x1", **MESSAGE}),
    Call("append_plain_session_message", {**ALICE, **MESSAGE, "message_id": "another"}),
    Call("delete_chat_session", {**ALICE, "session_id": "cs5"}),
    # They use up the tokens that others look at.
    Call("confirm_server_link", examples()["confirm_server_link"][0]),
    Call("confirm_user_link", examples()["confirm_user_link"][0]),
]
"""What has more to do, or is there at all, in the database of a later release."""


def usual(methods: Iterable[str], but: Iterable[Call]) -> Iterator[Call]:
    """Yield the first sample call of every method that isn't among other calls."""
    others = {call.method for call in but}
    for method in methods:
        if method not in others:
            yield Call(method, examples()[method][0])


@pytest.fixture
def counted() -> Iterator[tuple[Service, Service, Path]]:
    """Yield the operations on a server that logs every statement, and its log.

    First on the database of the release that AutoGPT was counted with, then on the latest one's.
    """
    with PostgresServer() as server:
        url = clone(server, None, DATABASE)
        latest = ReleaseDatabases(server).fresh(LATEST, seeded=True, ours=True)
        with psycopg.connect(url, autocommit=True) as connection:
            fill_as_0_1_0(connection)
            # The page counts what AutoGPT's own service of that release was counted with.
            migrate(connection, schema_name="platform")
            connection.execute("SET search_path TO platform, public")
            if connection.execute("SELECT to_regtype('vector') IS NULL").fetchone() == (True,):
                pytest.skip("this PostgreSQL has no pgvector")
            connection.execute("ALTER SYSTEM SET log_line_prefix = '%a|'")
            connection.execute("ALTER SYSTEM SET log_statement = 'all'")
            connection.execute("SELECT pg_reload_conf()")
        keys = IntegrationsSettings(encryption_key=Secret(ENCRYPTION_KEY))
        accounts = CreditsSettings(enabled=True)
        with (
            Service(url, integrations=keys, credits=accounts, pool_size=2) as service,
            Service(latest, integrations=keys, credits=accounts, pool_size=2) as later,
        ):
            yield service, later, server.directory / "log"


def statements(log: str) -> list[str]:
    """Return the statements that the service's own sessions ran for calls."""
    ran = re.findall(
        r"^autogpt-db\|LOG:  (?:statement|execute [^:]*): (.*(?:\n\t.*)*)$", log, re.MULTILINE
    )
    beside = (*_LOOKS, _FORGOTTEN)
    return [statement for statement in ran if not any(each in statement for each in beside)]


def count(service: Service, log: Path, calls: Iterable[Call]) -> dict[str, int]:
    """Return how many statements each call costs."""
    counts: dict[str, int] = {}
    for call in calls:
        before = len(log.read_text())
        service.call(call.method, **call.arguments)
        found = statements(log.read_text()[before:])
        print(f"{call.name}: {len(found)}")
        assert found, call.name
        assert counts.setdefault(call.name, len(found)) == len(found), found
    return counts


def test_a_call_costs_two_statements_at_most(counted: tuple[Service, Service, Path]) -> None:
    service, later, log = counted
    counts = count(service, log, (*usual(FIRST, SEQUENCE), *SEQUENCE))
    later_counts = count(later, log, (*usual(LATER, LATER_SEQUENCE), *LATER_SEQUENCE))
    assert set(OPERATIONS) <= {name.partition(" ")[0] for name in counts | later_counts}
    beyond = {name for name, number in (counts | later_counts).items() if number > MOST}
    assert beyond == set(EXCEPTIONS), "say in EXCEPTIONS what forces a call to send more than two"
    page = "\n".join(rows(counts, later_counts)) + "\n"
    if os.environ.get("AUTOGPT_DB_TEST_WRITE_PAGES"):
        PAGE.write_text(page)
    assert PAGE.read_text() == page, "write it anew: see above"


def rows(counts: dict[str, int], later: dict[str, int]) -> Iterator[str]:
    """Yield the page's lines."""
    yield "# Statements"
    yield ""
    yield (
        "What a call sends to PostgreSQL, BEGIN and COMMIT included, as the server's own log has "
        "it. Written and checked by `tests/integration/test_statements.py`. Calls that come in "
        "together may share one. An `Idempotency-Key` adds its row, and a transaction to what is "
        "not merged. AutoGPT's numbers are those of its February 2026 snapshot, with its own "
        "engine; where none stands, they were not counted. What isn't listed costs one or two."
    )
    yield ""
    yield "| call | here | AutoGPT |"
    yield "|---|---|---|"
    for name in sorted(counts):
        if name not in AUTOGPT and name not in EXCEPTIONS and "(" not in name:
            continue
        method, space, case = name.partition(" ")
        here = f"{counts[name]}" + (" (see below)" if name in EXCEPTIONS else "")
        yield f"| `{method}`{space}{case} | {here} | {AUTOGPT.get(name, '')} |"
    yield ""
    yield f"In the database of AutoGPT {LATEST}, what isn't there before, or does more:"
    yield ""
    yield "| call | here |"
    yield "|---|---|"
    for name in sorted(later):
        if name not in {call.name for call in LATER_SEQUENCE}:
            continue
        method, space, case = name.partition(" ")
        here = f"{later[name]}" + (" (see below)" if name in EXCEPTIONS else "")
        yield f"| `{method}`{space}{case} | {here} |"
    yield ""
    yield "More than two:"
    yield ""
    for name, why in sorted(EXCEPTIONS.items()):
        yield f"- `{name}`: {why}."
    yield ""
    yield (
        "A call that is refused may need one more to say why: `spend_credits` without the balance "
        "for it reads the balance. Large clean-ups go in batches of one statement each "
        "(`cleanup_expired_oauth_tokens`, `backfill_missing_embeddings`)."
    )
