"""Messages that runs and schedules post into chats: each once, in an unbroken order."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.errors import ExpertNotFoundError, ForeignKeyViolationError, StatementCollidedError
from lock_waits import await_lock

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

MESSAGES = """
SELECT id, role, content, sequence, metadata FROM "ChatMessage"
 WHERE "sessionId" = %(session)s ORDER BY sequence
"""
TOUCHED = """
SELECT "updatedAt" > autogpt_db.now_v1() - interval '1 hour' FROM "ChatSession"
 WHERE id = %(session)s
"""
NEW = """
SELECT "userId", "expertId", title, metadata ->> 'kind', "organizationId", "teamId",
       "chatStatus"::text, "isPinned", "createdAt" = "updatedAt"
  FROM "ChatSession" WHERE id = %(session)s
"""
NUMBERS = """
SELECT array_agg(sequence ORDER BY sequence) FROM "ChatMessage" WHERE "sessionId" = %(session)s
"""


def post(service: Service, expert: str, message: str, user: str = "alice", **more: Any) -> Any:
    return service.call(
        "append_expert_run_message",
        **{"user_id": user, "expert_id": expert, "message_id": message, "content": "text"} | more,
    )


def post_plainly(service: Service, message: str, user: str = "alice", **more: Any) -> Any:
    return service.call(
        "append_plain_session_message",
        **{"user_id": user, "message_id": message, "content": "text"} | more,
    )


def sessions(service: Service) -> int:
    found: int = service.value('SELECT count(*) FROM "ChatSession"')
    return found


def test_an_expert_posts_into_its_newest_chat(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    last = service.value(NUMBERS, session="csx2")[-1]
    assert service.value(TOUCHED, session="csx2") is False
    assert post(service, "x1", "m-1", content="a\0b\x1f\n\u2028c") == "csx2"
    assert service.statements == 2
    assert post(service, "x1", "m-2", metadata={"card": [1, None], "gone": "\x01"}) == "csx2"
    *_, first, second = service.rows(MESSAGES, session="csx2")
    assert first == ("m-1", "assistant", "ab\n\u2028c", last + 1, None)
    assert second == ("m-2", "assistant", "text", last + 2, {"card": [1, None], "gone": ""})
    assert service.value(TOUCHED, session="csx2") is True


def test_a_message_is_posted_once_whatever_chat_it_is_in(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    count = 'SELECT count(*) FROM "ChatMessage"'
    assert post(service, "x1", "m-1") == "csx2"
    before = service.value(count), sessions(service)
    assert post(service, "x1", "m-1", content="again") is None
    assert post(service, "x7", "m-1") is None
    assert post(service, "zz", "m-1") is None
    assert post_plainly(service, "m-1") is None
    assert post(service, "x1", "cm0") is None
    assert (service.value(count), sessions(service)) == before


def test_who_has_no_chat_gets_one(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    made = post(service, "x7", "m-1")
    assert service.rows(NEW, session=made) == [
        ("alice", "x7", None, "normal", None, None, "idle", False, True)
    ]
    assert service.value(NUMBERS, session=made) == [0]
    assert post(service, "x7", "m-2") == made
    plain = post_plainly(service, "p-1", "bob")
    assert service.rows(NEW, session=plain) == [
        ("bob", None, None, "normal", None, None, "idle", False, True)
    ]
    assert post_plainly(service, "p-2", "bob") == plain


def test_plain_messages_go_neither_to_dreams_nor_to_experts(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    assert post_plainly(service, "p-1") == "csp"
    service.rows("""UPDATE "ChatSession" SET "updatedAt" = now() + interval '1 day', metadata = '{}'
                     WHERE id = 'cs1'""")
    assert post_plainly(service, "p-2") == "cs1", "one that doesn't say what it is is no dream"


def test_a_new_chat_is_only_with_an_expert_that_may_run(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    before = sessions(service)
    for expert in ("x2", "xb1", "xt1", "zz", ""):
        with pytest.raises(ExpertNotFoundError) as refused:
            post(service, expert, f"m-{expert}")
        assert refused.value.args == (expert,)
    with pytest.raises(ForeignKeyViolationError, match="ChatSession_userId_fkey"):
        post_plainly(service, "p-1", "nobody")
    assert sessions(service) == before
    assert post(service, "x3", "m-3") is not None, "whoever sees it"
    service.rows("""UPDATE "Expert" SET "isArchived" = true WHERE id = 'x1'""")
    assert post(service, "x1", "m-4") == "csx2", "there is a chat with it"


def test_in_v071_a_new_chat_is_with_any_expert(service_in: Serve) -> None:
    service = service_in("v0.7.1")
    service.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())""")
    service.rows("""INSERT INTO "Expert" (id, "ownerUserId", name, role, identity, "isArchived")
                    VALUES ('old', 'ann', 'Old', 'r', 'i', true)""")
    made = post(service, "old", "m-1", "ann")
    assert service.rows(NEW, session=made)[0][:2] == ("ann", "old")
    with pytest.raises(ForeignKeyViolationError, match="ChatSession_expertId_fkey"):
        post(service, "zz", "m-2", "ann")


