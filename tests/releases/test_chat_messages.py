"""Chat messages: added under numbers of their own, and read page by page."""

from __future__ import annotations

import json
import threading
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog

from autogpt_db.database.pool.pooled import tell_defaulted
from autogpt_db.errors import (
    ArgumentsInvalidError,
    ForeignKeyViolationError,
    InvalidValueError,
    LimitExceededError,
    RecordNotFoundError,
    ResultTooLargeError,
    UniqueViolationError,
    ValidationFailedError,
)
from autogpt_db.operations.chats.message_batches import ADD_BATCH
from autogpt_db.operations.chats.message_page_statements import EXACT_PAGE
from autogpt_db.settings import LimitsSettings
from lock_waits import await_lock
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

STATES = ("v0.6.48", "v0.6.54", "v0.6.68", LATEST)
NEW_USER = """INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())"""
NEW_SESSION = """
INSERT INTO "ChatSession" (id, "userId", "createdAt", "updatedAt")
VALUES ('s', 'ann', '2026-01-01', '2026-01-01')
"""
STORED = """
SELECT sequence, role, content FROM "ChatMessage" WHERE "sessionId" = 's' ORDER BY sequence
"""
TOUCHED = """SELECT "updatedAt" > '2026-01-01' FROM "ChatSession" WHERE id = 's'"""


def started(service_in: Serve, state: str = LATEST, **sections: Any) -> Service:
    """Return the operations with a user who has an empty session."""
    service = service_in(state, **sections)
    service.rows(NEW_USER)
    service.rows(NEW_SESSION)
    return service


def said(*contents: str, role: str = "user", **more: Any) -> list[dict[str, Any]]:
    return [{"role": role, "content": content, **more} for content in contents]


def add(
    service: Service, messages: list[dict[str, Any]], start: int = 0, session: str = "s"
) -> Any:
    return service.call(
        "add_chat_messages_batch", session_id=session, messages=messages, start_sequence=start
    )


def page(service: Service, **arguments: Any) -> Any:
    return service.call("get_chat_messages_paginated", **{"session_id": "s"} | arguments)


def roles(service: Service, *roles: str, start: int = 0) -> None:
    """Add a message of each of these roles."""
    add(service, [{"role": role, "content": role} for role in roles], start)


def numbers(found: Any) -> list[int]:
    return [message["sequence"] for message in found["messages"]]


# Batches --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_batch_gets_the_numbers_that_it_asks_for(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    assert service.call("get_next_sequence", session_id="s") == 0
    calls = [{"id": "c", "function": {"name": "f"}}]
    batch: list[dict[str, Any]] = [
        {"role": "user", "content": "a\0b\x07\n", "id": "first", "unknown": [1]},
        {"role": "assistant", "tool_calls": calls, "function_call": {"a": 1}, "duration_ms": 5},
        {"role": "tool", "tool_call_id": "c", "name": "f", "refusal": "no", "content": ""},
    ]
    assert add(service, batch) == 0
    assert service.statements == 1
    assert service.call("get_next_sequence", session_id="s") == 3
    assert service.value(TOUCHED) is True
    first, second, third = page(service)["messages"]
    assert (first["id"], first["content"], first["metadata"]) == ("first", "ab\n", None)
    assert (second["tool_calls"], second["function_call"]) == (calls, {"a": 1})
    assert second["duration_ms"] == (None if state == "v0.6.48" else 5)
    assert (third["tool_call_id"], third["name"], third["refusal"]) == ("c", "f", "no")
    assert (third["content"], third["tool_calls"]) == ("", None)
    assert len({each["created_at"] for each in (first, second, third)}) == 1
    assert ("model" in first) is (state == LATEST)
    whole = service.call("get_chat_session", session_id="s")
    assert whole["messages"] == [first, second, third]
    assert whole["user_id"] == "ann"
    assert service.call("get_latest_user_message_in_session", session_id="s") == first


def test_new_ids_differ_among_all_that_one_statement_adds(service_in: Serve) -> None:
    service = started(service_in)
    service.rows(NEW_SESSION.replace("'s'", "'t'"))
    merged = ADD_BATCH(service.capabilities)
    call = {"start_sequence": "0", "messages": json.dumps(said(*"abcdefghijklmnopqrst"))}
    calls = merged.encode([{**call, "session_id": session} for session in "st"])
    assert service.rows(merged.batch, calls=calls) == [(0, 0), (1, 0)]
    ids = [uuid.UUID(row[0]) for row in service.rows('SELECT id FROM "ChatMessage"')]
    assert len(set(ids)) == 40
    assert {each.version for each in ids} == {4}
    assert add(service, said("u")) == 20
    known = service.value('SELECT id FROM "ChatMessage" ORDER BY sequence DESC LIMIT 1')
    assert uuid.UUID(known).bytes[:8] not in {each.bytes[:8] for each in ids}


