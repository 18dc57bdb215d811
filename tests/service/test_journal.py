"""What the journal holds, and that docs/howto/read-the-journal.md answers what it asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from guest import ROOT, Guest, GuestWriters
from waiting import wait_for

BUG = '''
"""An operation that fails as a bug would."""
from autogpt_db.operations import Database, operation

@operation(reads=True)
async def fail_by_a_bug(database: Database) -> None:
    """Fail."""
    raise LookupError("first line\\nsecond line")
'''
JOURNAL_SOCKETS = (
    "systemd-journald.socket",
    "systemd-journald-dev-log.socket",
    "systemd-journald-audit.socket",
)


@dataclass
class Incidents:
    """What happened in the guest before the journal is read.

    Attributes:
        refused: Id of the request that PostgreSQL refused.
        since: The guest's time before all of it.
    """

    refused: str
    since: str


def page() -> dict[str, list[str]]:
    """Return the page's questions, and the commands below each."""
    found: dict[str, list[str]] = {}
    for section in (ROOT / "docs/howto/read-the-journal.md").read_text().split("\n## ")[1:]:
        title, _, text = section.partition("\n")
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        commands = [line for block in blocks for line in block.splitlines()]
        if commands:
            found[title] = commands
    return found


@pytest.fixture(scope="module")
def incidents(guest: Guest) -> Iterator[Incidents]:
    """Let everything happen that the page asks about."""
    guest.run("systemctl", "start", "autogpt-db")
    guest.wait_serving()
    since = guest.now()
    library = guest.run("sh", "-c", "ls -d /opt/autogpt-db/lib/python3*/site-packages")
    module = guest.path(f"{library}/failing_by_a_bug.py")
    module.write_text(BUG)
    guest.drop_in(
        "bug.conf", "[Service]\nEnvironment=AUTOGPT_DB_TEST_OPERATIONS=failing_by_a_bug\n"
    )
    try:
        # Where no PostgreSQL is, and back.
        with guest.credential("database_url", "postgresql://nobody@127.0.0.1:9/nothing"):
            guest.run("systemctl", "restart", "--no-block", "autogpt-db")
            wait_for(lambda: guest.property("StatusText").startswith("waiting for"), what="waiting")
        guest.wait_serving()
        guest.call("get_execution_kv_data", "user_id=u", "key=k")
        assert guest.attempt("autogpt-db", "call", "fail_by_a_bug").returncode == 1
        refused = ("node_exec_id=nobody", "output_name=o", "output_data=1")
        assert guest.attempt("autogpt-db", "call", "upsert_execution_output", *refused).returncode
        (record,) = guest.records("METHOD=upsert_execution_output", since=since)
        guest.run("kill", "-KILL", str(guest.child_pid("api:api_00")))
        guest.wait_serving()
        guest.run("kill", "-KILL", str(guest.child_pid("postgresql")))
        wait_for(lambda: guest.records("-t", "postgresql", since=since), what="PostgreSQL's words")
        guest.wait_serving()
        # Records that journald never gets: the first one after tells.
        guest.run("systemctl", "stop", *JOURNAL_SOCKETS, "systemd-journald", check=False)
        for _ in range(4):
            guest.call("get_execution_kv_data", "user_id=u", "key=k")
        guest.run("systemctl", "start", *JOURNAL_SOCKETS[:2], "systemd-journald", check=False)
        for _ in range(8):
            guest.call("get_execution_kv_data", "user_id=u", "key=k")
        yield Incidents(refused=record["REQUEST_ID"], since=since)
    finally:
        guest.drop_in("bug.conf", None)
        module.unlink()
        guest.run("systemctl", "restart", "autogpt-db")


# What each answer must hold, by the beginning of its question.
ANSWERS = {
    "What happened since": ["process_exited"],
    "What needs somebody": ["internal_error", "The client got status 500"],
    "Which methods are slowest": ["_execution_kv_data"],  # other tests' as well
    "What is said of a method": [
        "request method=get_execution_kv_data status=200",
        "upsert_execution_output",
    ],
    "Every step": ["upsert_execution_output"],
    "Which requests failed": ["fail_by_a_bug", "failure=InternalError"],
    "Which requests did PostgreSQL refuse": ["sqlstate=23503", "upsert_execution_output"],
    "Why did a process restart": ["terminated by SIGKILL", "It is started again", "listening"],
    "Was the service away": ["serving address=", "stopping"],
    "Was PostgreSQL away": ["Connection refused", "database system"],
    "Did the background jobs run": ["job_succeeded job=clean_oauth_tokens"],
    "Has anything been lost": ["DROPPED_BEFORE"],
}


