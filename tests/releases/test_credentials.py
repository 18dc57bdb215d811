"""Users' credentials, a row each: shown whole, replaced whole, and never taken for none."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from cryptography.fernet import Fernet

from api_process import ApiProcess
from autogpt_db.database.encryption import verify_key
from autogpt_db.errors import (
    ArgumentsInvalidError,
    ConfigurationError,
    InvalidValueError,
    LimitExceededError,
    UniqueViolationError,
)
from autogpt_db.settings import IntegrationsSettings, LimitsSettings, Secret, Settings
from releases.building import ENCRYPTION_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

OTHER_KEY = Fernet.generate_key().decode()
COMMON: dict[str, Any] = {"title": None, "is_managed": False, "metadata": {}}
KEY = {"id": "k", "provider": "groq", "type": "api_key", "api_key": "sk-k", "expires_at": None}
LOGIN = {
    "id": "l", "provider": "github", "type": "oauth2", "username": None, "access_token": "at\x00ü",
    "access_token_expires_at": 5, "refresh_token": None, "refresh_token_expires_at": None,
    "scopes": ["a"],
}  # fmt: skip
PASSWORD = {
    "id": "p",
    "provider": "smtp",
    "type": "user_password",
    "username": "u",
    "password": "w",
}
HOST = {"id": "h", "provider": "http", "type": "host_scoped", "host": "x", "headers": {"a": "b"}}
ALL = [{**COMMON, **each} for each in (KEY, LOGIN, PASSWORD, HOST)]
SINCE_0_7_1 = {
    "refresh_strategy": "oauth_handler", "provider_state": None, "provider_state_version": None,
}  # fmt: skip
ROWS = """
SELECT "id", "organizationId", "ownerType"::text, "ownerId", "teamId", "provider", "credentialType",
       "displayName", "status", "createdByUserId", "encryptedPayload", "updatedAt"
  FROM "IntegrationCredential"
 WHERE "ownerId" = %(user)s
 ORDER BY "id"
"""


def key_settings(key: str | None = ENCRYPTION_KEY, previous: str | None = None) -> Any:
    return IntegrationsSettings(
        encryption_key=Secret(key) if key else None,
        previous_encryption_key=Secret(previous) if previous else None,
    )


@pytest.fixture
def vault(service_in: Serve) -> Service:
    """Return the operations on the rows that v0.6.68's recorded calls start from."""
    return service_in("v0.6.68", seeded=True, integrations=key_settings())


def get(service: Service, user: str = "carol") -> Any:
    return service.call("get_user_credentials", user_id=user)


def shown(service: Service) -> Any:
    """Return carol's, members that nobody has declared included."""
    return json.loads(service.run(service.started("get_user_credentials", b'{"user_id": "carol"}')))


def put(service: Service, credentials: Any, user: str = "carol") -> Any:
    return service.call("set_user_credentials", user_id=user, credentials=credentials)


def store(service: Service, row: str, content: Any, key: str = ENCRYPTION_KEY) -> None:
    """Put a row of carol's there as another of AutoGPT's services would."""
    text = content if isinstance(content, str) else json.dumps(content)
    service.rows(
        """INSERT INTO "IntegrationCredential"
                  (id, "organizationId", "ownerType", "ownerId", provider, "credentialType",
                   "displayName", "encryptedPayload", "createdByUserId", "updatedAt")
           SELECT %(row)s, (SELECT id FROM "Organization" LIMIT 1), 'USER', 'carol', 'p', 'api_key',
                  'p', %(token)s, 'carol', '2026-01-01'""",
        row=row,
        token=Fernet(key).encrypt(text.encode()).decode(),
    )


def rows(service: Service, user: str = "carol") -> dict[str, dict[str, Any]]:
    names = (
        "id", "organization", "owner_type", "owner", "team", "provider", "type", "name", "status",
        "created_by", "token", "updated_at",
    )  # fmt: skip
    found = (dict(zip(names, row, strict=True)) for row in service.rows(ROWS, user=user))
    return {row["id"]: row for row in found}


def content(row: dict[str, Any], key: str = ENCRYPTION_KEY) -> Any:
    return json.loads(Fernet(key).decrypt(row["token"].encode()))


