"""The job retain on chats: what was said long ago goes, and what goes on from there stays whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import psycopg
import pytest

import plans
from autogpt_db.settings import RetainSettings
from autogpt_db.worker.retained import RETAINED
from plans import Plans
from releases.building import LATEST
from worker_scenarios import Queries, run, settings_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autogpt_db.settings import Settings
    from postgres_server import PostgresServer
    from service import Service

    Serve = Callable[..., Service]

PEOPLE = """
INSERT INTO platform."User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now());
"""
SESSION = """
INSERT INTO platform."ChatSession" (id, "userId", "createdAt", "updatedAt")
VALUES (%(id)s, 'ann', '2020-01-01',
        (now() AT TIME ZONE 'UTC') - %(changed)s * interval '1 day')
"""
# A question, a call, the tool's answer, an answer: each turn is a day after the one before.
TURNS = """
INSERT INTO platform."ChatMessage" (id, "sessionId", sequence, role, content, "createdAt")
SELECT %(id)s || '-' || n, %(id)s, n, (ARRAY['user', 'assistant', 'tool', 'assistant'])[n %% 4 + 1],
       'words', (now() AT TIME ZONE 'UTC') - (%(oldest)s - n / 4) * interval '1 day'
  FROM generate_series(0, %(turns)s * 4 - 1) AS n
"""
LEFT = """
SELECT min(sequence), max(sequence), count(*)
  FROM platform."ChatMessage" WHERE "sessionId" = %(id)s
"""
# Chats that are left in part, but not from a question on to the end.
CUT = """
SELECT "sessionId", min(sequence), max(sequence)
  FROM platform."ChatMessage"
 GROUP BY 1
HAVING (array_agg(role ORDER BY sequence))[1] <> 'user'
    OR max(sequence) - min(sequence) + 1 <> count(*)
"""
MONTH = {"chat_messages_days": 30}
BATCH = 10


@pytest.fixture
def chats(service_in: Serve, request: pytest.FixtureRequest) -> Iterator[Chats]:
    service = service_in(getattr(request, "param", LATEST))
    found = Chats(service)
    yield found
    found.queries.close()


class Chats:
    """A user's chats, and the job on them."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.queries = Queries(service.url)
        self.queries.rows(PEOPLE)

    def add(self, chat: str, *, changed: int, oldest: int, turns: int, **columns: object) -> None:
        """Add a chat that was changed days ago, with a turn a day from the oldest on."""
        self.queries.rows(SESSION, id=chat, changed=changed)
        self.queries.rows(TURNS, id=chat, oldest=oldest, turns=turns)
        for name, value in columns.items():
            statement = f'UPDATE platform."ChatSession" SET "{name}" = %(value)s WHERE id = %(id)s'
            self.queries.rows(statement.encode(), id=chat, value=value)

    def retain(self, **days: int) -> dict[str, Any]:
        return run(self.queries, self._settings(days), "retain")[0]

    def _settings(self, days: dict[str, int]) -> Settings:
        retain = RetainSettings(batch=BATCH, rest=0.0, **days)
        return msgspec.structs.replace(settings_for(self.service.url), retain=retain)

    def transactions(self, name: str) -> Iterator[int]:
        """Yield after each transaction of a run how many rows it has deleted."""
        (retained,) = (one for one in RETAINED if one.name == name)
        delete = retained.delete(self.service.capabilities)
        assert delete is not None
        month_ago = self.queries.value("SELECT now() AT TIME ZONE 'UTC' - interval '30 days'")
        after: str | None = ""
        while after is not None:
            place = {"horizon": month_ago, "after": after, "batch": BATCH, "page": 10_000}
            ((deleted, after),) = self.queries.rows(delete, **place)
            yield deleted

    def left(self, chat: str) -> Any:
        return self.queries.rows(LEFT, id=chat)[0]

    def ids(self) -> list[str]:
        return [
            name
            for (name,) in self.queries.rows('SELECT id FROM platform."ChatSession" ORDER BY 1')
        ]