def test_the_pages_queries_answer_their_questions(guest: Guest, incidents: Incidents) -> None:
    asked = page()
    assert len(asked) >= 10
    for question, commands in asked.items():
        (expected,) = (words for begin, words in ANSWERS.items() if question.startswith(begin))
        text = ""
        for command in commands:
            text += guest.run("sh", "-c", command.replace("=example", f"={incidents.refused}"))
        print(f"{question} {len(text.splitlines())} lines")
        for words in expected:
            assert words in text, (question, words, text[-3000:])


def test_every_record_has_its_fields_whoever_wrote_it(guest: Guest, incidents: Incidents) -> None:
    records = guest.records(since=incidents.since)
    ours = [record for record in records if "AUTOGPT_DB_PROCESS" in record]
    writers = {record["AUTOGPT_DB_PROCESS"] for record in ours}
    print(f"{len(ours)} records of {', '.join(sorted(writers))}")
    assert {"main", "api_00", "api_01", "worker_00", "postgresql"} <= writers
    children = {record["_PID"] for record in ours if record["AUTOGPT_DB_PROCESS"] != "main"}
    assert len(children) >= 4  # they wrote themselves, main didn't write for them
    assert all(record["PRIORITY"] in {"2", "3", "4", "5", "6", "7"} for record in ours)
    requests = [record for record in ours if record.get("EVENT") == "request"]
    for record in requests:
        assert float(record["DURATION_MS"]) >= 0
        assert record["REQUEST_ID"]
        assert record["METHOD"]
        assert int(record["STATUS"])


def test_an_exception_is_one_record_of_many_lines(guest: Guest, incidents: Incidents) -> None:
    (record,) = guest.records("EVENT=internal_error", since=incidents.since)
    message = record["MESSAGE"]
    print(message)
    assert message.startswith("internal_error ")
    assert "\nTraceback (most recent call last):\n" in message
    assert message.endswith("LookupError: first line\nsecond line")
    assert record["PRIORITY"] == "3"
    (line,) = guest.records(f"REQUEST_ID={record['REQUEST_ID']}", "EVENT=request")
    assert line["STATUS"] == "500"


def test_what_needs_action_is_explained_by_the_catalog(guest: Guest) -> None:
    catalog = (ROOT / "deploy/systemd/autogpt-db.catalog").read_text()
    numbers = re.findall(r"^-- ([0-9a-f]{32})$", catalog, re.MULTILINE)
    known = guest.run("journalctl", "--list-catalog")
    assert numbers
    for number in numbers:
        assert f"{number} autogpt-db: " in known


def test_a_stopped_slow_or_full_journal_changes_nothing_for_requests(service: Guest) -> None:
    main = service.main_pid()
    slowest = {}
    with GuestWriters(service, clients=8) as writers:
        writers.wait_for_more()

        def while_it_is(state: str) -> None:
            writers.history.slowest = 0.0
            writers.wait_for_more(1000)
            slowest[state] = writers.history.slowest

        while_it_is("up")
        service.run("systemctl", "restart", "systemd-journald")
        while_it_is("restarted")
        journald = service.property("MainPID", "systemd-journald")
        service.run("kill", "-STOP", journald)
        while_it_is("slow")
        service.run("kill", "-CONT", journald)
        service.run("systemctl", "stop", *JOURNAL_SOCKETS, "systemd-journald", check=False)
        while_it_is("stopped")
        service.run("mount", "-t", "tmpfs", "-o", "size=64k", "full", "/run/log/journal")
        try:
            service.run("systemctl", "start", *JOURNAL_SOCKETS[:2], "systemd-journald", check=False)
            while_it_is("full")
        finally:
            service.run("systemctl", "stop", *JOURNAL_SOCKETS, "systemd-journald", check=False)
            service.run("umount", "/run/log/journal")
            service.run("systemctl", "start", *JOURNAL_SOCKETS[:2], "systemd-journald", check=False)
        while_it_is("back")
    figures = ", ".join(f"{state} {seconds:.3f} s" for state, seconds in slowest.items())
    print(f"journald: {writers.history}; slowest while it was {figures}")
    assert service.main_pid() == main
    assert set(writers.history.outcomes) == {"ok"}
    # After the gap records arrive again; in the writers' last second they are summed.
    since = service.now()

    def recorded() -> list[dict[str, Any]]:
        service.call("get_execution_kv_data", "user_id=u", "key=k")
        return service.records("EVENT=request", "METHOD=get_execution_kv_data", since=since)

    wait_for(recorded, what="a record")