@pytest.mark.parametrize(("state", "more"), [("v0.6.68", {}), ("v0.7.2", SINCE_0_7_1)])
def test_what_is_stored_comes_back_as_the_release_has_it(
    service_in: Serve, state: str, more: dict[str, Any]
) -> None:
    service = service_in(state, seeded=True, integrations=key_settings())
    whole = [each | (more if each["type"] == "oauth2" else {}) for each in ALL]
    assert put(service, ALL) is None
    assert get(service) == whole, "in the order in which they were given"
    assert service.statements == 1
    stored = rows(service)
    assert {row["id"]: content(row) for row in stored.values()} == {
        each["id"]: each for each in whole
    }, "the whole model, nulls and defaults included"
    assert {(row["type"], row["provider"], row["name"]) for row in stored.values()} == {
        (each["type"], each["provider"], each["provider"]) for each in ALL
    }
    organization, _ = service.call("get_user_default_team", user_id="carol")
    assert {
        (row["organization"], row["owner_type"], row["owner"], row["team"], row["status"],
         row["created_by"])
        for row in stored.values()
    } == {(organization, "USER", "carol", None, "active", "carol")}  # fmt: skip


def test_defaults_stand_for_what_is_absent(vault: Service) -> None:
    put(vault, [{"type": "api_key", "provider": "p", "api_key": "k", "title": "T"}])
    (found,) = get(vault)
    (row,) = rows(vault).values()
    assert found == {
        **COMMON,
        **KEY,
        "id": row["id"],
        "provider": "p",
        "api_key": "k",
        "title": "T",
    }
    assert row["name"] == "T"


def test_what_a_later_release_shows_stands_for_what_an_earlier_one_stored(
    service_in: Serve,
) -> None:
    service = service_in("v0.7.2", seeded=True, integrations=key_settings())
    store(service, "l", LOGIN)
    store(service, "k", {**KEY, "expires_at": "7"})
    by_id = {each["id"]: each for each in get(service)}
    assert by_id["l"] == {**COMMON, **LOGIN, **SINCE_0_7_1}
    assert by_id["k"] == {**COMMON, **KEY, "expires_at": 7}, "read as loosely as AutoGPT does"


def test_the_list_is_replaced(vault: Service) -> None:
    put(vault, ALL)
    before = rows(vault)
    vault.rows("""UPDATE "IntegrationCredential" SET "updatedAt" = '2026-01-01'""")
    changed = {**COMMON, **KEY, "api_key": "new", "title": "New", "provider": "other"}
    fresh = {**COMMON, **PASSWORD, "id": "q"}
    put(vault, [fresh, changed, ALL[1]])
    assert get(vault) == [changed, ALL[1], fresh]
    after = rows(vault)
    assert {id_: row["status"] for id_, row in after.items()} == {
        "h": "revoked", "k": "active", "l": "active", "p": "revoked", "q": "active",
    }  # fmt: skip
    assert (after["k"]["name"], after["k"]["provider"]) == ("New", "groq"), "that column stays"
    touched = {id_ for id_, row in after.items() if row["updated_at"].year > 2026 or id_ == "q"}
    touched |= {id_ for id_, row in after.items() if row["updated_at"].month > 1}
    assert touched == {"h", "k", "p", "q"}, "the login stands as it is"
    for id_ in ("h", "l", "p"):
        assert after[id_]["token"] == before[id_]["token"]
    put(vault, [ALL[0], ALL[3]])
    assert {each["id"] for each in get(vault)} == {"h", "k"}, "a revoked one comes back"
    put(vault, [])
    assert get(vault) == []
    assert {row["status"] for row in rows(vault).values()} == {"revoked"}


def test_others_credentials_stay(vault: Service) -> None:
    before = rows(vault, "team-1") | rows(vault, "bob")
    assert len(before) == 2
    put(vault, ALL)
    put(vault, [])
    assert rows(vault, "team-1") | rows(vault, "bob") == before
    assert get(vault, "team-1") == [], "a team's are no user's"


def test_of_a_stored_one_that_comes_twice_the_last_counts(vault: Service) -> None:
    put(vault, ALL[:1])
    put(vault, [{**ALL[0], "api_key": "first"}, {**ALL[0], "api_key": "last"}])
    assert get(vault) == [{**ALL[0], "api_key": "last"}]


