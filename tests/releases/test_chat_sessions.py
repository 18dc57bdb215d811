"""Chat sessions: made, changed, listed, queued, and deleted with what they have shared."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.errors import (
    ArgumentsNotHonouredError,
    ExpertNotFoundError,
    ForeignKeyViolationError,
    InvalidValueError,
    RawQueryError,
    UniqueViolationError,
)
from lock_waits import await_lock
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

STATES = ("v0.6.48", "v0.6.54", "v0.6.68", LATEST)
NEW_USER = """INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())"""
CHANGED = """SELECT "updatedAt" > '2026-02-01' FROM "ChatSession" WHERE id = %(id)s"""
SHARED = """
SELECT "isShared", "shareToken", "sharedVia"::text FROM "AgentGraphExecution" WHERE id = %(id)s
"""
NOT_SHARED = [(False, None, None)]


def started(service_in: Serve, state: str = LATEST, **sections: Any) -> Service:
    service = service_in(state, **sections)
    service.rows(NEW_USER)
    return service


def make(service: Service, session: str = "s", user: str = "ann", **more: Any) -> Any:
    return service.call("create_chat_session", session_id=session, user_id=user, **more)


def age(service: Service) -> None:
    """Let all sessions have been changed long ago."""
    service.rows("""UPDATE "ChatSession" SET "updatedAt" = '2026-01-01'""")


def ids(found: Any) -> list[str]:
    return [session["session_id"] for session in found]


def sessions_of(service: Service, user: str = "alice", **more: Any) -> list[str]:
    return ids(service.call("get_user_chat_sessions", user_id=user, **more))


# Made and changed -----------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_session_is_made_shown_and_changed(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    made = make(service, metadata={"dry_run": True, "unknown": 1})
    assert service.statements == 1
    assert service.call("get_chat_session_metadata", session_id="s") == made
    assert service.call("get_chat_session_metadata", session_id="unknown") is None
    assert (made["title"], made["usage"], made["chat_status"]) == (None, [], "idle")
    assert made["started_at"] == made["updated_at"]
    members = {"dry_run", "builder_graph_id", "source_platform", "kind", "dream_pass_id"}
    if state == LATEST:
        members |= {"llm_auth_provider", "llm_credential_id"}
    assert made["metadata"].keys() == members
    assert made["metadata"]["dry_run"] is (state != "v0.6.48")
    age(service)
    changed = service.call(
        "update_chat_session",
        session_id="s",
        title="T",
        credentials={"github": {"id": "c\0"}},
        successful_agent_runs={"g": 2},
        total_prompt_tokens=2_000_000_000,
        total_completion_tokens=2_000_000_000,
    )
    assert service.statements == 1
    assert (changed["title"], changed["credentials"]) == ("T", {"github": {"id": "c"}})
    assert changed["successful_agent_runs"] == {"g": 2}
    assert changed["usage"] == [
        {
            "prompt_tokens": 2_000_000_000,
            "completion_tokens": 2_000_000_000,
            "total_tokens": 4_000_000_000,
            "cache_read_tokens": 0,
            "cache_creation_tokens": 0,
        }
    ]
    assert changed["updated_at"] > "2026-02-01"
    same = service.call("update_chat_session", session_id="s", title="", total_prompt_tokens=0)
    assert (same["title"], same["credentials"]) == ("", changed["credentials"])
    assert same["usage"][0]["total_tokens"] == 2_000_000_000
    assert service.call("update_chat_session", session_id="unknown", title="T") is None


def test_a_session_that_is_made_again_is_the_same_until_somebody_writes(
    service_in: Serve,
) -> None:
    service = started(service_in)
    made = make(service, metadata={"kind": "dream"})
    assert make(service, metadata={"kind": "dream"}) == made
    for other in (None, {"kind": "dream", "dry_run": True}):
        with pytest.raises(UniqueViolationError, match=r"\(`id`\)$"):
            make(service, metadata=other)
    service.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('ben', 'b@b.c', now())""")
    with pytest.raises(UniqueViolationError):
        make(service, user="ben", metadata={"kind": "dream"})
    service.call("add_chat_message", session_id="s", role="user", sequence=0)
    with pytest.raises(UniqueViolationError):
        make(service, metadata={"kind": "dream"})