def test_taken_numbers_are_passed_over_and_gaps_stay(service_in: Serve) -> None:
    service = started(service_in)
    assert add(service, said("a", "b"), 5) == 5
    assert add(service, said("c", "d"), 6) == 7, "after the highest"
    assert add(service, said("e"), 2) == 2, "in a gap"
    assert add(service, said("f", "g", "h", "i"), 1) == 9, "the gap is too small"
    assert [row[0] for row in service.rows(STORED)] == [2, 5, 6, 7, 8, 9, 10, 11, 12]
    assert add(service, [], 3) == 3
    assert add(service, [], 3, "unknown") == 3


def test_a_repeat_without_ids_is_not_added_again(service_in: Serve) -> None:
    service = started(service_in)
    batch = [*said("a", role="assistant", tool_calls=[{"id": "c"}]), *said("b", role="tool")]
    assert add(service, batch) == 0
    assert add(service, batch) == 0
    assert service.value('SELECT count(*) FROM "ChatMessage"') == 2
    assert add(service, batch, 2) == 2, "elsewhere it is something else"
    assert add(service, said("a", role="assistant"), 0) == 4, "other calls"
    assert add(service, [*batch, *batch, *said("x")], 0) == 5, "more than is there"


def test_an_id_that_is_taken_is_told_by_the_constraints_name(service_in: Serve) -> None:
    service = started(service_in)
    service.rows(NEW_SESSION.replace("'s'", "'other'"))
    add(service, said("a", id="taken"))
    for batch, start, session in (
        (said("a", id="taken"), 0, "s"),
        (said("a", id="taken"), 9, "s"),
        (said("a", id="taken"), 0, "other"),
        (said("a", "b", id="twice"), 5, "s"),
        (said("b", id="new") + said("c", id="taken"), 0, "s"),
    ):
        with pytest.raises(UniqueViolationError, match=r"\(`id`\) \(ChatMessage_pkey\)"):
            add(service, batch, start, session)
    with pytest.raises(UniqueViolationError, match="ChatMessage_pkey"):
        service.call(
            "add_chat_message", session_id="s", role="user", sequence=1, message_id="taken"
        )
    assert service.rows(STORED) == [(0, "user", "a")]


def test_what_no_batch_can_be_is_refused(service_in: Serve) -> None:
    service = started(service_in, limits=LimitsSettings(items=10))
    with pytest.raises(ForeignKeyViolationError, match="ChatMessage_sessionId_fkey"):
        add(service, said("a"), 0, "unknown")
    for odd in ({"content": "a"}, {"role": "user", "content": 1}, {"role": "u", "tool_calls": {}}):
        with pytest.raises(ArgumentsInvalidError):
            add(service, [odd])
    with pytest.raises(LimitExceededError, match=r"limits\.items"):
        add(service, said(*"abcdefghijk"))
    assert service.rows(STORED) == []


def test_a_batch_keeps_which_model_wrote_it(service_in: Serve) -> None:
    service = started(service_in)
    add(service, said("a", role="assistant", model="m", routing_source="ld"))
    assert page(service)["messages"][0]["model"] == "m"
    add(service, said("b", role="assistant", model="m", routing_source="odd"), 1)
    with pytest.raises(ValidationFailedError, match="routing source"):
        page(service)
    assert numbers(page(service, before_sequence=1)) == [0]


