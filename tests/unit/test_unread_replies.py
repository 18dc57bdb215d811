"""Replies that nobody reads: who is cut for them, and who is not."""

from __future__ import annotations

import pytest

from autogpt_db.api.unread import UnreadReplies
from autogpt_db.metrics import Store

MEGABYTE = 2**20


class Client:
    """A connection whose client reads when it is told to."""

    def __init__(self, unread: int) -> None:
        self.unread = unread
        self.is_cut = False

    def cut(self) -> None:
        self.is_cut = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replies(clock: Clock) -> UnreadReplies:
    return UnreadReplies(100 * MEGABYTE, Store(None, "api_00"), clock)


def test_who_reads_slowest_is_cut_whoever_came_first(replies: UnreadReplies, clock: Clock) -> None:
    reading, silent, new = (Client(40 * MEGABYTE) for _ in range(3))
    replies.hold(reading)
    clock.now = 5
    replies.hold(silent)
    clock.now = 10
    reading.unread -= 30 * MEGABYTE
    replies.hold(new)
    assert (reading.is_cut, silent.is_cut, new.is_cut) == (False, True, False)
    assert replies.held == 80 * MEGABYTE, "a reply is kept whole until its last byte is sent"


def test_who_has_just_begun_is_not_slow(replies: UnreadReplies, clock: Clock) -> None:
    reading, begun, new = (Client(40 * MEGABYTE) for _ in range(3))
    replies.hold(reading)
    clock.now = 100
    reading.unread -= MEGABYTE
    replies.hold(begun)
    replies.hold(new)
    assert (reading.is_cut, begun.is_cut, new.is_cut) == (True, False, False)


def test_who_reads_at_a_fair_pace_is_spared_until_far_beyond_the_bound(
    replies: UnreadReplies, clock: Clock
) -> None:
    readers = [Client(40 * MEGABYTE) for _ in range(10)]
    for reader in readers:
        replies.hold(reader)
    clock.now = 2
    for reader in readers:
        reader.unread -= 2 * MEGABYTE
    assert replies.held == 400 * MEGABYTE
    assert not any(reader.is_cut for reader in readers)
    for _ in range(3):
        readers.append(Client(40 * MEGABYTE))
        replies.hold(readers[-1])
    assert [reader.is_cut for reader in readers] == [True] * 3 + [False] * 10
    assert replies.held == 400 * MEGABYTE


def test_one_reply_always_finds_room(replies: UnreadReplies) -> None:
    others = [Client(MEGABYTE) for _ in range(3)]
    for other in others:
        replies.hold(other)
    huge = Client(500 * MEGABYTE)
    replies.hold(huge)
    assert all(other.is_cut for other in others)
    assert not huge.is_cut
    assert replies.held == huge.unread


def test_what_was_read_is_not_held(replies: UnreadReplies) -> None:
    client = Client(60 * MEGABYTE)
    for _ in range(3):
        replies.hold(client)
        assert replies.held == 60 * MEGABYTE
    replies.let_go(client)
    replies.let_go(client)
    assert replies.held == 0
    assert not client.is_cut