def test_a_session_belongs_to_whom_it_names(service_in: Serve) -> None:
    service = service_in(LATEST, seeded=True)
    made = make(service, user="alice", organization_id="org-a", team_id="team-a", expert_id="x1")
    assert (made["organization_id"], made["team_id"], made["expert_id"]) == (
        "org-a",
        "team-a",
        "x1",
    )
    none = make(service, "n", "alice", organization_id="", team_id="", expert_id="")
    assert (none["organization_id"], none["team_id"], none["expert_id"]) == (None, None, None)
    assert make(service, "o", "alice", organization_id="unknown") is not None
    with pytest.raises(ForeignKeyViolationError, match="ChatSession_userId_fkey"):
        make(service, "x", "nobody")
    with pytest.raises(ForeignKeyViolationError, match="ChatSession_teamId_fkey"):
        make(service, "x", "alice", team_id="unknown")
    for user, expert in (("alice", "x2"), ("bob", "x1"), ("alice", "unknown")):
        with pytest.raises(ExpertNotFoundError) as refused:
            make(service, "x", user, expert_id=expert)
        assert refused.value.args == (expert,)
    assert service.call("get_chat_session_metadata", session_id="x") is None


def test_an_expert_that_is_just_archived_gets_no_session(service_in: Serve) -> None:
    service = service_in(LATEST, seeded=True)
    answers: list[Exception] = []

    def ask() -> None:
        with pytest.raises(ExpertNotFoundError) as refused:
            make(service, "x", "alice", expert_id="x1")
        answers.append(refused.value)

    with psycopg.connect(service.url) as other:
        other.execute("""UPDATE platform."Expert" SET "isArchived" = true WHERE id = 'x1'""")
        asking = threading.Thread(target=ask)
        asking.start()
        await_lock(service.url, what="the call to wait")
        other.commit()
        asking.join()
    assert len(answers) == 1
    assert service.rows("""SELECT FROM "ChatSession" WHERE id = 'x'""") == []


def test_where_a_session_belongs_changes_only_if_that_is_asked_for(service_in: Serve) -> None:
    service = service_in(LATEST, seeded=True)
    make(service, "s", "alice", organization_id="org-a", team_id="team-a")

    def change(**arguments: Any) -> tuple[Any, Any]:
        changed = service.call("update_chat_session", session_id="s", **arguments)
        return changed["organization_id"], changed["team_id"]

    assert change(organization_id="org-1", title="t") == ("org-a", "team-a")
    tenancy = {"update_tenancy": True, "organization_id": "org-1", "team_id": "team-1"}
    assert change(**tenancy) == ("org-1", "team-1")
    assert change(update_tenancy=True) == (None, None)
    with pytest.raises(ForeignKeyViolationError, match="ChatSession_teamId_fkey"):
        change(update_tenancy=True, team_id="unknown")


def test_what_a_database_has_no_place_for_is_not_dropped(service_in: Serve) -> None:
    service = started(service_in, "v0.6.54")
    for arguments in ({"organization_id": "o"}, {"team_id": "t"}, {"expert_id": "x"}):
        with pytest.raises(ArgumentsNotHonouredError):
            make(service, **arguments)


def test_a_title_is_set_once_by_itself(service_in: Serve) -> None:
    service = started(service_in)
    make(service)
    title = {"session_id": "s", "user_id": "ann"}
    automatic = [("update_chat_session_title", {**title, "title": t, "only_if_empty": True})
                 for t in "ab"]  # fmt: skip
    assert sorted(service.together(automatic)) == [False, True]
    assert service.call("update_chat_session_title", **title, title="") is True
    assert (
        service.call("update_chat_session_title", **title, title="c", only_if_empty=True) is False
    )
    stranger = {**title, "user_id": "ben", "title": "x"}
    assert service.call("update_chat_session_title", **stranger) is False
    assert service.call("get_chat_session_metadata", session_id="s")["title"] == ""


def test_pinning_is_no_change_that_moves_a_session(service_in: Serve) -> None:
    service = started(service_in)
    make(service)
    age(service)
    pin = {"session_id": "s", "user_id": "ann", "is_pinned": True}
    assert service.call("update_chat_session_pinned", **pin) is True
    assert service.call("update_chat_session_pinned", **pin) is True
    assert service.call("update_chat_session_pinned", **pin | {"user_id": "ben"}) is False
    assert service.value(CHANGED, id="s") is False
    assert service.call("get_chat_session_metadata", session_id="s")["is_pinned"] is True


