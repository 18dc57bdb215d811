"""Users' credentials: as AutoGPT writes them, and never none where there are some."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from cryptography.fernet import Fernet

from ages import OLD
from autogpt_db.database.encryption import verify_key
from autogpt_db.errors import (
    ConfigurationError,
    InvalidValueError,
    RecordNotFoundError,
    ValidationFailedError,
)
from autogpt_db.settings import IntegrationsSettings, Secret, Settings
from examples import check, examples_of
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = Fernet.generate_key().decode()
NOTHING = {
    "managed_credentials": {"ayrshare_profile_key": None}, "credentials": [], "oauth_states": [],
}  # fmt: skip
OAUTH = {
    "id": "c1", "provider": "github", "title": None, "type": "oauth2", "username": "me",
    "access_token": "at\x00ü", "access_token_expires_at": None, "refresh_token": None,
    "refresh_token_expires_at": 5, "scopes": ["a"],
    "metadata": {"_sa": 1, "n": None, "deep": {"x": [None]}},
}  # fmt: skip
API_KEY = {
    "id": "c2", "provider": "openai", "title": "T", "type": "api_key", "api_key": "sk",
    "expires_at": None,
}  # fmt: skip
PASSWORD = {
    "id": "c3", "provider": "smtp", "title": None, "type": "user_password", "username": "u",
    "password": "p",
}  # fmt: skip
HOST = {
    "id": "c4", "provider": "http", "title": None, "type": "host_scoped", "host": "h",
    "headers": {"a": "b"},
}  # fmt: skip
STATE = {
    "token": "t", "provider": "x", "expires_at": 7, "code_verifier": None, "scopes": [],
    "callback_url": None, "state_metadata": {"k": None}, "initiated_by_api_key_id": None,
}  # fmt: skip
ALL = {
    "managed_credentials": {"ayrshare_profile_key": "k"},
    "credentials": [OAUTH, API_KEY, PASSWORD, HOST],
    "oauth_states": [STATE],
}
# Later releases show these members whether they are stored or not.
LATER: dict[str, Any] = {} if OLD else {"is_managed": False}
LATER_KEY: dict[str, Any] = {} if OLD else {"is_managed": False, "metadata": {}}
LATER_STATE: dict[str, Any] = {} if OLD else {"credential_id": None}
SHOWN = {
    **ALL,
    "credentials": [
        OAUTH | LATER, API_KEY | LATER_KEY, PASSWORD | LATER_KEY, HOST | LATER_KEY,
    ],
    "oauth_states": [STATE | LATER_STATE],
}  # fmt: skip


@pytest.fixture
def vault(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    options = IntegrationsSettings(encryption_key=Secret(KEY))
    with Service(seeded_database_url, copy_of=seeded_template, integrations=options) as service:
        yield service


@pytest.mark.parametrize("example", examples_of("get_user_integrations"))
def test_recorded_calls(service: Service, example: Any) -> None:
    check(example, *service.answer(example["method"], example["request"]))


def get(service: Service, user: str = "alice") -> Any:
    return service.call("get_user_integrations", user_id=user)


def update(service: Service, data: Any, user: str = "alice") -> Any:
    return service.call("update_user_integrations", user_id=user, data=data)


def store(service: Service, text: str, key: str = KEY) -> None:
    token = Fernet(key).encrypt(text.encode()).decode()
    service.rows("""UPDATE "User" SET integrations = %(t)s WHERE id = 'alice'""", t=token)


def stored(service: Service) -> str:
    token = service.value("""SELECT integrations FROM "User" WHERE id = 'alice'""")
    return Fernet(KEY).decrypt(token.encode()).decode()


def test_what_is_stored_comes_back_untouched(vault: Service) -> None:
    vault.rows("""UPDATE "User" SET "updatedAt" = '2026-01-01'""")
    assert update(vault, ALL) is None
    assert vault.statements == 1
    assert get(vault) == SHOWN
    assert vault.statements == 1
    touched = vault.rows("""SELECT id FROM "User" WHERE "updatedAt" > '2026-01-02'""")
    assert touched == [("alice",)]


def test_it_is_stored_as_autogpt_writes_it(vault: Service) -> None:
    update(vault, ALL)
    without_nulls = {
        "managed_credentials": {"ayrshare_profile_key": "k"},
        "credentials": [
            {key: value for key, value in each.items() if value is not None}
            for each in (OAUTH, API_KEY, PASSWORD, HOST)
        ],
        "oauth_states": [{key: value for key, value in STATE.items() if value is not None}],
    }
    assert stored(vault) == json.dumps(without_nulls)  # Python's own spacing and escapes
    update(vault, NOTHING)
    assert json.loads(stored(vault)) == NOTHING | {"managed_credentials": {}}


def test_defaults_stand_for_what_is_absent(vault: Service) -> None:
    update(vault, {"credentials": [{"type": "api_key", "provider": "p", "api_key": "k"}]})
    found = get(vault)
    (credential,) = found["credentials"]
    uuid.UUID(credential.pop("id"))
    assert credential == {
        "provider": "p", "title": None, "type": "api_key", "api_key": "k", "expires_at": None,
        **LATER_KEY,
    }  # fmt: skip
    assert found | {"credentials": []} == NOTHING
    oauth = {"type": "oauth2", "provider": "p", "access_token": "a", "scopes": []}
    update(vault, {"credentials": [oauth, oauth]})
    first, second = get(vault)["credentials"]
    assert first["metadata"] == {}
    assert first["id"] != second["id"]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({}, 200),
        ({"unknown": 1}, 200),
        (None, 422),
        ([], 422),
        ({"credentials": None}, 422),
        ({"credentials": [{"provider": "p", "api_key": "k"}]}, 422),
        ({"credentials": [API_KEY | {"type": "other"}]}, 422),
        ({"credentials": [API_KEY | {"type": ["api_key"]}]}, 422),
        ({"credentials": [API_KEY | {"api_key": None}]}, 422),
        ({"credentials": [API_KEY | {"id": None}]}, 422),
        ({"credentials": [API_KEY | {"expires_at": "17"}]}, 200),
        ({"credentials": [API_KEY | {"expires_at": 1.5}]}, 422),
        ({"credentials": [HOST | {"headers": {"a": 1}}]}, 422),
        ({"credentials": ["x"]}, 422),
        ({"oauth_states": [STATE | {"scopes": None}]}, 422),
        ({"managed_credentials": None}, 422),
    ],
)
def test_data_must_be_integrations(vault: Service, data: Any, status: int) -> None:
    request = {"user_id": "alice", "data": data}
    assert vault.answer("update_user_integrations", request)[0] == status


def test_nobodys_credentials(vault: Service) -> None:
    assert update(vault, ALL, "nobody") is None
    with pytest.raises(RecordNotFoundError):
        get(vault, "nobody")


def test_without_a_key_only_nothing_can_be_read(service: Service) -> None:
    assert get(service) == NOTHING
    with pytest.raises(InvalidValueError, match="ENCRYPTION_KEY") as caught:
        update(service, ALL)
    assert caught.value.wire_type == "ValueError"
    store(service, "{}")
    with pytest.raises(InvalidValueError, match="ENCRYPTION_KEY"):
        get(service)


@pytest.mark.parametrize("content", ["another key", "no token", "not UTF-8", "not JSON"])
def test_what_cannot_be_read_is_an_error_and_never_nothing(vault: Service, content: str) -> None:
    if content == "another key":
        store(vault, json.dumps(ALL), Fernet.generate_key().decode())
    elif content == "not JSON":
        store(vault, "{secret")
    else:
        token = Fernet(KEY).encrypt(b"\xff").decode() if content == "not UTF-8" else "gibberish ü"
        vault.rows('UPDATE "User" SET integrations = %(t)s', t=token)
    with (
        structlog.testing.capture_logs() as logs,
        pytest.raises(InvalidValueError, match="alice cannot be decrypted") as caught,
    ):
        get(vault)
    assert (caught.value.status, caught.value.wire_type) == (400, "ValueError")
    assert [record["event"] for record in logs] == ["credentials_undecryptable"]
    assert "secret" not in f"{logs} {caught.value}"


@pytest.mark.parametrize(
    "content",
    ["null", "[]", "5", '{"credentials": 1}', '{"credentials": [{"type": "secret"}]}',
     '{"credentials": [{"type": "api_key", "api_key": "secret"}]}'],
)  # fmt: skip
def test_what_does_not_validate_is_told_without_its_secrets(vault: Service, content: str) -> None:
    store(vault, content)
    with pytest.raises(ValidationFailedError) as caught:
        get(vault)
    assert caught.value.body()["type"] == "ValidationError"
    assert "secret" not in json.dumps(caught.value.body())


def test_unknown_members_of_what_is_stored_are_shown(vault: Service) -> None:
    content = {"later": 1, "credentials": [API_KEY | {"later": 2}]}
    store(vault, json.dumps(content))
    body = vault.run(vault.started("get_user_integrations", b'{"user_id": "alice"}'))
    shown = {"later": 1, "credentials": [API_KEY | LATER_KEY | {"later": 2}]}
    assert json.loads(body) == NOTHING | shown


def test_the_key_is_tried_at_start(vault: Service) -> None:
    right = Settings(integrations=IntegrationsSettings(encryption_key=Secret(KEY)))
    other = Fernet.generate_key().decode()
    wrong = Settings(integrations=IntegrationsSettings(encryption_key=Secret(other)))
    with psycopg.connect(vault.url, autocommit=True) as connection:
        verify_key(connection, wrong, "platform")  # nothing to decrypt
        update(vault, ALL)
        verify_key(connection, right, "platform")
        verify_key(connection, Settings(), "platform")
        with pytest.raises(ConfigurationError, match="encryption_key"):
            verify_key(connection, wrong, "platform")
        vault.rows("""UPDATE "User" SET integrations = 'x' WHERE id = 'bob'""")
        with structlog.testing.capture_logs() as logs:
            verify_key(connection, right, "platform")
    (record,) = logs
    assert record["event"] == "credentials_undecryptable"
    assert (record["texts"], record["tried"]) == (1, 2)