def test_members_that_are_not_known_here_or_to_the_caller_stay(service_in: Serve) -> None:
    service = service_in("v0.7.2", seeded=True, integrations=key_settings())
    later = {"provider_state": {"s": 1}, "refresh_strategy": "provider_runtime", "future": [1]}
    put(service, [{**COMMON, **LOGIN, **later}, {**COMMON, **KEY, "other": None}])
    expected = {**COMMON, **LOGIN, **SINCE_0_7_1, **later}
    assert shown(service) == [expected, {**COMMON, **KEY, "other": None}]
    put(service, [{**COMMON, **LOGIN, "access_token": "new"}, ALL[0]])
    assert shown(service)[0] == {**expected, "access_token": "new"}, "as an older client stores it"
    assert shown(service)[1] == {**ALL[0], "other": None}
    put(service, [{**COMMON, **PASSWORD, "id": "l"}])
    assert shown(service) == [{**COMMON, **PASSWORD, "id": "l"}], "another kind keeps nothing"


def test_an_error_leaves_everything_as_it_was(vault: Service) -> None:
    put(vault, ALL[:2])
    before = rows(vault)
    new = {**COMMON, **PASSWORD}
    for given in (
        [{**ALL[0], "api_key": "x"}, new, new],
        [new, {**COMMON, **KEY, "id": "ic6"}],
        [new, {**COMMON, **KEY, "id": os.urandom(50_000).hex()}],
        [new, {**ALL[0], "id": "a\x00"}],
        [new, {**ALL[0], "title": "a\x00"}],
    ):
        with pytest.raises(InvalidValueError):
            put(vault, given)
        assert rows(vault) == before
    with pytest.raises(UniqueViolationError) as refused:
        put(vault, [new, new])
    assert "(`id`)" in str(refused.value)
    with pytest.raises(ArgumentsInvalidError):
        put(vault, [{"type": "api_key", "id": "x", "provider": "p"}])
    assert rows(vault) == before


def test_there_is_a_bound_on_how_many(service_in: Serve) -> None:
    service = service_in(
        "v0.6.68",
        seeded=True,
        integrations=key_settings(),
        limits=LimitsSettings(items=3, rows=5),
    )
    with pytest.raises(LimitExceededError, match="credentials"):
        put(service, ALL)
    for number in range(6):
        store(service, f"n{number}", KEY)
    with pytest.raises(InvalidValueError, match="revoke some of them"):
        get(service)


# Organizations -------------------------------------------------------------------------------


def test_who_has_no_organization_gets_one(vault: Service) -> None:
    count = """SELECT count(*) FROM "Organization" WHERE "bootstrapUserId" = 'dave'"""
    put(vault, [], "dave")
    assert vault.value(count) == 0, "nothing has to be in it"
    put(vault, ALL, "dave")
    assert get(vault, "dave") == ALL
    organization = vault.call("get_user_default_team", user_id="dave")[0]
    assert {row["organization"] for row in rows(vault, "dave").values()} == {organization}
    assert vault.value(count) == 1


def test_an_unknown_user_can_have_none(vault: Service) -> None:
    put(vault, [], "nobody")
    assert get(vault, "nobody") == []
    with pytest.raises(InvalidValueError, match="User nobody has no"):
        put(vault, ALL, "nobody")
    assert rows(vault, "nobody") == {}


def test_the_oldest_membership_of_a_living_organization_counts(vault: Service) -> None:
    vault.rows("""UPDATE "Organization" SET "deletedAt" = now() WHERE id = 'org-a'""")
    put(vault, ALL[:1], "alice")
    assert rows(vault, "alice")["k"]["organization"] != "org-a"


# At once -------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["carol", "dave"])
def test_of_many_lists_at_once_one_stays_whole(service_in: Serve, user: str) -> None:
    service = service_in("v0.6.68", seeded=True, integrations=key_settings(), pool_size=8)
    lists = [
        [{**COMMON, **KEY, "id": f"{number}-{place}"} for place in range(3)] for number in range(16)
    ]
    answers = service.together(
        ("set_user_credentials", {"user_id": user, "credentials": each}) for each in lists
    )
    assert answers == [None] * 16
    assert get(service, user) in lists
    assert len(rows(service, user)) == 48
    made = """SELECT count(*) FROM "Organization" WHERE "bootstrapUserId" = 'dave'"""
    assert service.value(made) == (user == "dave")