# Lists ----------------------------------------------------------------------------------------


def test_pinned_sessions_stand_first_then_the_newest(service_in: Serve) -> None:
    service = started(service_in)
    for n, session in enumerate("abcde"):
        make(service, session)
        service.rows(
            """UPDATE "ChatSession" SET "updatedAt" = %(moment)s::timestamp WHERE id = %(id)s""",
            moment=f"2026-01-0{1 + n // 2}",
            id=session,
        )
    service.call("update_chat_session_pinned", session_id="b", user_id="ann", is_pinned=True)
    assert sessions_of(service, "ann") == ["b", "e", "c", "d", "a"], "ties by id"
    assert service.statements == 1
    assert sessions_of(service, "ann", pinned_first=False) == ["e", "c", "d", "a", "b"]
    assert sessions_of(service, "ann", limit=2, offset=1) == ["e", "c"]
    assert sessions_of(service, "ann", limit=0) == []
    with pytest.raises(RawQueryError, match="LIMIT must not be negative"):
        sessions_of(service, "ann", limit=-1)
    with pytest.raises(InvalidValueError, match="offset"):
        sessions_of(service, "ann", offset=-1)
    assert sessions_of(service, "unknown") == []
    assert service.call("get_user_session_count", user_id="ann") == 5


def test_before_v070_a_negative_limit_counts_from_the_end(service_in: Serve) -> None:
    service = started(service_in, "v0.6.68")
    for session in "ab":
        make(service, session)
    age(service)
    assert sessions_of(service, "ann", limit=-1) == ["b"]
    make(service, "dream", metadata={"kind": "dream"})
    assert service.call("get_user_session_count", user_id="ann") == 3, "dreams are listed, too"


def test_sessions_are_found_by_what_their_title_contains(service_in: Serve) -> None:
    service = started(service_in)
    for title in ("50% off", "500 OFF", "a_b", "a\\b"):
        make(service, title)
        service.call("update_chat_session", session_id=title, title=title)
    make(service, "untitled")
    assert sessions_of(service, "ann", title_contains="0%") == ["50% off"]
    assert sessions_of(service, "ann", title_contains="_") == ["a_b"]
    assert sessions_of(service, "ann", title_contains="\\") == ["a\\b"]
    assert set(sessions_of(service, "ann", title_contains="off")) == {"50% off", "500 OFF"}
    assert len(sessions_of(service, "ann", title_contains="")) == 5


def test_experts_sessions_are_told_from_others(service_in: Serve) -> None:
    service = service_in(LATEST, seeded=True)
    of_expert = sessions_of(service, expert_id="x1")
    assert set(of_expert) >= {"csx1", "csx2"}
    plain = sessions_of(service, autopilot_only=True)
    assert "csp" in plain
    assert not set(plain) & set(of_expert)
    for method in ("get_user_chat_sessions", "get_user_session_count"):
        for odd in ({"expert_id": ""}, {"expert_id": "x1", "autopilot_only": True}):
            with pytest.raises(InvalidValueError, match="expert_id"):
                service.call(method, user_id="alice", **odd)
    count = service.call("get_user_session_count", user_id="alice", expert_id="x1")
    assert count == len(of_expert)
    elsewhere = sessions_of(service, organization_id="unknown")
    assert set(of_expert) <= set(elsewhere), "an expert's are seen from everywhere"
    assert "cs2" not in elsewhere


# Status ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["master-2026-05-20", "v0.6.68", LATEST])
def test_a_session_that_waits_is_claimed_once(service_in: Serve, state: str) -> None:
    service = started(service_in, state, pool_size=8)
    for session in "ab":
        make(service, session)
    age(service)
    set_status = {"session_id": "a", "status": "queued", "user_id": "ben"}
    assert service.call("update_chat_session_status", **set_status) is False
    for session in "ba":
        queued = {"session_id": session, "status": "queued"}
        assert service.call("update_chat_session_status", **queued) is True
        assert service.value(CHANGED, id=session) is True
        service.let_a_millisecond_pass()
    assert ids(service.call("list_chat_sessions_by_status", user_id="ann", status="queued")) == [
        "b",
        "a",
    ]
    assert service.call("count_chat_sessions_by_status", user_id="ann", status="queued") == 2
    claim = {"session_id": "b", "status": "running", "expect_status": "queued", "user_id": "ann"}
    claimed = service.together([("update_chat_session_status", claim)] * 8)
    assert sorted(claimed) == [False] * 7 + [True]
    assert service.call("get_chat_session_status", session_id="b") == "running"
    assert service.call("get_chat_session_status", session_id="unknown") is None


