"""A new key for users' credentials: nothing is lost, whoever writes meanwhile, wherever it ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from cryptography.fernet import Fernet, InvalidToken

from autogpt_db.cli.inspect import check_everything
from autogpt_db.cli.keys import rotate_key
from autogpt_db.database.encryption import ENCRYPTED_COLUMNS, decrypt, encrypt, verify_key
from autogpt_db.database.provisioning.key_rotation import BATCH, Rotation, rotate
from autogpt_db.errors import ConfigurationError, InvalidValueError
from autogpt_db.settings import (
    DatabaseSettings,
    IntegrationsSettings,
    Secret,
    Settings,
    load_settings,
)
from postgres_server import with_schema
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.encryption import EncryptedColumn

OLD, NEW, OTHER = (Fernet.generate_key().decode() for _ in range(3))
ONLY_OLD = IntegrationsSettings(encryption_key=Secret(OLD))
ONLY_NEW = IntegrationsSettings(encryption_key=Secret(NEW))
BOTH = IntegrationsSettings(encryption_key=Secret(NEW), previous_encryption_key=Secret(OLD))
USERS = 2 * BATCH + 50
USER, CREDENTIAL, INSTALL = ENCRYPTED_COLUMNS


@pytest.fixture
def connection(seeded_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(seeded_database_url, autocommit=True) as opened:
        opened.execute("SET search_path TO platform")
        # Made where it's needed, with what all ages of it have.
        opened.execute('DROP TABLE IF EXISTS "IntegrationCredential", "BotInstall" CASCADE')
        yield opened


def fill(connection: psycopg.Connection[Any], users: int = USERS) -> dict[str, bytes]:
    """Store credentials of many users with the old key; return what they say."""
    said = {f"user-{n:05}": f'{{"n": {n}, "ü": "\x00"}}'.encode() for n in range(users)}
    said["user-00001"] = b"\xff no UTF-8"  # whatever is stored is kept as it is
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO "User" (id, email, "updatedAt", integrations)
               VALUES (%s, %s, '2026-01-01', %s)""",
            [
                (user, f"{user}@example.com", Fernet(OLD).encrypt(text).decode())
                for user, text in said.items()
            ],
        )
    return said


def fill_credentials(
    connection: psycopg.Connection[Any], key: str, first: int, count: int
) -> dict[str, bytes]:
    """Store credentials as AutoGPT does from v0.6.67 on; return what they say."""
    connection.execute(
        """
        CREATE TABLE IF NOT EXISTS platform."IntegrationCredential" (
            "id" text PRIMARY KEY,
            "ownerType" text NOT NULL,
            "status" text NOT NULL DEFAULT 'active',
            "encryptedPayload" text NOT NULL,
            "updatedAt" timestamp(3) NOT NULL DEFAULT '2026-01-01'
        )
        """
    )
    said = {f"credential-{n:05}": f'{{"n": {n}}}'.encode() for n in range(first, first + count)}
    with connection.cursor() as cursor:
        cursor.executemany(
            """INSERT INTO "IntegrationCredential" ("id", "ownerType", "status", "encryptedPayload")
               VALUES (%s, %s, %s, %s)""",
            [
                (
                    row_id,
                    ("USER", "TEAM", "ORG")[number % 3],
                    ("active", "revoked")[number % 2],
                    Fernet(key).encrypt(text).decode(),
                )
                for number, (row_id, text) in enumerate(said.items())
            ],
        )
    return said


def fill_installs(connection: psycopg.Connection[Any], count: int) -> dict[str, bytes]:
    """Store bots' tokens with the old key, as AutoGPT does from v0.6.69 on; return them."""
    connection.execute(
        'CREATE TABLE platform."BotInstall" ("id" text PRIMARY KEY, "credentials" text NOT NULL)'
    )
    said = {f"install-{n:05}": f'{{"bot_token": "{n}"}}'.encode() for n in range(count)}
    with connection.cursor() as cursor:
        cursor.executemany(
            'INSERT INTO "BotInstall" ("id", "credentials") VALUES (%s, %s)',
            [(row_id, Fernet(OLD).encrypt(text).decode()) for row_id, text in said.items()],
        )
    return said


def stored(
    connection: psycopg.Connection[Any], key: str, column: EncryptedColumn = USER
) -> dict[str, bytes]:
    """Return what all say that the key decrypts."""
    rows = connection.execute(
        f"""SELECT id, "{column.column}" FROM "{column.table}" WHERE "{column.column}" <> ''"""
    )
    said = {}
    for row_id, token in rows:
        try:
            said[row_id] = Fernet(key).decrypt(token.encode())
        except InvalidToken:
            continue
    return said


