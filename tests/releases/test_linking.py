"""Servers and accounts of chat platforms: linked by tokens, and unlinked."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    CallError,
    FieldNotFoundError,
    ForeignKeyViolationError,
    LinkAlreadyExistsError,
    LinkFlowMismatchError,
    LinkTokenExpiredError,
    NotAuthorizedError,
    NotFoundError,
)
from autogpt_db.settings.features import LinkingSettings
from releases.building import LATEST
from releases.link_calls import (
    ACCOUNT,
    ASKED,
    DELETE,
    KINDS,
    LISTED,
    OWNER,
    RESOLVE,
    SERVER,
    TABLES,
    confirm,
    owner,
    started,
    status,
    token_for,
)
from waiting import PATIENCE

if TYPE_CHECKING:
    from releases.link_calls import Serve

STATES = ("v0.6.57", "v0.6.68", LATEST)


# From the token to the link ------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_server_is_linked_by_a_token(service_in: Serve, state: str) -> None:
    service = started(service_in, state, linking=LinkingSettings(base_url="http://host/link/"))
    before = datetime.now(UTC)
    given = {**SERVER, "platform_user_id": "owner", "server_name": "Its name", "channel_id": "c"}
    made = service.call("create_server_link_token", request=given)
    assert service.statements <= 2
    token = made["token"]
    assert re.fullmatch(r"[\w-]{43}", token)
    assert made["link_url"] == f"http://host/link/{token}?platform=DISCORD"
    expires = datetime.fromisoformat(made["expires_at"])
    assert timedelta(0) <= expires - before - timedelta(minutes=30) < timedelta(seconds=PATIENCE)
    info = service.call("get_link_token_info", token=token)
    noun = {"server_noun": "server"} if state == LATEST else {}
    assert info == {
        "platform": "DISCORD", "link_type": "SERVER", "server_name": "Its name", **noun
    }  # fmt: skip
    assert status(service, token) == "pending"
    assert owner(service, "server") is None

    address = {"return_url": None} if state == LATEST else {}
    assert confirm(service, "server", token, verified_platform_user_id="owner") == {
        "success": True, "link_type": "SERVER", **SERVER, "server_name": "Its name", **address
    }  # fmt: skip
    assert service.statements == 2
    assert owner(service, "server") == "ann"
    assert status(service, token) == "linked"
    (link,) = service.call("list_server_links", user_id="ann")
    assert datetime.fromisoformat(link.pop("linked_at")) >= before - timedelta(seconds=1)
    assert link == {
        "id": link["id"], **SERVER, "owner_platform_user_id": "owner", "server_name": "Its name"
    }  # fmt: skip
    with pytest.raises(NotFoundError, match="Token not found"):
        service.call("get_link_token_info", token=token)
    with pytest.raises(LinkAlreadyExistsError):
        token_for(service)


@pytest.mark.parametrize("state", STATES)
def test_accounts_are_linked_several_to_a_user(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    address = {"return_url": None} if state == LATEST else {}
    for number, name in ((1, "first"), (2, None)):
        account = f"a{number}"
        token = token_for(service, "user", platform_user_id=account, platform_username=name)
        assert confirm(service, "user", token) == {
            "success": True, "link_type": "USER", "platform": "DISCORD",
            "platform_user_id": account, **address,
        }  # fmt: skip
    service.rows("""UPDATE "PlatformUserLink" SET "linkedAt" = '2026-01-01' WHERE """
                 """"platformUserId" = 'a1'""")  # fmt: skip
    links = service.call("list_user_links", user_id="ann")
    assert [(link["platform_user_id"], link["platform_username"]) for link in links] == [
        ("a2", None), ("a1", "first")
    ]  # fmt: skip
    assert links[1]["linked_at"] == "2026-01-01T00:00:00Z"
    assert service.call("list_user_links", user_id="ben") == []
    assert service.call("list_server_links", user_id="ann") == []


def test_the_stored_end_is_cut_to_milliseconds(service_in: Serve) -> None:
    service = started(service_in)
    made = service.call(ASKED["user"][0], request=ACCOUNT)
    stored = service.value("""SELECT "expiresAt" FROM "PlatformLinkToken" """)
    told = datetime.fromisoformat(made["expires_at"]).replace(tzinfo=None)
    assert stored == told.replace(microsecond=told.microsecond // 1000 * 1000)


def test_no_two_tokens_are_the_same(service_in: Serve) -> None:
    service = started(service_in)
    made = {token_for(service, "user", platform_user_id=f"a{n}") for n in range(20)}
    assert len(made) == 20


# What is refused -----------------------------------------------------------------------------


@KINDS
def test_a_token_is_refused_in_the_order_of_what_is_wrong(service_in: Serve, kind: str) -> None:
    service = started(service_in)
    token = token_for(service, kind)
    other = "user" if kind == "server" else "server"

    def refused(error: type[CallError], text: str, **more: Any) -> None:
        before = service.rows('SELECT * FROM "PlatformLinkToken" ORDER BY id')
        with pytest.raises(error, match=text):
            confirm(service, kind, token, **more)
        assert service.rows('SELECT * FROM "PlatformLinkToken" ORDER BY id') == before
        assert service.value(f'SELECT count(*) FROM "{TABLES[kind]}" WHERE "userId" = \'ann\'') == 0

    with pytest.raises(NotFoundError, match="Token not found") as unknown:
        confirm(service, kind, token[:-1])
    assert unknown.value.status.value == 404, "as of v0.7.2"
    with pytest.raises(LinkFlowMismatchError, match="different linking flow"):
        confirm(service, other, token)
    refused(NotAuthorizedError, "different platform user", verified_platform_user_id="x")
    refused(NotAuthorizedError, "different platform user", verified_platform_user_id="")
    refused(ForeignKeyViolationError, f"{TABLES[kind]}_userId_fkey", user="nobody")
    assert status(service, token) == "pending"
    # What comes before in the order is said, whatever comes after it is wrong as well.
    target = {"server": ("platformServerId", "ownerPlatformUserId", "'s', 'o'"),
              "user": ("platformUserId", "platformUsername", "'a', 'o'")}[kind]  # fmt: skip
    service.rows(
        f"""INSERT INTO "{TABLES[kind]}" (id, "userId", platform, "{target[0]}", "{target[1]}")
            VALUES ('theirs', 'ben', 'DISCORD', {target[2]})"""
    )
    refused(NotAuthorizedError, "different platform user", verified_platform_user_id="x")
    refused(LinkAlreadyExistsError, "another AutoGPT account")
    with pytest.raises(LinkAlreadyExistsError, match="your account"):
        confirm(service, kind, token, "ben")
    # A second ago: the column is rounded to milliseconds, upwards as well.
    service.rows("""UPDATE "PlatformLinkToken"
                       SET "expiresAt" = now() AT TIME ZONE 'UTC' - interval '1 s'""")
    refused(LinkTokenExpiredError, "has expired", verified_platform_user_id="x")
    assert status(service, token) == "expired"
    with pytest.raises(LinkTokenExpiredError, match="Token expired"):
        service.call("get_link_token_info", token=token)
    service.rows("""UPDATE "PlatformLinkToken" SET "usedAt" = now()""")
    refused(LinkTokenExpiredError, "already been used")
    with pytest.raises(LinkFlowMismatchError, match="different linking flow"):
        confirm(service, other, token)


def test_a_server_token_without_a_server_links_nothing(service_in: Serve) -> None:
    service = started(service_in)
    token = token_for(service)
    service.rows("""UPDATE "PlatformLinkToken" SET "platformServerId" = NULL""")
    with pytest.raises(LinkFlowMismatchError, match="missing server ID"):
        confirm(service, "server", token)
    assert status(service, token) == "pending"
    service.rows("""UPDATE "PlatformLinkToken" SET "usedAt" = now()""")
    assert status(service, token) == "expired"


@pytest.mark.parametrize(
    ("member", "value", "wrong"),
    [
        ("platform_user_id", "", "string_too_short"),
        ("platform_user_id", "x" * 256, "string_too_long"),
        ("platform_username", "x" * 256, "string_too_long"),
        ("platform", "discord", "enum"),
    ],
)
def test_requests_are_bounded(service_in: Serve, member: str, value: str, wrong: str) -> None:
    service = started(service_in)
    for method, request in ASKED.values():
        code, body = service.answer(method, {"request": {**request, member: value}})
        assert code == 422
        (problem,) = body["detail"]
        assert problem["loc"] == ["body", "request", member]
        assert problem["type"] == wrong
    assert service.value('SELECT count(*) FROM "PlatformLinkToken"') == 0


def test_as_long_as_they_may_be_they_are_stored(service_in: Serve) -> None:
    service = started(service_in)
    longest = dict.fromkeys(("platform_server_id", "platform_user_id"), "𝄞" * 255)
    token = token_for(service, **longest, platform_username="", server_name="é" * 255)
    assert confirm(service, "server", token)["platform_server_id"] == "𝄞" * 255


def test_text_that_cannot_be_stored_is_refused_by_name(service_in: Serve) -> None:
    service = started(service_in)
    for member in ("platform_server_id", "server_name"):
        code, body = service.answer(
            "create_server_link_token", {"request": {**ASKED["server"][1], member: "a\0"}}
        )
        assert (code, body["type"]) == (400, "ValueError")
        assert f"request.{member}" in body["args"][0]


@pytest.mark.parametrize("kind", ["server", "user"])
@pytest.mark.parametrize("platform", ["NOPE", "discord", ""])
def test_an_unknown_platform_is_none(service_in: Serve, kind: str, platform: str) -> None:
    service = started(service_in)
    target = {f"platform_{kind}_id": "s", "platform": platform}
    for method in (OWNER[kind], RESOLVE[kind]):
        with pytest.raises(FieldNotFoundError, match="platform"):
            service.call(method, **target)


# Links ---------------------------------------------------------------------------------------


@KINDS
def test_a_link_is_deleted_by_who_has_it(service_in: Serve, kind: str) -> None:
    service = started(service_in)
    confirm(service, kind, token_for(service, kind))
    (link,) = service.call(LISTED[kind], user_id="ann")
    method = DELETE[kind]
    with pytest.raises(NotAuthorizedError, match="Not your link"):
        service.call(method, link_id=link["id"], user_id="ben")
    assert owner(service, kind) == "ann"
    assert service.call(method, link_id=link["id"], user_id="ann") == {"success": True}
    assert service.statements == 1
    assert owner(service, kind) is None
    with pytest.raises(NotFoundError, match="Link not found"):
        service.call(method, link_id=link["id"], user_id="ann")
    assert service.value('SELECT count(*) FROM "PlatformLinkToken"') == 1, "tokens stay"


def test_a_server_is_named_only_where_its_name_is_another(service_in: Serve) -> None:
    service = started(service_in)
    confirm(service, "server", token_for(service))

    def refresh(name: str, **more: Any) -> tuple[Any, Any]:
        call = {**SERVER, **more, "server_name": name}
        assert service.call("refresh_server_link_name", **call) is None
        return service.rows('SELECT "serverName", xmin::text FROM "PlatformLink"')[0]

    named, first = refresh("Named")
    assert named == "Named"
    assert refresh("Named") == (named, first), "nothing is written"
    assert refresh("", platform="DISCORD") == (named, first)
    assert service.statements == 0
    assert refresh("x", platform="NOPE") == (named, first)
    assert refresh("x", platform="SLACK") == (named, first)
    assert refresh("x", platform_server_id="other") == (named, first)
    assert refresh("Anew")[0] == "Anew"
