"""What can be the matter with a database is said once, and somebody can act on it."""

from __future__ import annotations

import re
from pathlib import Path
from string import Formatter

import psycopg
import pytest

from autogpt_db.database.causes import lasting_failure, lasts, refusal_of
from autogpt_db.database.reasons import raw_reason, reason_of
from autogpt_db.database.troubles import TROUBLES, Trouble, setting_statement
from autogpt_db.database.url import DatabaseUrl

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "troubleshoot.md"
URL = DatabaseUrl.parse('postgresql://a"b:secret@db.example/c?schema=platform')
WORDS = {
    'FATAL:  password authentication failed for user "a"': "ALTER ROLE \"a\"\"b\" PASSWORD '…';",
    'FATAL:  role "a" is not permitted to log in': 'ALTER ROLE "a""b" LOGIN;',
    'FATAL:  permission denied for database "c"': 'GRANT CONNECT ON DATABASE "c" TO "a""b";',
    'FATAL:  database "c" is not currently accepting connections':
        'ALTER DATABASE "c" ALLOW_CONNECTIONS true;',
    'FATAL:  database "c" does not exist': 'ALTER DATABASE … RENAME TO "c";',
    'FATAL:  role "a" does not exist': 'ALTER ROLE … RENAME TO "a""b";',
    "FATAL:  unsupported startup parameter: options": "&pgbouncer=true",
}  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.cause[:40])
def test_every_remedy_can_be_carried_out(trouble: Trouble) -> None:
    names = {
        name: f'"{name}"'
        for text in (trouble.cause, trouble.remedy)
        for _, name, *_ in Formatter().parse(text)
        if name
    }
    remedy = trouble.remedied(**names)
    statement = re.search(r"(GRANT|ALTER|CREATE|SELECT) .*;|\"statements?\"", remedy)
    assert statement or "`" in remedy, remedy
    assert not trouble.cause.endswith("."), "a clause, that goes on"
    assert trouble.symptom.endswith(".")
    assert trouble.symptom in PAGE.read_text("utf-8")


@pytest.mark.parametrize("words", WORDS)
def test_a_refusal_for_good_comes_with_what_mends_it(words: str) -> None:
    failure = lasting_failure(refusal_of(words), words, URL, "database.url")
    assert failure is not None
    assert failure.exit_code == 78
    assert WORDS[words] in str(failure)
    assert "secret" not in str(failure)


@pytest.mark.parametrize(
    "words",
    ["FATAL:  the database system is starting up", "connection refused", "timeout expired",
     "FATAL:  sorry, too many clients already", "something new"],
)  # fmt: skip
def test_what_may_pass_is_no_failure_for_good(words: str) -> None:
    assert lasting_failure(refusal_of(words), words, URL, "database.url") is None


def test_a_refusal_that_cannot_be_shown_is_known_all_the_same() -> None:
    error = psycopg.OperationalError('FATAL:  database "cret" does not exist')
    reason = reason_of(error, URL)
    assert reason == "the database does not exist there"
    failure = lasting_failure(refusal_of(raw_reason(error)), reason, URL, "database.url")
    assert failure is not None
    assert "cret" not in str(failure)


def test_of_several_hosts_each_must_refuse_for_good() -> None:
    refused, away = 'FATAL:  database "c" does not exist', "connection refused"
    assert lasts(psycopg.OperationalError(refused))
    assert lasts(psycopg.OperationalError(f"{refused}\n- {refused}"))
    assert not lasts(psycopg.OperationalError(f"{refused}\n- {away}"))


def test_a_setting_is_for_one_roles_sessions_on_one_database() -> None:
    assert setting_statement('a"b', "c", "TimeZone", "it's") == (
        """ALTER ROLE "a""b" IN DATABASE "c" SET TimeZone = 'it''s';"""
    )