def test_everything_is_of_the_new_key_and_says_what_it_said(
    connection: psycopg.Connection[Any],
) -> None:
    said = fill(connection)
    batches: list[int] = []
    done = rotate(
        connection, BOTH, "platform", progress=lambda counts: batches.append(counts.texts)
    )
    assert done == {USER: Rotation(texts=USERS, rotated=USERS)}
    assert batches == [BATCH, 2 * BATCH, USERS]
    assert stored(connection, NEW) == said
    assert stored(connection, OLD) == {}
    touched = connection.execute(
        """SELECT count(*) FROM "User" WHERE id ~ '^user-' AND "updatedAt" <> '2026-01-01'"""
    )
    assert touched.fetchone() == (0,)  # it is no change of the user
    assert rotate(connection, BOTH, "platform") == {USER: Rotation(texts=USERS, present=USERS)}


def test_credentials_in_rows_of_their_own_are_rotated_too(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    said = fill(connection, users=3)
    rows = fill_credentials(connection, OLD, 0, USERS)
    assert rotate(connection, BOTH, "platform", dry_run=True) == {
        USER: Rotation(texts=3, rotated=3),
        CREDENTIAL: Rotation(texts=USERS, rotated=USERS),
    }
    assert stored(connection, OLD, CREDENTIAL) == rows
    options = Settings(
        database=DatabaseSettings(url=Secret(with_schema(seeded_database_url))), integrations=BOTH
    )
    lines = list(rotate_key(options, dry_run=False, autogpt_stopped=True))
    assert lines[:1] + lines[4:7] == [
        "User.integrations: 3",
        f"IntegrationCredential.encryptedPayload: {USERS}",
        "  of the new key already: 0",
        f"  re-encrypted: {USERS}",
    ]
    assert stored(connection, NEW) == said
    assert stored(connection, NEW, CREDENTIAL) == rows
    touched = connection.execute(
        """SELECT count(*) FROM "IntegrationCredential" WHERE "updatedAt" <> '2026-01-01'"""
    )
    assert touched.fetchone() == (0,)
    connection.execute(
        """UPDATE "IntegrationCredential" SET "encryptedPayload" = 'x' WHERE id ~ '7$'"""
    )
    with pytest.raises(ConfigurationError, match="those of: credential credential-00007, "):
        list(rotate_key(options, dry_run=False, autogpt_stopped=True))


def test_bots_tokens_are_rotated_and_the_key_is_tried_on_them(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    said = fill_installs(connection, USERS)
    assert verify_key(connection, Settings(integrations=ONLY_OLD), "platform") > 0
    with pytest.raises(ConfigurationError, match="does not decrypt"):
        verify_key(connection, Settings(integrations=ONLY_NEW), "platform")
    assert rotate(connection, BOTH, "platform")[INSTALL] == Rotation(texts=USERS, rotated=USERS)
    assert stored(connection, NEW, INSTALL) == said
    database = DatabaseSettings(url=Secret(with_schema(seeded_database_url)))
    options = Settings(database=database, integrations=BOTH)
    assert list(check_everything(options))[-1] == "encryption key: decrypts what users have stored"
    connection.execute("""UPDATE "BotInstall" SET "credentials" = 'x' WHERE id ~ '00007$'""")
    with pytest.raises(ConfigurationError, match="those of: bot install install-00007"):
        list(rotate_key(options, dry_run=False, autogpt_stopped=True))


def test_what_another_tool_has_rotated_in_part_is_finished(
    connection: psycopg.Connection[Any],
) -> None:
    """AutoGPT's own tool has done the users, and died among the credentials."""
    fill(connection, users=5)
    connection.execute(
        """UPDATE "User" SET integrations = %s WHERE id ~ '^user-'""",
        [Fernet(NEW).encrypt(b"{}").decode()],
    )
    done_by_it = fill_credentials(connection, NEW, 0, 30)
    left_by_it = fill_credentials(connection, OLD, 30, 12)
    for keys in (BOTH, ONLY_NEW):  # some of each: no reason not to start
        verify_key(connection, Settings(integrations=keys), "platform")
    assert rotate(connection, BOTH, "platform") == {
        USER: Rotation(texts=5, present=5),
        CREDENTIAL: Rotation(texts=42, present=30, rotated=12),
    }
    assert stored(connection, NEW, CREDENTIAL) == done_by_it | left_by_it
    with pytest.raises(ConfigurationError, match="does not decrypt"):
        verify_key(connection, Settings(integrations=ONLY_OLD), "platform")


def test_a_start_tries_the_key_on_credentials_in_rows_of_their_own(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    fill_credentials(connection, OLD, 0, 3)
    assert verify_key(connection, Settings(integrations=ONLY_OLD), "platform") == 3
    with pytest.raises(ConfigurationError, match="does not decrypt"):
        verify_key(connection, Settings(integrations=ONLY_NEW), "platform")
    database = DatabaseSettings(url=Secret(with_schema(seeded_database_url)))
    good = list(check_everything(Settings(database=database, integrations=ONLY_OLD)))
    assert good[-1] == "encryption key: decrypts what users have stored"


def test_a_dry_run_counts_and_changes_nothing(connection: psycopg.Connection[Any]) -> None:
    said = fill(connection)
    done = rotate(connection, BOTH, "platform", dry_run=True)
    assert done == {USER: Rotation(texts=USERS, rotated=USERS)}
    assert stored(connection, OLD) == said


def test_what_was_ended_in_the_middle_goes_on(connection: psycopg.Connection[Any]) -> None:
    said = fill(connection)

    def killed(_counts: Rotation) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(connection, BOTH, "platform", progress=killed)
    assert len(stored(connection, NEW)) == BATCH
    # In the meantime everybody's credentials are readable, by whoever has both keys.
    tokens = connection.execute("""SELECT integrations FROM "User" WHERE id <> 'user-00001'""")
    assert all(decrypt(BOTH, token) for (token,) in tokens if token)
    done = rotate(connection, BOTH, "platform")
    assert done == {USER: Rotation(texts=USERS, present=BATCH, rotated=USERS - BATCH)}
    assert stored(connection, NEW) == said


def test_what_is_written_meanwhile_is_never_overwritten(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    said = fill(connection)
    stop = threading.Event()
    written: dict[str, str] = {}

    def writer(part: int) -> None:
        """Change credentials as a service does that has both keys."""
        with psycopg.connect(seeded_database_url, autocommit=True) as own:
            # Each writer has users of its own: two of one user would not know whose is last.
            for number, own_user in enumerate(cycle(range(part, USERS, 4))):
                if stop.is_set():
                    break
                user = f"user-{own_user:05}"
                text = f'{{"written": {number}}}'
                own.execute(
                    'UPDATE platform."User" SET integrations = %s WHERE id = %s',
                    (encrypt(BOTH, text), user),
                )
                written[user] = text

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(writer, part) for part in range(4)]
        try:
            done = rotate(connection, BOTH, "platform")
        finally:
            stop.set()
        for each in writers:
            each.result()
    assert written
    assert done[USER].texts == USERS
    assert stored(connection, NEW) == said | {user: text.encode() for user, text in written.items()}


def test_a_change_between_reading_and_storing_wins(connection: psycopg.Connection[Any]) -> None:
    fill(connection, users=3)
    # A trigger stands for somebody who is quicker: once, at the first attempt to store.
    connection.execute(
        """
        CREATE FUNCTION platform.quicker() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF current_setting('test.late', true) = 'on' THEN RETURN NEW; END IF;
            RETURN NULL;
        END $$;
        CREATE TRIGGER quicker BEFORE UPDATE ON platform."User" FOR EACH ROW
            WHEN (OLD.id = 'user-00002') EXECUTE FUNCTION platform.quicker();
        """
    )
    with pytest.raises(ConfigurationError, match="still being written with the old key"):
        rotate(connection, BOTH, "platform")
    connection.execute("SET test.late = 'on'")
    done = rotate(connection, BOTH, "platform")[USER]
    assert (done.texts, done.present, done.rotated) == (3, 2, 1)


def test_what_neither_key_decrypts_is_named_and_left(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    fill(connection, users=5)
    strange = Fernet(OTHER).encrypt(b"{}").decode()
    connection.execute(
        """UPDATE "User" SET integrations = %s WHERE id = 'user-00003'""", (strange,)
    )
    connection.execute("""UPDATE "User" SET integrations = 'x ü' WHERE id = 'user-00004'""")
    options = Settings(
        database=DatabaseSettings(url=Secret(with_schema(seeded_database_url))), integrations=BOTH
    )
    lines: list[str] = []
    with pytest.raises(ConfigurationError, match="user user-00003, user user-00004") as caught:
        lines.extend(rotate_key(options, dry_run=False, autogpt_stopped=True))
    assert lines == [
        "User.integrations: 5",
        "  of the new key already: 0",
        "  re-encrypted: 3",
        "  decrypted by neither key: 2",
        "IntegrationCredential: this database has no such table",
        "BotInstall: this database has no such table",
    ]
    assert caught.value.exit_code == 78
    assert strange in {token for (token,) in connection.execute('SELECT integrations FROM "User"')}


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (ONLY_NEW, "needs both keys"),
        (IntegrationsSettings(previous_encryption_key=Secret(OLD)), "needs both keys"),
        (
            IntegrationsSettings(encryption_key=Secret(OLD), previous_encryption_key=Secret(OLD)),
            "the new key is the old one",
        ),
    ],
)
def test_two_different_keys_are_needed(
    connection: psycopg.Connection[Any], keys: IntegrationsSettings, said: str
) -> None:
    with pytest.raises(ConfigurationError, match=said):
        rotate(connection, keys, "platform")


def test_the_service_reads_by_both_keys_and_writes_by_the_new_one(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    credential = {"type": "api_key", "id": "c", "provider": "p", "api_key": "k"}
    with Service(seeded_database_url, integrations=ONLY_OLD) as before:
        before.call("update_user_integrations", user_id="alice", data={"credentials": [credential]})
    with Service(seeded_database_url, integrations=BOTH) as between:
        found = between.call("get_user_integrations", user_id="alice")
        assert found["credentials"][0]["api_key"] == "k"
        between.call("update_user_integrations", user_id="bob", data=found)
    assert set(stored(connection, OLD)) == {"alice"}
    assert set(stored(connection, NEW)) == {"bob"}
    verify_key(connection, Settings(integrations=BOTH), "platform")
    assert rotate(connection, BOTH, "platform")[USER].rotated == 1
    with Service(seeded_database_url, integrations=ONLY_NEW) as after:
        for user in ("alice", "bob"):
            assert after.call("get_user_integrations", user_id=user) == found
    with (
        Service(seeded_database_url, integrations=ONLY_OLD) as too_late,
        pytest.raises(InvalidValueError, match="cannot be decrypted"),
    ):
        too_late.call("get_user_integrations", user_id="alice")
    with pytest.raises(ConfigurationError, match="autogpt-db help rotate-the-encryption-key"):
        verify_key(connection, Settings(integrations=ONLY_OLD), "platform")


def test_a_check_tries_the_key_as_a_start_would(
    connection: psycopg.Connection[Any], seeded_database_url: str
) -> None:
    database = DatabaseSettings(url=Secret(with_schema(seeded_database_url)))
    fill(connection, users=3)
    good = list(check_everything(Settings(database=database, integrations=ONLY_OLD)))
    assert good[-1] == "encryption key: decrypts what users have stored"
    with pytest.raises(ConfigurationError, match="encryption_key: does not decrypt") as caught:
        list(check_everything(Settings(database=database, integrations=ONLY_NEW)))
    assert caught.value.exit_code == 78


def test_a_check_needs_no_users_to_try_the_key_on(database_url: str) -> None:
    database = DatabaseSettings(url=Secret(with_schema(database_url)))
    settings = Settings(database=database, integrations=ONLY_NEW)
    assert list(check_everything(settings))[-1] == "encryption key: set; nothing is stored yet"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA platform, autogpt_db CASCADE")
    database = DatabaseSettings(url=Secret(with_schema(database_url)), create_tables=True)
    found = list(check_everything(Settings(database=database, integrations=ONLY_NEW)))
    assert [line for line in found if line.startswith("schema: to be applied at start: ")]
    assert not [line for line in found if line.startswith("encryption key: ")]


def test_keys_of_a_wrong_form_and_a_lone_previous_key_are_refused() -> None:
    name = "AUTOGPT_DB_INTEGRATIONS_PREVIOUS_ENCRYPTION_KEY"
    with pytest.raises(ConfigurationError, match="previous_encryption_key: is not 32 bytes"):
        load_settings(environment={"ENCRYPTION_KEY": NEW, name: "short"})
    with pytest.raises(ConfigurationError, match="means nothing without encryption_key"):
        load_settings(environment={name: OLD})
    found = load_settings(environment={"ENCRYPTION_KEY": NEW, name: OLD}).settings.integrations
    assert found.previous_encryption_key is not None
    assert found.previous_encryption_key.reveal() == OLD