@pytest.mark.parametrize("chats", ["v0.6.48", LATEST], indirect=True)
def test_what_was_said_long_ago_goes_and_the_rest_begins_with_a_question(chats: Chats) -> None:
    chats.add("long", changed=0, oldest=50, turns=50)
    chats.add("old", changed=60, oldest=90, turns=7)
    chats.add("young", changed=0, oldest=5, turns=5)
    assert chats.retain()["rows"] == 0
    result = chats.retain(**MONTH)
    # Of `long` the turns of 50 to 30 days ago.
    assert result == {"executions": 0, "rows": 21 * 4 + 6 * 4, "finished": True}
    assert chats.left("long") == (84, 199, 116)
    assert chats.left("old") == (24, 27, 4), "the last turn"
    assert chats.left("young") == (0, 19, 20)
    assert chats.retain(**MONTH)["rows"] == 0


def test_a_chat_whose_beginning_is_gone_is_read_and_goes_on(chats: Chats) -> None:
    chats.add("old", changed=60, oldest=90, turns=7)
    chats.retain(**MONTH)
    service = chats.service
    assert service.call("get_next_sequence", session_id="old") == 28
    page = service.call("get_chat_messages_paginated", session_id="old", limit=1)
    assert [one["sequence"] for one in page["messages"]] == [27]
    assert page["has_more"]
    page = service.call("get_chat_messages_paginated", session_id="old", before_sequence=27)
    assert [one["role"] for one in page["messages"]] == ["user", "assistant", "tool"]
    assert not page["has_more"]
    page = service.call("get_chat_messages_paginated", session_id="old", before_sequence=24)
    assert (page["messages"], page["has_more"]) == ([], False)
    added = service.call(
        "add_chat_messages_batch",
        session_id="old",
        messages=[{"role": "user", "content": "Again"}],
        start_sequence=28,
    )
    assert added == 28
    assert chats.left("old") == (24, 28, 5)


def test_what_is_at_work_or_shown_or_of_no_user_stays(chats: Chats) -> None:
    chats.add("running", changed=0, oldest=90, turns=9, chatStatus="running")
    chats.add("orphaned", changed=60, oldest=90, turns=9, chatStatus="running")
    chats.add("shared", changed=60, oldest=90, turns=9, isShared=True)
    chats.add("dream", changed=60, oldest=90, turns=2)
    chats.queries.rows(
        """UPDATE platform."ChatMessage" SET role = 'assistant' WHERE "sessionId" = 'dream'"""
    )
    chats.add("held", changed=60, oldest=90, turns=9)
    holder = Queries(chats.service.url)
    holder.rows("BEGIN")
    holder.rows("""SELECT FROM platform."ChatSession" WHERE id = 'held' FOR NO KEY UPDATE""")
    assert chats.retain(**MONTH)["rows"] == 8 * 4
    assert chats.left("orphaned") == (32, 35, 4)
    for chat in ("running", "shared", "held"):
        assert chats.left(chat) == (0, 35, 36)
    assert chats.left("dream") == (0, 7, 8)
    holder.rows("ROLLBACK")
    holder.close()
    assert chats.retain(**MONTH)["rows"] == 8 * 4


@pytest.mark.parametrize("chats", ["v0.6.48", LATEST], indirect=True)
def test_chats_that_nobody_has_changed_go_as_a_whole(chats: Chats) -> None:
    chats.add("a", changed=60, oldest=90, turns=9)
    chats.add("b", changed=31, oldest=60, turns=0)
    chats.add("c", changed=29, oldest=60, turns=3)
    chats.add("d", changed=45, oldest=60, turns=3)
    result = chats.retain(chats_days=30)
    assert result == {"executions": 0, "rows": 36 + 12 + 3, "finished": True}
    assert chats.ids() == ["c"]
    assert chats.left("c") == (0, 11, 12)
    assert chats.queries.value('SELECT count(*) FROM platform."ChatMessage"') == 12


def test_chats_that_are_pinned_or_shown_stay(chats: Chats) -> None:
    chats.add("pinned", changed=60, oldest=90, turns=1, isPinned=True)
    chats.add("shared", changed=60, oldest=90, turns=1, isShared=True)
    chats.add("x", changed=60, oldest=90, turns=1)
    assert chats.retain(chats_days=30)["rows"] == 5
    assert chats.ids() == ["pinned", "shared"]