# One message ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES[2:])
def test_a_message_gets_its_number_or_nothing_is_written(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    arguments = {"session_id": "s", "role": "user", "sequence": 3, "content": "a\0b"}
    made = service.call("add_chat_message", **arguments, metadata={"a": "\x01"}, message_id="m")
    assert service.statements == 1
    assert (made["id"], made["sequence"], made["content"]) == ("m", 3, "ab")
    assert made["metadata"] == {"a": ""}
    assert service.value(TOUCHED) is True
    service.rows("""UPDATE "ChatSession" SET "updatedAt" = '2026-01-01'""")
    with pytest.raises(UniqueViolationError, match=r"\(`sessionId`,`sequence`\)$"):
        service.call("add_chat_message", **arguments)
    with pytest.raises(RecordNotFoundError):
        service.call("add_chat_message", **arguments | {"session_id": "unknown"})
    assert service.value(TOUCHED) is False
    assert service.rows(STORED) == [(3, "user", "ab")]


# Many at once ---------------------------------------------------------------------------------


def test_sixteen_writers_of_one_session_all_get_their_numbers(service_in: Serve) -> None:
    service = started(service_in, pool_size=16)
    calls = [
        (
            "add_chat_messages_batch",
            {"session_id": "s", "messages": said(f"{n} a", f"{n} b"), "start_sequence": 0},
        )
        for n in range(48)
    ]
    starts = service.together(calls)
    assert sorted(starts) == list(range(0, 96, 2)), "contiguous, and none refused"
    stored = {number: content for number, _, content in service.rows(STORED)}
    for n, start in enumerate(starts):
        assert (stored[start], stored[start + 1]) == (f"{n} a", f"{n} b")


def test_saves_of_many_sessions_go_together_and_a_bad_one_spoils_no_other(
    service_in: Serve,
) -> None:
    service = started(service_in)
    service.rows("""
        INSERT INTO "ChatSession" (id, "userId", "updatedAt")
        SELECT 's' || n, 'ann', now() FROM generate_series(1, 12) AS n
    """)
    add(service, said("a", "b", id="first")[:1] + said("b"), session="s3")
    calls: list[dict[str, Any]] = [
        {"session_id": f"s{n}", "messages": said(f"{n}", "more"), "start_sequence": 0}
        for n in range(1, 13)
    ]
    calls[4]["messages"][1]["id"] = "first"
    calls[6]["session_id"] = "unknown"
    calls[8]["start_sequence"] = 2**31 - 1
    answers = service.together([("add_chat_messages_batch", call) for call in calls])
    taken, unknown, beyond = (answers.pop(place) for place in (4, 5, 6))
    assert isinstance(taken, UniqueViolationError)
    assert "(ChatMessage_pkey)" in str(taken)
    assert isinstance(unknown, ForeignKeyViolationError)
    assert isinstance(beyond, InvalidValueError)
    assert answers == [0, 0, 2, *[0] * 6], "s3 has two already"
    stored = service.rows("""
        SELECT "sessionId", array_agg(content ORDER BY sequence)
          FROM "ChatMessage" WHERE sequence >= 0 AND "sessionId" <> 's3' GROUP BY 1
    """)
    assert dict(stored) == {f"s{n}": [f"{n}", "more"] for n in (1, 2, 4, 6, 8, 10, 11, 12)}
    assert any(sum(merger.figures.sizes[1:]) for merger in service.mergers()), "they went together"


def test_of_one_message_sent_many_times_at_once_one_is_kept(service_in: Serve) -> None:
    service = started(service_in, pool_size=16)
    arguments = {"session_id": "s", "messages": said("hi", id="click"), "start_sequence": 0}
    answers = service.together([("add_chat_messages_batch", arguments)] * 16)
    assert answers.count(0) == 1
    refused = [answer for answer in answers if answer != 0]
    assert all(isinstance(answer, UniqueViolationError) for answer in refused)
    assert all("ChatMessage_pkey" in str(answer) for answer in refused)
    assert service.rows(STORED) == [(0, "user", "hi")]


def test_a_number_that_somebody_takes_without_the_lock_is_passed_over(service_in: Serve) -> None:
    service = started(service_in)
    starts: list[Any] = []
    with psycopg.connect(service.url) as other:
        other.execute(
            """INSERT INTO platform."ChatMessage" (id, "sessionId", role, sequence)
               VALUES ('theirs', 's', 'user', 0)"""
        )
        writer = threading.Thread(target=lambda: starts.append(add(service, said("ours"))))
        writer.start()
        await_lock(service.url, what="the batch to wait")
        other.commit()
        writer.join()
    assert starts == [1]
    assert service.rows(STORED) == [(0, "user", None), (1, "user", "ours")]


# Pages ----------------------------------------------------------------------------------------


def test_a_page_has_the_newest_in_their_order(service_in: Serve) -> None:
    service = started(service_in)
    add(service, said(*map(str, range(20))))
    found = page(service, limit=5)
    assert service.statements == 1
    assert (numbers(found), found["oldest_sequence"]) == ([15, 16, 17, 18, 19], 15)
    assert found["has_more"] is True
    assert found["session"]["session_id"] == "s"
    assert numbers(page(service, limit=5, before_sequence=4)) == [0, 1, 2, 3]
    assert page(service, limit=4, before_sequence=4)["has_more"] is False
    between = page(service, limit=3, before_sequence=9, after_sequence=5)
    assert (numbers(between), between["has_more"]) == ([6, 7, 8], True)
    assert page(service, limit=4, before_sequence=9, after_sequence=5)["has_more"] is False
    for limit in (0, -1):
        none = page(service, limit=limit)
        assert (none["messages"], none["oldest_sequence"]) == ([], None)
        assert none["has_more"] is True
    empty = page(service, before_sequence=0)
    assert (empty["messages"], empty["has_more"]) == ([], False)


def test_only_who_may_see_a_session_gets_a_page(service_in: Serve) -> None:
    service = started(service_in)
    assert page(service, session_id="unknown") is None
    assert page(service, user_id="ben") is None
    assert page(service, user_id="ann", organization_id="o") is not None, "it belongs to none"
    service.rows("""UPDATE "ChatSession" SET "organizationId" = 'o'""")
    assert page(service, organization_id="o") is not None
    assert page(service, organization_id="") is None


def test_a_page_is_widened_to_what_a_tool_answers(service_in: Serve) -> None:
    service = started(service_in)
    roles(service, "user", "assistant", "tool", "tool", "tool", "assistant")
    found = page(service, limit=2)
    assert (numbers(found), found["has_more"]) == ([1, 2, 3, 4, 5], True)
    assert numbers(page(service, limit=2, after_sequence=0)) == [4, 5], "a range is exact"
    roles(service, "system", *["tool"] * 3, start=6)
    found = page(service, limit=2)
    assert numbers(found) == [5, 6, 7, 8, 9], "and further, until somebody speaks"


def test_a_page_is_widened_to_where_somebody_speaks(service_in: Serve) -> None:
    service = started(service_in)
    roles(service, "user", *["tool"] * 30)
    found = page(service, limit=3)
    assert (numbers(found), found["has_more"]) == (list(range(31)), False)
    service.rows("DELETE FROM \"ChatMessage\" WHERE role = 'user'")
    found = page(service, limit=3)
    assert numbers(found) == list(range(1, 31))
    assert found["has_more"] is True, "the oldest one's number says so"
    roles(service, *["reasoning"] * 250, start=31)
    assert len(page(service, limit=1)["messages"]) == 201, "not beyond 200"


def test_a_page_that_would_be_too_large_has_its_newest_messages(service_in: Serve) -> None:
    limits = LimitsSettings(result_bytes=65_536)
    service = started(service_in, limits=limits)
    add(service, said(*["x" * 10_000] * 9))
    found = page(service, limit=9)
    assert (numbers(found), found["has_more"]) == ([3, 4, 5, 6, 7, 8], True)
    assert numbers(page(service, limit=9, before_sequence=3)) == [0, 1, 2]
    with pytest.raises(ResultTooLargeError, match="get_chat_messages_paginated"):
        service.call("get_chat_session", session_id="s")
    add(service, said("x" * 60_000), 9)
    assert numbers(page(service)) == [9]
    add(service, said("x" * 65_000), 10)
    with pytest.raises(ResultTooLargeError):
        page(service)


def test_whatever_stands_beside_a_pages_messages_it_is_no_larger_than_it_may_be(
    service_in: Serve,
) -> None:
    limits = LimitsSettings(result_bytes=2_000_000)
    service = started(service_in, limits=limits)
    # More than 8,000 small messages, and a session that is large by itself.
    service.rows("""
        INSERT INTO "ChatMessage" (id, "sessionId", role, sequence)
        SELECT n::text, 's', 'user', n FROM generate_series(0, 8999) AS n""")
    body = b'{"session_id": "s", "limit": 9000}'
    for beside in (1, 60_000):
        service.rows(
            """UPDATE "ChatSession" SET credentials = jsonb_build_object(
                   'github', jsonb_build_object('id', repeat('x', %(beside)s)))""",
            beside=beside,
        )
        reply = service.run(service.started("get_chat_messages_paginated", body))
        assert 1_990_000 < len(reply) <= 2_000_000


def test_no_documents_are_made_of_messages_that_a_page_has_no_room_for(service_in: Serve) -> None:
    service = started(service_in)
    add(service, said(*["x" * 10_000] * 9))
    parameters = {
        "session_id": "s",
        "limit": 9,
        "before_sequence": None,
        "after_sequence": 0,
        "user_id": None,
        "organization_id": None,
        "most_bytes": 25_000,
    }
    with psycopg.connect(service.url) as connection:
        text = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {EXACT_PAGE(service.capabilities)}"
        row = connection.execute(text.encode(), parameters).fetchone()
    assert row is not None
    ((explained,),) = (row[0],)
    assert looked_at(explained["Plan"]) == 9 + 2, "all that are asked for, and what fits"


def looked_at(plan: dict[str, Any]) -> int:
    """Return how many rows of messages the nodes of a plan have looked at."""
    rows = sum(looked_at(below) for below in plan.get("Plans", ()))
    if plan.get("Relation Name") == "ChatMessage":
        assert plan["Node Type"] != "Seq Scan"
        passed = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)
        rows += round(passed * plan["Actual Loops"])
    return rows