# Many at once ----------------------------------------------------------------------------------


def test_many_posts_at_once_are_numbered_without_a_gap(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, pool_size=8)
    last = service.value(NUMBERS, session="csx2")[-1]
    calls = [
        ("append_expert_run_message",
         {"user_id": "alice", "expert_id": "x1", "content": "c", "message_id": f"m-{n % 20}"})
        for n in range(40)
    ]  # fmt: skip
    answers = service.together(calls)
    assert sorted(answers, key=str) == [None] * 20 + ["csx2"] * 20
    assert service.value(NUMBERS, session="csx2")[-21:] == list(range(last, last + 21))


def test_many_first_posts_at_once_make_one_chat(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, pool_size=8)
    before = sessions(service)
    calls = [
        ("append_expert_run_message",
         {"user_id": "alice", "expert_id": "x7", "content": "c", "message_id": f"m-{n}"})
        for n in range(16)
    ]  # fmt: skip
    (session,) = set(service.together(calls))
    assert sessions(service) == before + 1
    assert service.value(NUMBERS, session=session) == list(range(16))


def test_a_number_that_somebody_takes_meanwhile_is_passed_over(service_in: Serve) -> None:
    """AutoGPT's own chat writes its messages with numbers that it has read before."""
    service = service_in("v0.7.2", seeded=True)
    number = service.value(NUMBERS, session="csx2")[-1] + 1
    posted: list[Any] = []
    with psycopg.connect(service.url) as other:
        other.execute(
            """INSERT INTO platform."ChatMessage" (id, "sessionId", role, sequence)
               VALUES ('theirs', 'csx2', 'user', %s)""",
            (number,),
        )
        poster = threading.Thread(target=lambda: posted.append(post(service, "x1", "m-1")))
        poster.start()
        await_lock(service.url, what="the post to wait")
        other.commit()
        poster.join()
    assert posted == ["csx2"]
    *_, theirs, ours = service.rows(MESSAGES, session="csx2")
    assert (theirs[0], theirs[3], ours[0], ours[3]) == ("theirs", number, "m-1", number + 1)


def test_a_message_that_another_thread_posts_meanwhile_leaves_no_empty_chat(
    service_in: Serve,
) -> None:
    service = service_in("v0.7.2", seeded=True)
    before = sessions(service)
    posted: list[Any] = []
    with psycopg.connect(service.url) as other:
        other.execute(
            """INSERT INTO platform."ChatMessage" (id, "sessionId", role, sequence)
               VALUES ('m-1', 'csx2', 'user', 1000)"""
        )
        poster = threading.Thread(target=lambda: posted.append(post(service, "x7", "m-1")))
        poster.start()
        await_lock(service.url, what="the post to wait")
        other.commit()
        poster.join()
    assert posted == [None]
    assert sessions(service) == before


def test_who_never_gets_a_number_is_asked_to_come_again(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True)
    service.rows("""
        CREATE FUNCTION platform.taken() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RETURN NULL; END $$""")
    service.rows("""CREATE TRIGGER taken BEFORE INSERT ON "ChatMessage"
                    FOR EACH ROW EXECUTE FUNCTION platform.taken()""")
    with pytest.raises(StatementCollidedError, match="try again"):
        post(service, "x7", "m-1")
    assert service.value("""SELECT count(*) FROM "ChatSession" WHERE "expertId" = 'x7'""") == 0