def test_readers_see_one_list_or_the_other(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True, integrations=key_settings(), pool_size=8)
    lists = [ALL[:2], ALL[1:]]
    put(service, ALL[:2])
    writes = [("set_user_credentials", {"user_id": "carol", "credentials": each}) for each in lists]
    reads = [("get_user_credentials", {"user_id": "carol"})] * 4
    for answer in service.together([*writes, *reads] * 8):
        ids = None if answer is None else {each["id"] for each in answer}
        assert ids in (None, {"k", "l"}, {"l", "p", "h"}), answer


# Keys ----------------------------------------------------------------------------------------


def test_a_single_one_that_cannot_be_read_is_left_out_and_told(vault: Service) -> None:
    put(vault, ALL[:1])
    store(vault, "locked", KEY, OTHER_KEY)
    store(vault, "odd", {"type": "api_key", "api_key": "sk-odd"})
    store(vault, "text", "sk-text")
    with structlog.testing.capture_logs() as logs:
        assert get(vault) == ALL[:1]
    by_event = {each["event"]: each for each in logs}
    assert by_event.keys() == {"credentials_undecryptable", "credentials_malformed"}
    assert by_event["credentials_undecryptable"]["credentials"] == ["locked"]
    assert sorted(by_event["credentials_malformed"]["credentials"]) == ["odd", "text"]
    assert "sk-" not in str(logs)


def test_a_wrong_key_is_never_taken_for_none(vault: Service) -> None:
    put(vault, ALL)
    before = rows(vault)
    with structlog.testing.capture_logs():
        other = type(vault)(vault.url, integrations=key_settings(OTHER_KEY))
        with other:
            with pytest.raises(InvalidValueError, match=r"integrations\.encryption_key") as told:
                get(other)
            assert told.value.status.value == 400
            with pytest.raises(InvalidValueError, match=r"integrations\.encryption_key"):
                put(other, [*ALL, {**KEY, "id": "new"}])
            assert rows(vault) == before, "what is stored is not written over"
        with (
            type(vault)(vault.url, integrations=key_settings(None)) as keyless,
            pytest.raises(InvalidValueError, match=r"integrations\.encryption_key"),
        ):
            get(keyless)
        with type(vault)(vault.url, integrations=key_settings(None)) as keyless:
            assert get(keyless, "dave") == [], "nothing is stored that needs a key"
            put(keyless, [])
    assert {row["status"] for row in rows(vault).values()} == {"revoked"}


def test_who_has_only_what_is_none_has_none_and_can_store_others(vault: Service) -> None:
    """The key has fitted; a refusal would be for ever, because a caller reads before it writes."""
    deep = f'{{"type": "api_key", "metadata": {"[" * 5000}{"]" * 5000}}}'
    store(vault, "odd", {"type": "api_key", "api_key": "sk-odd"})
    store(vault, "deep", deep)
    store(vault, "locked", KEY, OTHER_KEY)
    with structlog.testing.capture_logs() as logs:
        assert get(vault) == []
        put(vault, ALL[:1])
    assert get(vault) == ALL[:1]
    assert {id_ for id_, row in rows(vault).items() if row["status"] == "revoked"} == {
        "odd", "deep", "locked",
    }  # fmt: skip
    told = next(each for each in logs if each["event"] == "credentials_malformed")
    assert sorted(told["credentials"]) == ["deep", "odd"]
    assert "sk-odd" not in str(logs)


def test_the_key_before_still_reads_and_the_present_one_writes(vault: Service) -> None:
    put(vault, ALL[:2])
    before = rows(vault)
    rotating = key_settings(OTHER_KEY, previous=ENCRYPTION_KEY)
    with type(vault)(vault.url, integrations=rotating) as service:
        assert get(service) == ALL[:2]
        changed = {**ALL[0], "api_key": "new"}
        put(service, [changed, ALL[1]])
        assert get(service) == [changed, ALL[1]]
    after = rows(vault)
    assert content(after["k"], OTHER_KEY) == changed
    assert after["l"] == before["l"], "rotate-key's"


def test_the_key_is_tried_at_start_on_these_rows_as_well(vault: Service) -> None:
    vault.rows("""UPDATE "User" SET integrations = '' """)
    vault.rows("""DELETE FROM "IntegrationCredential" """)
    put(vault, ALL)
    with psycopg.connect(vault.url, autocommit=True) as connection:
        right = Settings(integrations=key_settings())
        assert verify_key(connection, right, "platform") == len(ALL)
        with pytest.raises(ConfigurationError, match="encryption_key"):
            verify_key(connection, Settings(integrations=key_settings(OTHER_KEY)), "platform")


