"""Bots installed in other people's workspaces, and their tokens, which nobody else gets to see."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from cryptography.fernet import Fernet

from api_process import ApiProcess
from autogpt_db.errors import InvalidValueError
from autogpt_db.settings import IntegrationsSettings, Secret
from releases.building import ENCRYPTION_KEY, LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

OTHER_KEY = Fernet.generate_key().decode()
SLACK = {"platform": "SLACK", "team_id": "T"}


def keys(key: str | None = ENCRYPTION_KEY, previous: str | None = None) -> IntegrationsSettings:
    return IntegrationsSettings(
        encryption_key=Secret(key) if key else None,
        previous_encryption_key=Secret(previous) if previous else None,
    )


def install(service: Service, **more: Any) -> None:
    arguments = {**SLACK, "bot_token": "xoxb", "bot_user_id": "U", "app_id": "A", "name": "Space"}
    assert service.call("upsert_bot_install", **(arguments | more)) is None
    assert service.statements == 1


def installed(service: Service) -> Any:
    return service.call("get_bot_install", **SLACK)


def is_revoked(service: Service) -> Any:
    return service.call("is_install_revoked", **SLACK)


WHOLE = {"team_id": "T", "bot_token": "xoxb", "bot_user_id": "U", "app_id": "A", "name": "Space"}


@pytest.mark.parametrize("state", ["v0.6.68", LATEST])
def test_a_bot_is_installed_revoked_and_installed_again(service_in: Serve, state: str) -> None:
    service = service_in(state, integrations=keys())
    assert (installed(service), is_revoked(service)) == (None, False)
    install(service)
    assert (installed(service), is_revoked(service)) == (WHOLE, False)
    stored = service.value('SELECT credentials FROM "BotInstall"')
    assert json.loads(Fernet(ENCRYPTION_KEY).decrypt(stored)) == {"bot_token": "xoxb"}
    other = {"platform": "TEAMS", "team_id": "T"}
    assert service.call("get_bot_install", **other) is None
    service.rows("""UPDATE "BotInstall" SET "installedAt" = '2026-01-01'""")
    assert service.call("revoke_bot_install", **other) is None
    assert installed(service) == WHOLE
    assert service.call("revoke_bot_install", **SLACK) is None
    assert (installed(service), is_revoked(service)) == (None, True)
    when = service.value('SELECT "revokedAt" FROM "BotInstall"')
    assert service.call("revoke_bot_install", **SLACK) is None
    assert service.value('SELECT "revokedAt" FROM "BotInstall"') == when
    service.call("upsert_bot_install", **SLACK, bot_token="new")
    assert is_revoked(service) is False
    nothing = dict.fromkeys(("bot_user_id", "app_id", "name"))
    assert installed(service) == {**WHOLE, "bot_token": "new", **nothing}
    assert service.rows(
        """SELECT "installedAt" = '2026-01-01', "updatedAt" > '2026-01-01' FROM "BotInstall" """
    ) == [(True, True)]


def test_many_who_install_at_once_make_one_install(service_in: Serve) -> None:
    service = service_in(LATEST, integrations=keys())
    calls = [("upsert_bot_install", {**SLACK, "bot_token": f"t{n}"}) for n in range(16)]
    assert service.together(calls) == [None] * 16
    assert service.value('SELECT count(*) FROM "BotInstall"') == 1
    assert installed(service)["bot_token"] in {f"t{n}" for n in range(16)}


@pytest.mark.parametrize("text", ["{}", "[]", "{", '{"bot_token": ""}', '{"bot_token": 1}'])
def test_without_a_token_it_counts_as_none(service_in: Serve, text: str) -> None:
    service = service_in(LATEST, integrations=keys())
    install(service)
    sealed = Fernet(ENCRYPTION_KEY).encrypt(text.encode()).decode()
    service.rows('UPDATE "BotInstall" SET credentials = %(sealed)s', sealed=sealed)
    assert installed(service) is None
    assert is_revoked(service) is False


def test_a_token_that_cannot_be_decrypted_is_told_in_the_log(service_in: Serve) -> None:
    service = service_in(LATEST, integrations=keys())
    install(service, bot_token="xoxb-secret")
    with (
        type(service)(service.url, integrations=keys(OTHER_KEY)) as other,
        structlog.testing.capture_logs() as logs,
    ):
        assert installed(other) is None
    (event,) = logs
    assert event["event"] == "bot_token_undecryptable"
    assert event["install"] == service.value('SELECT id FROM "BotInstall"')
    assert "xoxb" not in str(logs)
    with type(service)(service.url, integrations=keys(OTHER_KEY, ENCRYPTION_KEY)) as rotating:
        assert installed(rotating)["bot_token"] == "xoxb-secret"
        install(rotating)
    stored = service.value('SELECT credentials FROM "BotInstall"')
    assert Fernet(OTHER_KEY).decrypt(stored)


def test_without_a_key_nothing_is_stored_or_shown(service_in: Serve) -> None:
    service = service_in(LATEST, integrations=keys())
    with type(service)(service.url, integrations=keys(None)) as keyless:
        assert installed(keyless) is None
        with pytest.raises(InvalidValueError, match=r"integrations\.encryption_key"):
            install(keyless)
        install(service)
        with pytest.raises(InvalidValueError, match=r"integrations\.encryption_key"):
            installed(keyless)


def test_no_token_gets_into_a_log_or_a_metric(service_in: Serve) -> None:
    service = service_in(LATEST)
    environment = {"ENCRYPTION_KEY": ENCRYPTION_KEY}
    with ApiProcess(
        service.url,
        "logging.level=debug",
        "logging.requests=all",
        environment=environment,
        modules=(),
    ) as api:
        for more, status in (({}, 200), ({"platform": "ICQ"}, 422), ({"name": "\0"}, 400)):
            call = {**SLACK, "bot_token": "xoxb-secret", **more}
            assert api.client.post("/upsert_bot_install", json=call).status_code == status
        with psycopg.connect(service.url, autocommit=True) as outside:
            outside.execute("""UPDATE platform."BotInstall" SET credentials = 'x'""")
        assert api.client.post("/get_bot_install", json=SLACK).json() is None
        assert "xoxb" not in api.client.get("/metrics").text
        assert "xoxb" not in api.log()
        assert api.events("bot_token_undecryptable")