def test_a_message_that_comes_while_its_chat_goes_keeps_the_chat(chats: Chats) -> None:
    chats.add("a", changed=60, oldest=90, turns=2)
    writer = Queries(chats.service.url)
    writer.rows("BEGIN")
    writer.rows("""UPDATE platform."ChatSession" SET "updatedAt" = now() WHERE id = 'a'""")
    assert chats.retain(chats_days=30)["rows"] == 0, "it is passed over, and not waited for"
    writer.rows("COMMIT")
    writer.close()
    assert chats.retain(chats_days=30)["rows"] == 0
    assert chats.left("a") == (0, 7, 8)


@pytest.mark.parametrize("name", ["chat_messages", "chats"])
def test_what_is_left_by_a_run_that_ends_early_begins_with_a_question(
    chats: Chats, name: str
) -> None:
    for number in range(6):
        chats.add(f"chat-{number}", changed=60, oldest=90, turns=7)
    chats.add("x-long", changed=60, oldest=90, turns=7)
    # A single turn is longer than a batch, and then a single chat without a question.
    chats.queries.rows(
        """UPDATE platform."ChatMessage" SET role = 'tool'
            WHERE "sessionId" = 'x-long' AND role = 'user' AND sequence NOT IN (0, 4, 20)"""
    )
    for deleted in chats.transactions(name):
        assert chats.queries.rows(CUT) == []
        assert deleted <= BATCH or deleted == 16, "no more than a batch, or a turn"
    left = {"chat_messages": 6 * 4 + 8, "chats": 0}
    assert chats.queries.value('SELECT count(*) FROM platform."ChatMessage"') == left[name]
    assert len(chats.ids()) == (7 if name == "chat_messages" else 0)


def test_a_long_chat_without_a_question_goes_as_a_whole(chats: Chats) -> None:
    chats.add("dream", changed=60, oldest=90, turns=7)
    chats.queries.rows("""UPDATE platform."ChatMessage" SET role = 'assistant'""")
    assert chats.retain(**MONTH)["rows"] == 0
    assert chats.retain(chats_days=30)["rows"] == 7 * 4 + 1
    assert chats.ids() == []


@pytest.mark.parametrize("name", ["chat_messages", "chats"])
def test_a_transaction_looks_at_little_more_than_goes_and_holds_no_other_chat(
    chats: Chats, name: str, postgres_server: PostgresServer
) -> None:
    for number in range(20):
        chats.add(f"chat-{number:02}", changed=60, oldest=500, turns=100)
    chats.queries.rows("ANALYZE")
    plans.explain_everything(chats.service.url, generic=False)
    chats.queries.close()
    chats.queries = Queries(chats.service.url)
    logged = Plans(postgres_server.directory / "log")
    others = Queries(chats.service.url)
    chats.queries.rows("BEGIN")
    assert next(chats.transactions(name)) == 8
    free = """SELECT id FROM platform."ChatSession" FOR NO KEY UPDATE SKIP LOCKED"""
    assert len(others.rows(free)) == 19
    others.close()
    chats.queries.rows("ROLLBACK")
    scans = [
        scan for scan in logged.scans() if scan.table == "ChatMessage" and "gone" in scan.query
    ]
    # Of each chat its first, a batch and the one behind that; and twice what goes.
    assert sum(scan.touched for scan in scans) <= 20 * (BATCH + 2) + 2 * BATCH, scans


@pytest.mark.parametrize("name", ["chat_messages", "chats"])
def test_a_message_that_somebody_holds_is_not_waited_for_with_its_chat_locked(
    chats: Chats, name: str
) -> None:
    chats.add("held", changed=60, oldest=90, turns=7)
    holder = Queries(chats.service.url)
    holder.rows("BEGIN")
    holder.rows("""UPDATE platform."ChatMessage" SET content = 'new' WHERE id = 'held-0'""")
    with pytest.raises(psycopg.errors.LockNotAvailable):  # this session's own limit is none
        next(chats.transactions(name))
    holder.rows("ROLLBACK")
    holder.close()
    assert next(chats.transactions(name)) == 8