def test_all_who_wait_are_listed_however_many_or_large_they_are(service_in: Serve) -> None:
    service = service_in(LATEST)
    for user, number, title in (("few", 20, "t"), ("many", 30, "t"), ("large", 2, "t" * 5_000)):
        service.rows(
            """INSERT INTO "User" (id, email, "updatedAt") VALUES (%(user)s, %(user)s, now())""",
            user=user,
        )
        service.rows(
            """
            INSERT INTO "ChatSession" (id, "userId", title, "chatStatus", "updatedAt")
            SELECT %(user)s || n, %(user)s, %(title)s, 'queued', '2026-01-01'
              FROM generate_series(%(number)s, 1, -1) AS n
            """,
            user=user,
            title=title,
            number=number,
        )
    users = ["few", "many", "large", "nobody", "few"]
    lists = service.together(
        ("list_chat_sessions_by_status", {"user_id": user, "status": "queued"}) for user in users
    )
    numbers = {"few": 20, "many": 30, "large": 2, "nobody": 0}
    for user, found in zip(users, lists, strict=True):
        ids = [each["session_id"] for each in found]
        assert ids == sorted(f"{user}{n}" for n in range(1, numbers[user] + 1))
    counts = service.together(
        ("count_chat_sessions_by_status", {"user_id": user, "status": "queued"}) for user in users
    )
    assert counts == [numbers[user] for user in users]


def test_a_word_that_is_no_status_is_refused(service_in: Serve) -> None:
    service = started(service_in)
    for method, arguments in (
        ("count_chat_sessions_by_status", {"user_id": "ann", "status": "bad"}),
        ("list_chat_sessions_by_status", {"user_id": "ann", "status": ""}),
        ("update_chat_session_status", {"session_id": "s", "status": "IDLE"}),
        ("update_chat_session_status", {"session_id": "s", "status": "idle", "expect_status": ""}),
    ):
        with pytest.raises(InvalidValueError, match="status is none of idle, queued, running"):
            service.call(method, **arguments)


# Messages, changed ----------------------------------------------------------------------------


def test_a_message_is_changed_where_it_stands(service_in: Serve) -> None:
    service = started(service_in)
    make(service)
    roles = ("user", "assistant", "tool", "tool", "user")
    batch = [{"role": role, "tool_call_id": "c" if role == "tool" else None} for role in roles]
    service.call("add_chat_messages_batch", session_id="s", messages=batch, start_sequence=0)
    age(service)
    at = {"session_id": "s", "sequence": 1}
    content = {"session_id": "s", "tool_call_id": "c", "new_content": "r\0"}
    calls = [{"id": "c"}]
    stamps = {"model": "m", "routing_source": "env"}
    assert service.call("update_message_content_by_sequence", **at, new_content="a\x07") is True
    assert service.call("update_tool_message_content", **content) is True
    assert service.call("set_turn_duration", session_id="s", duration_ms=12) is None
    assert service.call("update_chat_message_tool_calls", **at, tool_calls=calls) is True
    assert service.call("update_chat_message_stamps", **at, **stamps) is True
    found = service.call("get_chat_session", session_id="s")["messages"]
    assert [each["content"] for each in found] == [None, "a", "r", "r", None]
    assert [each["duration_ms"] for each in found] == [None, 12, None, None, None]
    assert (found[1]["tool_calls"], found[1]["model"]) == (calls, "m")
    nulls = {"model": None, "routing_source": None}
    assert service.call("update_chat_message_tool_calls", **at, tool_calls=None) is True
    assert service.call("update_chat_message_stamps", **at, **nulls) is True
    found = service.call("get_chat_session", session_id="s")["messages"]
    assert (found[1]["tool_calls"], found[1]["model"]) == (None, None)
    beyond = {"session_id": "s", "sequence": 3_000_000_000}
    assert service.call("update_message_content_by_sequence", **beyond, new_content="") is False
    assert service.call("update_chat_message_tool_calls", **beyond, tool_calls=[]) is False
    assert service.call("update_chat_message_stamps", **beyond, **nulls) is False
    unknown = content | {"tool_call_id": "unknown"}
    assert service.call("update_tool_message_content", **unknown) is False
    assert service.value(CHANGED, id="s") is False