def test_odd_json_in_a_row_hides_no_other(service_in: Serve) -> None:
    service = started(service_in)
    add(service, said("a", "b", "c"))
    service.rows("""
        UPDATE "ChatMessage"
           SET "toolCalls" = ('["[{\\"id\\": 1}]", {"a": 1}, [1]]'::jsonb -> sequence),
               "functionCall" = ('[[], "{\\"a\\": 1}", "no JSON"]'::jsonb -> sequence),
               metadata = ('[1, null, {"b": 2}]'::jsonb -> sequence)
    """)
    service.rows("""UPDATE "ChatSession" SET metadata = '{"kind": null, "dry_run": true}',
                    credentials = '{"a": 1}', "successfulAgentRuns" = '"{\\"g\\": 2}"',
                    "successfulAgentSchedules" = '{"g": 1.5}'""")
    tell_defaulted.cache_clear()
    with structlog.testing.capture_logs() as events:
        found = page(service)
        assert page(service) == found
    told = [(each["table"], each["column"]) for each in events
            if each["event"] == "chat_column_defaulted"]  # fmt: skip
    assert sorted(told) == [
        ("message", "functionCall"),
        ("message", "functionCall"),
        ("message", "metadata"),
        ("message", "toolCalls"),
        ("message", "toolCalls"),
        ("session", "credentials"),
        ("session", "successfulAgentSchedules"),
    ], "each once"
    assert [each["tool_calls"] for each in found["messages"]] == [[{"id": 1}], None, None]
    assert [each["function_call"] for each in found["messages"]] == [None, {"a": 1}, None]
    assert [each["metadata"] for each in found["messages"]] == [None, None, {"b": 2}]
    session = found["session"]
    assert (session["metadata"]["kind"], session["metadata"]["dry_run"]) == ("normal", True)
    assert (session["credentials"], session["successful_agent_schedules"]) == ({}, {})
    assert session["successful_agent_runs"] == {"g": 2}