# In a process --------------------------------------------------------------------------------


def test_many_are_worked_on_in_a_helper(vault: Service) -> None:
    many = [{**COMMON, **KEY, "id": f"{number:03}", "api_key": "s" * 400} for number in range(200)]
    with ApiProcess(vault.url, environment={"ENCRYPTION_KEY": ENCRYPTION_KEY}, modules=()) as api:
        arguments = {"user_id": "carol", "credentials": many}
        assert api.client.post("/set_user_credentials", json=arguments).json() is None
        arguments["credentials"] = [*many[1:], {**many[0], "api_key": "new"}]
        assert api.client.post("/set_user_credentials", json=arguments).json() is None
        for odd, refusal in (
            ([*many, {**many[0], "id": "a\x00"}], "credentials.200.id holds the character U+0000"),
            (many * 60, "credentials has 12000 items, and at most 10000 are allowed"),
        ):
            arguments["credentials"] = odd
            refused = api.client.post("/set_user_credentials", json=arguments)
            assert (refused.status_code, refused.json()["type"]) == (400, "ValueError")
            assert refusal in refused.json()["args"][0]
        found = api.client.post("/get_user_credentials", json={"user_id": "carol"}).json()
    assert found == [{**many[0], "api_key": "new"}, *many[1:]]


def test_a_repeat_with_a_key_gets_the_reply_and_changes_nothing(vault: Service) -> None:
    given = [{**COMMON, "type": "api_key", "provider": "p", "api_key": "k"}]  # without an id
    with ApiProcess(vault.url, environment={"ENCRYPTION_KEY": ENCRYPTION_KEY}, modules=()) as api:
        for user in ("carol", "dave"):
            arguments = {"user_id": user, "credentials": given}
            headers = {"idempotency-key": f"of-{user}"}
            first = api.client.post("/set_user_credentials", json=arguments, headers=headers)
            before = rows(vault, user)
            again = api.client.post("/set_user_credentials", json=arguments, headers=headers)
            assert (first.status_code, first.content) == (again.status_code, again.content)
            assert first.json() is None
            assert again.headers["idempotency-replayed"] == "true"
            assert len(before) == 1
            assert rows(vault, user) == before


def test_no_secret_gets_into_a_log_a_metric_or_a_table(vault: Service) -> None:
    secret = "s3cr3t"
    put(vault, [{**COMMON, **KEY, "api_key": secret}])
    store(vault, "odd", {"type": "api_key", "api_key": secret})
    good = {**COMMON, **KEY, "api_key": secret}
    with ApiProcess(
        vault.url,
        "logging.level=debug",
        "logging.requests=all",
        environment={"ENCRYPTION_KEY": ENCRYPTION_KEY},
        modules=(),
    ) as api:
        calls: list[tuple[Any, int]] = [
            ([good], 200),
            ([{**good, "id": "ic6"}], 400),
            ([good, {**good, "id": "new"}, {**good, "id": "new"}], 400),
            ([{**good, "provider": None}], 422),
            ([{**good, "type": secret}], 422),
            ([{**good, "id": "a\x00"}], 400),
            (good, 422),
        ]
        for number, (given, status) in enumerate(calls):
            arguments = {"user_id": "carol", "credentials": given}
            headers = {"idempotency-key": f"key-{number}"}
            answer = api.client.post("/set_user_credentials", json=arguments, headers=headers)
            assert answer.status_code == status, answer.text
            # Who sent something odd is shown what it was, as AutoGPT does; nobody else is.
            assert status == 422 or secret not in answer.text
        assert secret in api.client.post("/get_user_credentials", json={"user_id": "carol"}).text
        vault.rows("""UPDATE "IntegrationCredential" SET "encryptedPayload" = 'x'""")
        lost = api.client.post("/get_user_credentials", json={"user_id": "carol"})
        assert lost.status_code == 400
        assert secret not in lost.text
        assert secret not in api.client.get("/metrics").text
        assert secret not in api.log()
        assert api.events("credentials_undecryptable")
    ours = vault.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'autogpt_db'")
    for (table,) in ours:
        texts = vault.rows(f'SELECT to_jsonb(it)::text FROM autogpt_db."{table}" AS it')
        assert not [text for (text,) in texts if secret in text], table
