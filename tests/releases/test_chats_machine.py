"""Chats whoever writes at once, in whatever order: what is stored is what was answered."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from autogpt_db.errors import ForeignKeyViolationError, UniqueViolationError
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

WRITERS = 16
NAMES = (f"name-{number}" for number in itertools.count())
FROM_THE_FIRST = -(2**31)


@pytest.fixture
def chats(service_in: Callable[..., Service]) -> Service:
    service = service_in(LATEST, pool_size=WRITERS)
    service.rows("""INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'a@b.c', now())""")
    return service


def said(number: int, **more: Any) -> list[dict[str, Any]]:
    """Return so many messages that say what no other says."""
    return [{"role": "user", "content": next(NAMES), **more} for _ in range(number)]


class Chats(RuleBasedStateMachine):
    """A user's sessions, and what they should hold.

    Attributes:
        messages: What each session's messages say, by session and number.
        statuses: Where each session stands.
    """

    sessions = Bundle("sessions")

    def __init__(self, chats: Service) -> None:
        super().__init__()
        self.chats = chats
        self.messages: dict[str, dict[int, str]] = {}
        self.statuses: dict[str, str] = {}

    @initialize(target=sessions)
    def first(self) -> str:
        return self._made()

    @rule(target=sessions)
    def another(self) -> str:
        return self._made()

    def _made(self) -> str:
        name = next(NAMES)
        made = self.chats.call("create_chat_session", session_id=name, user_id="ann")
        assert made["chat_status"] == "idle"
        self.messages[name] = {}
        self.statuses[name] = "idle"
        return name

    def _next(self, session: str) -> int:
        return max(self.messages[session], default=-1) + 1

    @staticmethod
    def _batch(session: str, messages: list[dict[str, Any]], start: int) -> tuple[str, Any]:
        arguments = {"session_id": session, "messages": messages, "start_sequence": start}
        return "add_chat_messages_batch", arguments

    def _added(self, session: str, messages: list[dict[str, Any]], start: int) -> set[int]:
        """Enter a batch into the model, where no number may be another's."""
        stored = self.messages[session]
        numbers = set(range(start, start + len(messages)))
        assert not numbers & set(stored), "a number was given twice"
        stored |= {start + n: message["content"] for n, message in enumerate(messages)}
        return numbers

    @rule(
        session=sessions,
        sizes=st.lists(st.integers(1, 4), min_size=1, max_size=WRITERS),
        offset=st.integers(-3, 2),
    )
    def write_at_once(self, session: str, sizes: list[int], offset: int) -> None:
        """Save turns at once, whose writers have all read one number, or a wrong one."""
        following = self._next(session)
        asked = max(following + offset, 0)
        batches = [said(size) for size in sizes]
        starts = self.chats.together([self._batch(session, each, asked) for each in batches])
        assert all(type(start) is int for start in starts), starts
        given: set[int] = set()
        for batch, start in zip(batches, starts, strict=True):
            given |= self._added(session, batch, start)
        if asked == following:
            assert given == set(range(following, following + sum(sizes))), "a gap"

    @rule(session=sessions, times=st.integers(2, WRITERS))
    def click_at_once(self, session: str, times: int) -> None:
        """Send one message several times; it is stored once, and the others are told."""
        message = said(1, id=next(NAMES))
        following = self._next(session)
        answers = self.chats.together([self._batch(session, message, following)] * times)
        (start,) = [answer for answer in answers if type(answer) is int]
        refused = [answer for answer in answers if type(answer) is not int]
        assert all(isinstance(answer, UniqueViolationError) for answer in refused), answers
        assert all("ChatMessage_pkey" in str(answer) for answer in refused)
        self._added(session, message, start)

    @rule(session=sessions, size=st.integers(1, 3))
    def repeat(self, session: str, size: int) -> None:
        """Save a turn again whose answer was lost."""
        batch = said(size)
        call, arguments = self._batch(session, batch, self._next(session))
        start = self.chats.call(call, **arguments)
        self._added(session, batch, start)
        assert self.chats.call(call, **arguments) == start

    @rule(session=sessions, gap=st.integers(0, 3), times=st.integers(1, WRITERS))
    def place_at_once(self, session: str, gap: int, times: int) -> None:
        """Put messages at one number; one gets it."""
        number = self._next(session) + gap
        messages = said(times)
        calls = [
            ("add_chat_message", {"session_id": session, "sequence": number, **message})
            for message in messages
        ]
        answers = self.chats.together(calls)
        (placed,) = [answer for answer in answers if isinstance(answer, dict)]
        others = [answer for answer in answers if not isinstance(answer, dict)]
        assert all(isinstance(answer, UniqueViolationError) for answer in others), answers
        assert not any("ChatMessage_pkey" in str(answer) for answer in others)
        self._added(session, [placed], number)

    @rule(session=sessions, times=st.integers(1, WRITERS))
    def claim_at_once(self, session: str, times: int) -> None:
        """Claim a session that waits; one gets it."""
        assert self.chats.call("update_chat_session_status", session_id=session, status="queued")
        claim = {"session_id": session, "status": "running", "expect_status": "queued"}
        answers = self.chats.together([("update_chat_session_status", claim)] * times)
        assert sorted(answers) == [False] * (times - 1) + [True]
        self.statuses[session] = "running"

    @rule(session=consumes(sessions), sizes=st.lists(st.integers(1, 3), max_size=WRITERS - 1))
    def delete_meanwhile(self, session: str, sizes: list[int]) -> None:
        """Delete a session while others write into it: nothing of it stays."""
        calls = [self._batch(session, said(size), self._next(session)) for size in sizes]
        deletion = ("delete_chat_session", {"session_id": session, "user_id": "ann"})
        *written, deleted = self.chats.together([*calls, deletion])
        assert deleted is True
        for answer in written:
            assert type(answer) is int or isinstance(answer, ForeignKeyViolationError), answer
        assert self.chats.call("get_chat_session", session_id=session) is None
        assert self.chats.call("get_next_sequence", session_id=session) == 0
        del self.messages[session], self.statuses[session]

    @rule(session=sessions, size=st.integers(1, 7))
    def pages_hold_all(self, session: str, size: int) -> None:
        """Go through all pages from the end; nothing is missing, and nothing comes twice."""
        found: list[dict[str, Any]] = []
        before: int | None = None
        more = True
        while more:
            page = self.chats.call(
                "get_chat_messages_paginated",
                session_id=session,
                limit=size,
                before_sequence=before,
                after_sequence=FROM_THE_FIRST,
            )
            assert len(page["messages"]) <= size
            found[:0] = page["messages"]
            before, more = page["oldest_sequence"], page["has_more"]
        assert [each["sequence"] for each in found] == sorted(self.messages[session])
        assert {each["sequence"]: each["content"] for each in found} == self.messages[session]

    @invariant()
    def what_is_stored_is_what_was_answered(self) -> None:
        for session, messages in self.messages.items():
            found = self.chats.call("get_chat_session", session_id=session)
            stored = {each["sequence"]: each["content"] for each in found["messages"]}
            assert stored == messages
            assert found["chat_status"] == self.statuses[session]
            following = self.chats.call("get_next_sequence", session_id=session)
            assert following == self._next(session)


def test_chats_hold_what_was_answered_whoever_writes_at_once(chats: Service) -> None:
    run_state_machine_as_test(
        lambda: Chats(chats),  # type: ignore[arg-type]  # a function will do, its text says
        settings=settings(
            max_examples=8,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
