"""`autogpt-db chats`: what people read of a chat who help its user, whatever stands in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import psycopg
import pytest

from releases.building import LATEST
from typed_commands import TypedCommands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from releases.building import ReleaseDatabases

MADE = """
INSERT INTO platform."User" ("id", "email", "updatedAt")
VALUES ('ann', 'ann@example.com', '2020-01-01');
INSERT INTO platform."ChatSession"
       ("id", "userId", "title", "createdAt", "updatedAt", "credentials", "totalPromptTokens")
SELECT 'chat-' || n, 'ann', E'Invoice \\x1b[31m' || n, '2020-01-01',
       timestamp '2020-02-01' + n * interval '1 hour',
       '{"github": {"id": "secret-reference"}}', n
  FROM generate_series(1, 4) AS n;
INSERT INTO platform."ChatMessage"
       ("id", "sessionId", "sequence", "role", "content", "createdAt", "toolCalls", "toolCallId",
        "refusal")
VALUES ('m0', 'chat-1', 0, 'user', E'Look:\\n#9  2020-02-02 00:00:00  assistant\\x1b[2J\\n\\nEnd',
        '2020-02-01 10:00', NULL, NULL, NULL),
       ('m1', 'chat-1', 1, 'assistant', NULL, '2020-02-01 10:00:01.5', '[
           {"id": "call_1", "type": "function", "function": {
               "name": "find_agent", "arguments": "{\\"query\\": \\"invoice\\"}"}},
           {"function": {"name": "run_agent", "arguments": {"a": 1}}},
           {"odd": "call"}]', NULL, NULL),
       ('m2', 'chat-1', 2, 'tool', E'line\\n' || repeat('x', 1234), '2020-02-01 10:00:02', NULL,
        'call_1', NULL),
       ('m3', 'chat-1', 3, 'assistant', repeat('y', 1000), '2020-02-01 10:00:03', NULL, NULL,
        'I must not.');