# Deletion -------------------------------------------------------------------------------------


def delete(service: Service, session: str, **more: Any) -> Any:
    return service.call("delete_chat_session", session_id=session, **more)


@pytest.mark.parametrize("state", STATES)
def test_a_session_is_deleted_with_its_messages(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    make(service)
    batch = {"session_id": "s", "messages": [{"role": "user"}], "start_sequence": 0}
    service.call("add_chat_messages_batch", **batch)
    assert delete(service, "s", user_id="ben") is False
    assert delete(service, "s", user_id="ann", organization_id="o") is True
    assert delete(service, "s", user_id="ann") is False
    assert service.value('SELECT count(*) FROM "ChatMessage"') == 0


@pytest.mark.parametrize("who", [{"user_id": "alice"}, {}])
def test_with_a_session_the_sharing_of_what_only_it_shares_ends(
    service_in: Serve, who: dict[str, str]
) -> None:
    service = service_in("v0.6.68", seeded=True)
    service.rows("""
        INSERT INTO "ChatLinkedShare" (id, "sessionId", "executionId") VALUES
               ('l1', 'cs5', 'e1'), ('l2', 'cs5', 'e3'), ('l3', 'cs8', 'e3'), ('l4', 'cs5', 'e5')
        ON CONFLICT DO NOTHING""")
    service.rows("""
        UPDATE "AgentGraphExecution"
           SET "isShared" = true, "shareToken" = 't-' || id,
               "sharedVia" = CASE id WHEN 'e5' THEN 'USER' ELSE 'CHAT_LINK' END::"SharedVia"
         WHERE id IN ('e1', 'e3', 'e5')""")
    assert delete(service, "cs5", user_id="bob") is False
    assert service.rows(SHARED, id="e1") == [(True, "t-e1", "CHAT_LINK")], "nothing was done"
    assert delete(service, "cs5", **who) is True
    assert service.rows(SHARED, id="e1") == NOT_SHARED
    assert service.rows(SHARED, id="e3") == [(True, "t-e3", "CHAT_LINK")], "another shares it"
    assert service.rows(SHARED, id="e5") == [(True, "t-e5", "USER")], "by the user"
    assert delete(service, "cs8", **who) is True
    assert service.rows(SHARED, id="e3") == NOT_SHARED


def test_a_refused_deletion_leaves_what_is_shared(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    service.rows("""UPDATE "ChatSession" SET "organizationId" = 'org-1' WHERE id = 'cs5'""")
    shared = 'SELECT "isShared", "shareToken" FROM "ChatSession" WHERE id = \'cs5\''
    before = service.rows(shared)
    assert before[0][0] is True
    assert delete(service, "cs5", user_id="alice", organization_id="org-2") is False
    assert service.rows(shared) == before


def test_of_two_sessions_that_are_deleted_at_once_the_last_ends_the_sharing(
    service_in: Serve,
) -> None:
    service = service_in("v0.6.68", seeded=True)
    service.rows("""INSERT INTO "ChatLinkedShare" (id, "sessionId", "executionId")
                    VALUES ('l1', 'cs5', 'e3'), ('l2', 'cs8', 'e3') ON CONFLICT DO NOTHING""")
    service.rows("""UPDATE "AgentGraphExecution" SET "isShared" = true, "shareToken" = 't',
                    "sharedVia" = 'CHAT_LINK' WHERE id = 'e3'""")
    with psycopg.connect(service.url) as holder:
        holder.execute(
            """SELECT FROM platform."AgentGraphExecution" WHERE id = 'e3' FOR NO KEY UPDATE"""
        )
        answers: list[Any] = []
        calls = [("delete_chat_session", {"session_id": session}) for session in ("cs5", "cs8")]
        deleter = threading.Thread(target=lambda: answers.extend(service.together(calls)))
        deleter.start()
        await_lock(service.url, what="both to wait", sessions=2)
        holder.rollback()
        deleter.join()
    assert answers == [True, True]
    assert service.rows(SHARED, id="e3") == NOT_SHARED
