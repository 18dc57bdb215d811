"""Tokens for linking count once: one after another, and for any number who use them at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api_process import ApiProcess
from autogpt_db.errors import LinkAlreadyExistsError, LinkTokenExpiredError
from lock_waits import lock_awaited
from releases.link_calls import (
    ASKED,
    CONFIRM,
    DELETE,
    KINDS,
    LISTED,
    TABLES,
    confirm,
    owner,
    started,
    status,
    token_for,
)

if TYPE_CHECKING:
    from releases.link_calls import Serve


@KINDS
def test_a_newer_token_takes_the_place_of_those_before(service_in: Serve, kind: str) -> None:
    service = started(service_in)
    first, expired = token_for(service, kind), token_for(service, kind)
    service.rows("""UPDATE "PlatformLinkToken" SET "usedAt" = NULL, "expiresAt" = '2026-01-01'""")
    elsewhere = token_for(service, kind, platform="SLACK")
    others = token_for(service, "server" if kind == "user" else "user")
    newest = token_for(service, kind)
    assert service.value('SELECT count(*) FROM "PlatformLinkToken" WHERE "usedAt" IS NULL') == 3
    assert [status(service, each) for each in (first, expired, newest, elsewhere, others)] == [
        "expired", "expired", "pending", "pending", "pending"
    ]  # fmt: skip
    with pytest.raises(LinkTokenExpiredError, match="already been used"):
        confirm(service, kind, first)
    confirm(service, kind, newest)
    assert status(service, first) == "linked", "by whichever token"
    (link,) = service.call(LISTED[kind], user_id="ann")
    service.call(DELETE[kind], link_id=link["id"], user_id="ann")
    assert status(service, newest) == "expired"


@KINDS
def test_of_32_who_confirm_at_once_one_wins(service_in: Serve, kind: str) -> None:
    service = started(service_in, pool_size=16)
    token = token_for(service, kind)
    users = ("ann", "ben", "cat")
    calls = [(CONFIRM[kind], {"token": token, "user_id": users[n % 3]}) for n in range(32)]
    answers = service.together(calls)
    won = [n for n, answer in enumerate(answers) if isinstance(answer, dict)]
    assert len(won) == 1
    lost = [answer for n, answer in enumerate(answers) if n != won[0]]
    assert all(isinstance(each, LinkTokenExpiredError | LinkAlreadyExistsError) for each in lost)
    assert service.rows(f'SELECT "userId" FROM "{TABLES[kind]}"') == [(users[won[0] % 3],)]


@KINDS
def test_two_who_confirm_wait_for_each_other_and_one_wins(service_in: Serve, kind: str) -> None:
    """The second has found the token unused before the first is through."""
    service = started(service_in)
    token = token_for(service, kind)
    with psycopg.connect(service.url) as first:
        first.execute('UPDATE platform."PlatformLinkToken" SET "usedAt" = now()')

        async def main() -> None:
            body = f'{{"token": "{token}", "user_id": "ann"}}'.encode()
            call = asyncio.ensure_future(service.started(CONFIRM[kind], body))
            await lock_awaited(service.url)
            first.commit()
            await call

        with pytest.raises(LinkTokenExpiredError, match="already been used"):
            service.run(main())
    assert service.value(f'SELECT count(*) FROM "{TABLES[kind]}"') == 0


@KINDS
def test_who_meets_a_new_link_leaves_the_token_unused(service_in: Serve, kind: str) -> None:
    service = started(service_in)
    token = token_for(service, kind)
    column, more = (
        ("platformServerId", ', "ownerPlatformUserId"')
        if kind == "server"
        else ("platformUserId", ', "platformUsername"')
    )
    target = "s" if kind == "server" else "a"
    with psycopg.connect(service.url) as other:
        other.execute(
            f"""INSERT INTO platform."{TABLES[kind]}" (id, "userId", platform, "{column}"{more})
                VALUES ('theirs', 'ben', 'DISCORD', '{target}', 'o')""".encode()
        )

        async def main() -> None:
            body = f'{{"token": "{token}", "user_id": "ann"}}'.encode()
            call = asyncio.ensure_future(service.started(CONFIRM[kind], body))
            await lock_awaited(service.url)
            other.commit()
            await call

        with pytest.raises(LinkAlreadyExistsError, match="just been linked"):
            service.run(main())
    assert service.value('SELECT "usedAt" FROM "PlatformLinkToken"') is None
    assert owner(service, kind) == "ben"


@KINDS
def test_of_tokens_made_at_once_one_stays_valid(service_in: Serve, kind: str) -> None:
    service = started(service_in, pool_size=8)
    method, request = ASKED[kind]
    answers = service.together([(method, {"request": request})] * 24)
    states = [status(service, each["token"]) for each in answers]
    assert sorted(states) == ["expired"] * 23 + ["pending"]


def test_calls_that_come_together_find_what_each_asks_for(service_in: Serve) -> None:
    service = started(service_in)
    for name in ("ann", "ben"):
        token = token_for(service, "server", platform_server_id=f"of {name}")
        confirm(service, "server", token, name)
    names = [("ann", "ben", "nobody")[n % 3] for n in range(30)]
    found = service.together(
        [
            ("find_server_link_owner", {"platform": "DISCORD", "platform_server_id": f"of {name}"})
            for name in names
        ]
    )
    assert found == [None if name == "nobody" else name for name in names]
    (merger,) = service.mergers()
    assert merger.figures.batches < merger.figures.calls, "they share statements"


def test_a_repeat_with_a_key_gets_the_same_token_and_the_same_link(service_in: Serve) -> None:
    service = started(service_in)
    with ApiProcess(service.url, modules=()) as api:

        def post(method: str, key: str, **arguments: Any) -> Any:
            headers = {"idempotency-key": key}
            first, again = (
                api.client.post(f"/{method}", json=arguments, headers=headers) for _ in range(2)
            )
            assert (first.status_code, first.content) == (again.status_code, again.content)
            assert again.headers["idempotency-replayed"] == "true"
            return first.json()

        method, request = ASKED["server"]
        token = post(method, "k", request=request)["token"]
        assert service.value('SELECT count(*) FROM "PlatformLinkToken"') == 1
        assert post("confirm_server_link", "k", token=token, user_id="ann")["success"] is True
    assert owner(service, "server") == "ann"