PLAIN = {
    "dry_run": False,
    "llm_auth_provider": "platform",
    "llm_credential_id": None,
    "builder_graph_id": None,
    "source_platform": None,
    "kind": "normal",
    "dream_pass_id": None,
}


ODD_METADATA: tuple[tuple[Any, dict[str, Any], bool], ...] = (
    (PLAIN, {}, False),
    ({}, {}, False),
    (None, {}, False),
    (
        {"dry_run": True, "kind": "dream", "unknown": 1},
        {"dry_run": True, "kind": "dream"},
        False,
    ),
    ({"dry_run": "yes", "kind": 1, "builder_graph_id": "g"}, {"builder_graph_id": "g"}, False),
    ('{"source_platform": "discord", "kind": null}', {"source_platform": "discord"}, False),
    ("null", {}, True),
    ("no JSON", {}, True),
    ([], {}, True),
)
"""What is stored, what is shown of it that is not the default, and whether it is told of."""


def test_of_odd_metadata_the_rest_is_shown(service_in: Serve) -> None:
    service = started(service_in)
    for stored, shown, is_told in ODD_METADATA:
        service.rows('UPDATE "ChatSession" SET metadata = %(stored)s', stored=json.dumps(stored))
        tell_defaulted.cache_clear()
        with structlog.testing.capture_logs() as events:
            found = service.call("get_chat_session_metadata", session_id="s")
        assert list(found["metadata"].items()) == list((PLAIN | shown).items())
        assert [each["event"] for each in events] == ["chat_column_defaulted"] * is_told
