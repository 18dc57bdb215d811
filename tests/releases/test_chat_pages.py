"""Pages of chats and of their messages cost what they hold, however many there are.

What a call costs is told by the rows that its scans look at, which no other program changes.
`make test-pages` does the same among five million messages, and says how long the calls took.
"""

from __future__ import annotations

import os
import statistics
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

import plans
from plans import Plans
from releases.building import LATEST
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plans import Scan
    from postgres_server import PostgresServer
    from releases.building import ReleaseDatabases

MESSAGES = int(os.environ.get("AUTOGPT_DB_TEST_MESSAGES", "20000"))
LONG, SHORT = 10_000, 10
"""Messages of the two sessions that pages are read of."""
OF_A_USER = 20
"""Sessions of each user but one."""
TIMES = 5

pytestmark = pytest.mark.timeout(1800)  # to make five million rows takes some minutes

# The messages of all sessions came in by turns, so that those of one are spread over the table.
ROWS = """
INSERT INTO platform."User" ("id", "email", "updatedAt")
SELECT 'user-' || u, u || '@example.com', now()
  FROM generate_series(0, {sessions} / {of_a_user}) AS u;

INSERT INTO platform."ChatSession" ("id", "userId", "title", "isPinned", "updatedAt")
SELECT 's' || n, 'user-' || n / {of_a_user}, 'Chat ' || n, n % 10 = 0,
       timestamp '2026-01-01' + n * interval '1 second'
  FROM generate_series(0, {sessions} - 1) AS n
 UNION ALL
SELECT name, 'user-0', name, false, '2026-01-01' FROM unnest('{{long,short}}'::text[]) AS name;

INSERT INTO platform."ChatMessage" ("id", "sessionId", "role", "content", "sequence")
SELECT 'message-' || n,
       CASE
           WHEN n % ({messages} / {long}) = 0 THEN 'long'
           WHEN n % ({messages} / {short}) = 1 THEN 'short'
           ELSE 's' || n % {sessions}
       END,
       CASE n % 3 WHEN 0 THEN 'user' ELSE 'assistant' END,
       'What somebody says.',
       CASE
           WHEN n % ({messages} / {long}) = 0 THEN n / ({messages} / {long})
           WHEN n % ({messages} / {short}) = 1 THEN n / ({messages} / {short})
           ELSE n / {sessions}
       END
  FROM generate_series(0, {messages} - 1) AS n;
"""


@pytest.fixture(scope="module")
def filled(releases: ReleaseDatabases) -> Iterator[str]:
    """Yield the URL of a database with the messages."""
    url = releases.fresh(LATEST, ours=True)
    sizes = {
        "messages": MESSAGES,
        "sessions": MESSAGES // 10,
        "of_a_user": OF_A_USER,
        "long": LONG,
        "short": SHORT,
    }
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(b"SET session_replication_role = replica")
        connection.execute(b"SET synchronous_commit = off")
        for statement in ROWS.format(**sizes).split(";\n"):
            connection.execute(statement.encode())
        connection.execute(b"VACUUM (ANALYZE)")
    yield url
    releases.drop(url)


@pytest.fixture(params=["custom", "generic"])
def chats(
    request: pytest.FixtureRequest, filled: str, postgres_server: PostgresServer
) -> Iterator[tuple[Service, Plans]]:
    """Yield operations on that database, and the plans that they lead to, of either kind."""
    plans.explain_everything(filled, generic=request.param == "generic")
    with Service(filled) as service:
        yield service, Plans(postgres_server.directory / "log")


def scans_of(chats: tuple[Service, Plans], method: str, **arguments: Any) -> tuple[Any, list[Scan]]:
    """Return a call's reply, and its scans of chats and messages, each by an index."""
    service, logged = chats
    logged.scans()
    taken = []
    for _ in range(TIMES):
        began = time.perf_counter()
        reply = service.call(method, **arguments)
        taken.append(time.perf_counter() - began)
    scans = [scan for scan in logged.scans() if scan.table in ("ChatMessage", "ChatSession")]
    assert scans
    assert all(scan.index is not None or scan.kind == "Bitmap Heap Scan" for scan in scans), scans
    looked = {table: touched(scans, table) for table in ("ChatMessage", "ChatSession")}
    median = statistics.median(taken) * 1000
    print(f"{method} {arguments}: looked at {looked}, {median:.1f} ms with the plan's log")
    return reply, scans


def touched(scans: list[Scan], table: str) -> float:
    """Return how many rows of a table a call has looked at."""
    return sum(scan.touched for scan in scans if scan.table == table) / TIMES


@pytest.mark.parametrize("before", [None, LONG // 2])
def test_a_page_of_messages_costs_what_it_holds(
    chats: tuple[Service, Plans], before: int | None
) -> None:
    for limit in (10, 100, 1000):
        page, scans = scans_of(
            chats,
            "get_chat_messages_paginated",
            session_id="long",
            limit=limit,
            before_sequence=before,
        )
        assert len(page["messages"]) == limit
        # Each twice: where the page begins is known before anything large is read.
        assert 2 * limit <= touched(scans, "ChatMessage") <= 2 * limit + 20


def test_a_long_session_costs_what_a_short_one_does(chats: tuple[Service, Plans]) -> None:
    costs = {}
    for session, length in (("long", LONG), ("short", SHORT)):
        for method, more in (
            ("get_chat_messages_paginated", {"limit": SHORT}),
            ("get_next_sequence", {}),
            ("get_latest_user_message_in_session", {}),
            ("set_turn_duration", {"duration_ms": 1}),
        ):
            reply, scans = scans_of(chats, method, session_id=session, **more)
            costs[method, session] = touched(scans, "ChatMessage")
            if method == "get_next_sequence":
                assert reply == length
    for (method, session), cost in costs.items():
        assert cost <= costs[method, "short"] + 3, (method, session, cost)


def test_a_list_of_sessions_costs_what_its_user_has(chats: tuple[Service, Plans]) -> None:
    # No index of AutoGPT's says which are pinned: all of a user's are looked at, no document made.
    for more in ({}, {"offset": 10}, {"pinned_first": False}):
        arguments: dict[str, Any] = {"user_id": "user-7", "limit": 5, **more}
        page, scans = scans_of(chats, "get_user_chat_sessions", **arguments)
        assert len(page) == 5
        assert touched(scans, "ChatSession") <= OF_A_USER
    for status, number in (("idle", OF_A_USER), ("queued", 0)):
        of_user = {"user_id": "user-7", "status": status}
        count, scans = scans_of(chats, "count_chat_sessions_by_status", **of_user)
        assert (count, touched(scans, "ChatSession")) == (number, number)