"""


# Nothing that AutoGPT writes: PostgreSQL knows more days than Python does.
ODD = """
INSERT INTO platform."User" ("id", "email", "updatedAt") VALUES ('odd', 'odd@example.com', now());
INSERT INTO platform."ChatSession" ("id", "userId", "createdAt", "updatedAt", "metadata")
VALUES ('chat-odd', 'odd', '12000-01-01', '2020-02-01', '[1]');
INSERT INTO platform."ChatMessage" ("id", "sessionId", "sequence", "role", "functionCall")
VALUES ('odd', 'chat-odd', -1, 'assistant', '{"name": "a\\n#7  user", "arguments": ""}');
"""


LARGE = """
INSERT INTO platform."ChatSession" ("id", "userId", "updatedAt")
VALUES ('chat-large', 'odd', '2020-01-01');
INSERT INTO platform."ChatMessage" ("id", "sessionId", "sequence", "role", "content")
VALUES ('large', 'chat-large', 0, 'user', repeat('x', 65536));
"""


class Helper(TypedCommands):
    """Types commands of the group `chats` at a database."""

    def __init__(self, url: str, directory: Path) -> None:
        super().__init__("chats", url, directory)

    def listed(self, *words: str) -> list[str]:
        return [one["session_id"] for one in self.reads("list", "ann", *words)]


@pytest.fixture(scope="module")
def helper(
    releases: ReleaseDatabases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Helper]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MADE)
        connection.execute(ODD)
    yield Helper(url, tmp_path_factory.mktemp("helper"))
    releases.drop(url)


def test_a_list_has_the_latest_first_and_goes_on_where_it_ended(helper: Helper) -> None:
    assert helper.listed() == ["chat-4", "chat-3", "chat-2", "chat-1"]
    assert helper.listed("--limit", "2", "--skip", "1") == ["chat-3", "chat-2"]
    assert helper.listed("--search", "31M3") == ["chat-3"], "in any letter case"
    done = helper.types("list", "ANN@example.com", "--limit", "3")
    head, first, *_, last = done.stdout.splitlines()
    assert head.split()[:2] == ["session", "title"]
    assert first.startswith("chat-4   Invoice \\u001b[31m4  ")
    assert first.endswith("2020-01-01 00:00:00  2020-02-01 04:00:00")
    assert last == "There are more: --skip 3 shows them."
    assert "more" not in helper.types("list", "ann", "--limit", "4").output
    assert helper.types("list", "ann", "--skip", "4").stdout == "No chat is like that.\n"
    assert helper.types("list", "ann", "--limit", "1001").exit_code == 2


def test_who_has_no_chat_or_is_nobody_is_told_so(helper: Helper) -> None:
    done = helper.types("list", "nobody@example.com")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("autogpt-db: no user has the id or the e-mail address ")
    done = helper.types("show", "chat-\x1b[2J")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("autogpt-db: there is no chat 'chat-\\")
    assert "\x1b" not in done.stderr


def test_a_chat_is_shown_as_a_person_reads_it(helper: Helper) -> None:
    done = helper.types("show", "chat-1")
    assert done.exit_code == 0, done.output
    facts, *messages, _ = done.stdout.split("\n\n#")
    assert "user               ann@example.com (ann)\n" in facts
    assert "title              Invoice \\u001b[31m1\n" in facts
    assert "tokens             1 in, 0 out" in facts
    assert messages == [
        (
            "0  2020-02-01 10:00:00  user\n"
            "  Look:\n"
            "  #9  2020-02-02 00:00:00  assistant\\u001b[2J\n"
            "\n"
            "  End"
        ),
        (
            "1  2020-02-01 10:00:01  assistant\n"
            '  -> find_agent({"query": "invoice"})  call_1\n'
            '  -> run_agent({"a": 1})\n'
            '  -> {"odd": "call"}'
        ),
        f"2  2020-02-01 10:00:02  tool  answers call_1\n  line\\n{'x' * 295}… (1,239 characters)",
    ]
    assert done.stdout.endswith(
        f"#3  2020-02-01 10:00:03  assistant  refused\n  {'y' * 1000}\n  I must not.\n\n"
    )


def test_the_pages_of_a_chat_lead_to_its_beginning(helper: Helper) -> None:
    done = helper.types("show", "chat-1", "--limit", "1")
    assert done.stdout.endswith("The messages from #3 on: --before 3 shows those before.\n")
    page = helper.reads("show", "chat-1", "--limit", "1", "--before", "3")
    assert [one["sequence"] for one in page["messages"]] == [1, 2], "with what a tool answers to"
    done = helper.types("show", "chat-1", "--before", "1", "--limit", "1")
    assert "#0  " in done.stdout
    assert "--before" not in done.stdout
    assert helper.types("show", "chat-1", "--before", "0").stdout.endswith(
        "\nIt has no message before 0.\n"
    )
    assert helper.types("show", "chat-2").stdout.endswith("\nIt has no message.\n")


def test_all_that_a_tool_answered_is_shown_where_it_is_asked_for(helper: Helper) -> None:
    assert f"  line\n  {'x' * 1234}\n" in helper.types("show", "chat-1", "--full").stdout


def test_which_credentials_a_chat_uses_is_no_business_of_the_reader(helper: Helper) -> None:
    for words in (("list", "ann"), ("list", "ann", "--json"), ("show", "chat-1", "--json")):
        done = helper.types(*words)
        assert "chat-1" in done.stdout
        assert "secret-reference" not in done.output


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.54", "v0.6.68"])
def test_a_chat_of_an_older_release_is_shown(
    release_database: Callable[..., str], tmp_path: Path, state: str
) -> None:
    url = release_database(state, ours=True)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(MADE)
    helper = Helper(url, tmp_path)
    assert helper.listed() == ["chat-4", "chat-3", "chat-2", "chat-1"]
    assert "-> find_agent(" in helper.types("show", "chat-1").stdout


def test_what_is_logged_on_the_way_is_no_part_of_the_answer(helper: Helper) -> None:
    done = helper.types("show", "chat-odd", "--json")
    assert json.loads(done.stdout)["session"]["metadata"]["kind"] == "normal"
    assert "chat_column_defaulted" in done.stderr


def test_a_table_that_somebody_has_locked_is_not_waited_for_without_end(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGPT_DB_DATABASE_LOCK_TIMEOUT", "0.1")
    with psycopg.connect(helper.url) as holder:
        holder.execute(b'LOCK TABLE platform."ChatSession"')
        done = helper.types("show", "chat-1")
    assert (done.exit_code, done.stdout) == (69, "")
    assert "database.lock_timeout" in done.stderr


def test_a_message_that_is_too_large_is_told_with_what_to_do(
    helper: Helper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOGPT_DB_LIMITS_RESULT_BYTES", "65536")
    with psycopg.connect(helper.url, autocommit=True) as connection:
        connection.execute(LARGE)
    done = helper.types("show", "chat-large")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "--set limits.result_bytes=" in done.stderr


def test_a_day_that_no_calendar_has_is_shown_as_it_is(helper: Helper) -> None:
    done = helper.types("show", "chat-odd")
    assert "started (UTC)      12000-01-01T00:00:00Z\n" in done.stdout
    assert "  -> a\\n#7  user()\n" in done.stdout
    assert "12000-01-01T00:00:00Z  2020-02-01 00:00:00" in helper.types("list", "odd").stdout
