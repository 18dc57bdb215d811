"""Bots on chat platforms: what happens to them, and where they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from api_process import ApiProcess
from autogpt_db.errors import InvalidValueError, LimitExceededError
from autogpt_db.settings import LimitsSettings
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

STATES = ("master-2026-06-17", "v0.6.68", LATEST)
EVENT = {
    "platform": "DISCORD", "event_type": "reply_sent", "server_id": "s", "channel_type": "thread",
    "command_name": "c", "error_kind": "e", "char_count": -(2**31), "duration_ms": 2**31 - 1,
}  # fmt: skip
EVENTS = """
SELECT to_jsonb(event) - 'id' - 'createdAt' FROM "BotEvent" AS event ORDER BY ctid
"""
"""As they were written: several may have been in one millisecond."""
GUILDS = """
SELECT platform::text || ' ' || "serverId", name, "leftAt" IS NULL FROM "BotGuild" ORDER BY 1
"""
GUILD = {"platform": "DISCORD", "server_id": "s", "name": "Its name"}


# Events --------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_events_are_recorded_each_as_one_row(service_in: Serve, state: str) -> None:
    service = service_in(state)
    assert service.call("record_bot_event", event=EVENT) is None
    assert service.statements == 1
    assert service.call("record_bot_event", event={**EVENT, "content": "secret"}) is None
    least = {"platform": "LINEAR", "event_type": ""}
    assert service.call("record_bot_event", event=least) is None
    rows = [row for (row,) in service.rows(EVENTS)]
    whole = {
        "platform": "DISCORD", "eventType": "reply_sent", "serverId": "s", "channelType": "thread",
        "commandName": "c", "errorKind": "e", "charCount": -(2**31), "durationMs": 2**31 - 1,
    }  # fmt: skip
    nothing = dict.fromkeys(whole)
    assert rows == [whole, whole, {**nothing, "platform": "LINEAR", "eventType": ""}]


def test_events_that_come_together_share_statements(service_in: Serve) -> None:
    service = service_in(LATEST)
    calls = [
        ("record_bot_event", {"event": {**EVENT, "char_count": n, "command_name": "ü\n'\"\\"}})
        for n in range(200)
    ]
    assert service.together(calls) == [None] * 200
    (merger,) = service.mergers()
    assert merger.figures.batches < 100
    counts = service.rows('SELECT "charCount", "commandName" FROM "BotEvent" ORDER BY 1')
    assert counts == [(n, "ü\n'\"\\") for n in range(200)]


@pytest.mark.parametrize(
    ("member", "value", "status"),
    [
        ("char_count", 2**31, 400),
        ("duration_ms", -(2**31) - 1, 400),
        ("duration_ms", 10**300, 400),
        ("event_type", "a\0", 400),
        ("server_id", "\0", 400),
        ("server_id", "longer than an index has room for", 400),
        ("platform", "X", 422),
        ("event_type", None, 422),
        ("char_count", 1.5, 422),
    ],
)
def test_one_that_cannot_be_recorded_keeps_no_other_from_it(
    service_in: Serve, member: str, value: Any, status: int
) -> None:
    service = service_in(LATEST)
    if value == "longer than an index has room for":
        value = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(5000))
    wrong = {**EVENT, member: value}
    code, body = service.answer("record_bot_event", {"event": wrong})
    assert code == status
    assert "SELECT" not in str(body)
    if status == 400:
        assert body["type"] == "ValueError"
    calls = [("record_bot_event", {"event": wrong if n == 3 else EVENT}) for n in range(8)]
    answers = service.together(calls)
    assert [n for n, answer in enumerate(answers) if answer is not None] == [3]
    assert service.value('SELECT count(*) FROM "BotEvent"') == 7


def test_a_repeat_with_a_key_records_nothing(service_in: Serve) -> None:
    service = service_in(LATEST)
    with ApiProcess(service.url, modules=()) as api:
        headers = {"idempotency-key": "k"}
        replies = [
            api.client.post("/record_bot_event", json={"event": EVENT}, headers=headers)
            for _ in range(3)
        ]
    assert [(reply.status_code, reply.json()) for reply in replies] == [(200, None)] * 3
    assert service.value('SELECT count(*) FROM "BotEvent"') == 1


# Servers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_bot_joins_leaves_and_joins_again(service_in: Serve, state: str) -> None:
    service = service_in(state)
    assert service.call("record_guild_joined", guild=GUILD) is None
    assert service.statements == 1
    service.rows("""UPDATE "BotGuild" SET "joinedAt" = '2026-01-01', "lastSeenAt" = '2026-01-01'""")
    assert service.rows(GUILDS) == [("DISCORD s", "Its name", True)]
    left = {"platform": "DISCORD", "server_id": "s"}
    assert service.call("mark_guild_left", **left) is None
    when = service.value('SELECT "leftAt" FROM "BotGuild"')
    assert when is not None
    assert service.call("mark_guild_left", **left) is None
    assert service.call("mark_guild_left", platform="SLACK", server_id="s") is None
    assert service.call("mark_guild_left", platform="DISCORD", server_id="other") is None
    assert service.value('SELECT "leftAt" FROM "BotGuild"') == when
    nameless = {"platform": "DISCORD", "server_id": "s"}
    assert service.call("record_guild_joined", guild=nameless) is None
    assert service.rows(GUILDS) == [("DISCORD s", None, True)]
    assert service.rows(
        """SELECT "joinedAt" = '2026-01-01', "lastSeenAt" > '2026-01-01' FROM "BotGuild" """
    ) == [(True, True)]


def sync(service: Service, *guilds: dict[str, Any], platform: str = "DISCORD") -> None:
    assert service.call("sync_guild_presence", platform=platform, guilds=list(guilds)) is None
    assert service.statements == 2


def test_where_a_bot_is_says_also_where_it_is_no_more(service_in: Serve) -> None:
    service = service_in(LATEST)
    for server in ("a", "b", "c"):
        for platform in ("DISCORD", "SLACK"):
            guild = {"platform": platform, "server_id": server, "name": "old"}
            service.call("record_guild_joined", guild=guild)
    service.call("mark_guild_left", platform="DISCORD", server_id="a")
    service.rows("""UPDATE "BotGuild" SET "joinedAt" = '2026-01-01'""")
    sync(
        service,
        {"platform": "DISCORD", "server_id": "a", "name": "first"},
        {"platform": "SLACK", "server_id": "b"},
        {"platform": "DISCORD", "server_id": "d", "name": "new"},
        {"platform": "DISCORD", "server_id": "a", "name": "last"},
    )
    assert service.rows(GUILDS) == [
        ("DISCORD a", "last", True),
        ("DISCORD b", "old", True),  # given, if on another platform
        ("DISCORD c", "old", False),
        ("DISCORD d", "new", True),
        ("SLACK a", "old", True),
        ("SLACK b", None, True),
        ("SLACK c", "old", True),
    ]
    assert service.value("""SELECT count(*) FROM "BotGuild" WHERE "joinedAt" > '2026-01-01'""") == 1
    sync(service)
    assert [there for name, _, there in service.rows(GUILDS) if name.startswith("D")] == [False] * 4
    assert [there for name, _, there in service.rows(GUILDS) if name.startswith("S")] == [True] * 3


def test_all_of_it_is_recorded_or_nothing(service_in: Serve) -> None:
    service = service_in(LATEST, limits=LimitsSettings(items=10))
    sync(service, GUILD)
    before = service.rows(GUILDS)
    good = {"platform": "DISCORD", "server_id": "x"}
    long = "".join(chr(0x4E00 + n * 7919 % 20000) for n in range(5000))
    for wrong in ({**good, "server_id": "\0"}, {**good, "name": "\0"}, {**good, "server_id": long}):
        with pytest.raises(InvalidValueError):
            sync(service, good, wrong)
    many = [{**good, "server_id": str(n)} for n in range(11)]
    with pytest.raises(LimitExceededError, match=r"guilds has 11 items.*limits\.items"):
        sync(service, *many)
    assert service.answer("sync_guild_presence", {"platform": "X", "guilds": []})[0] == 422
    assert service.rows(GUILDS) == before
    sync(service, *many[:10])
    assert len(service.rows(GUILDS)) == 11


def test_many_at_once_neither_fail_nor_hinder_each_other(service_in: Serve) -> None:
    service = service_in(LATEST, pool_size=8)
    servers = [{"platform": "DISCORD", "server_id": str(n)} for n in range(50)]
    calls: list[tuple[str, dict[str, Any]]] = []
    for n in range(16):
        turned = servers[n:] + servers[:n] if n % 2 else servers[::-1]
        calls.append(("sync_guild_presence", {"platform": "DISCORD", "guilds": turned[:40]}))
        calls.append(("record_guild_joined", {"guild": servers[n]}))
    assert service.together(calls) == [None] * 32
    sync(service, *servers)
    assert [there for _, _, there in service.rows(GUILDS)] == [True] * 50
