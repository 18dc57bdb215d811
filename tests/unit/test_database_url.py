"""AutoGPT's DATABASE_URL as libpq understands it."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING

import pytest
from psycopg import OperationalError
from psycopg.conninfo import conninfo_to_dict

from autogpt_db.database.reasons import reason_of
from autogpt_db.database.url import DatabaseUrl
from autogpt_db.errors import ConfigurationError
from unprivileged import as_nobody

if TYPE_CHECKING:
    from pathlib import Path

# None of these stands in a message of ours.
_SECRET_CHARACTERS = "QXZJKWVqxzjkwv"
_TEMPLATES = (
    "postgresql://u:{password}@h",
    "postgresql://u:{password}@h:5432/d?schema=platform",
    "postgresql://u:{password}@h/d?sslmode=require&pgbouncer=true",
    "postgresql://u:{password}@a:1,b:2/d",
    "postgresql://u:{password}@[::1]:5432/d",
    "postgresql://h/d?user=u&password={password}&sslmode=require",
    "host=h user=u password={password} dbname=d",
    "host=h user=u password='{password}' dbname=d",
    "password={password}",
)


def parsed(url: DatabaseUrl, **options: str) -> dict[str, object]:
    text = url.conninfo(connect_timeout=5, application_name="tests", **options)
    return dict(conninfo_to_dict(text))


def test_prismas_parameters_are_understood_and_libpq_never_sees_them() -> None:
    url = DatabaseUrl.parse(
        "postgresql://u:p%40ss@db:6432/postgres?schema=platform&connection_limit=12&pool_timeout=300"
        "&connect_timeout=60&pgbouncer=true&socket_timeout=5&statement_cache_size=0&sslmode=require"
    )
    assert (url.schema, url.pgbouncer, url.connection_limit, url.pool_timeout) == (
        "platform",
        True,
        12,
        300,
    )
    assert parsed(url) == {
        "user": "u",
        "password": "p@ss",
        "host": "db",
        "port": "6432",
        "dbname": "postgres",
        "connect_timeout": "60",
        "sslmode": "require",
        "application_name": "tests",
        "client_encoding": "UTF8",
        "keepalives_idle": "10",
        "keepalives_interval": "5",
        "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    }


def test_the_schema_is_prismas_default_when_the_url_names_none() -> None:
    assert DatabaseUrl.parse("postgres://h/d").schema == "public"


def test_behind_a_transaction_pooler_no_session_options_are_sent() -> None:
    plain = DatabaseUrl.parse("postgresql://h/d")
    pooled = DatabaseUrl.parse("postgresql://h/d?pgbouncer=true")
    options = {"search_path": '"platform",public', "statement_timeout": "5"}
    given = str(parsed(plain, **options)["options"])
    assert '-c search_path="platform",public' in given
    assert "-c statement_timeout=5 " in given, "what is asked for beats what all sessions have"
    assert "-c TimeZone=UTC" in given
    assert "options" not in parsed(pooled, **options)
    assert parsed(pooled)["client_encoding"] == "UTF8", "poolers pass it on"


def test_of_several_hosts_only_the_primary_is_wanted() -> None:
    url = DatabaseUrl.parse("postgresql://a:1,b:2/d")
    assert parsed(url)["target_session_attrs"] == "primary"
    given = DatabaseUrl.parse("postgresql://a,b/d?target_session_attrs=any")
    assert parsed(given)["target_session_attrs"] == "any"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mysql://u:hunter2@h/d", "must start with postgresql://"),
        ("postgresql://u:hunter2@h/d?nonsense=1", "neither libpq nor Prisma knows"),
        ("postgresql://u:hunter2@h/d?pgbouncer=maybe", "pgbouncer must be true or false"),
        ("postgresql://u:hunter2@h/d?connection_limit=many", "must be a whole number"),
    ],
)
def test_a_malformed_url_is_refused_without_showing_it(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason) as caught:
        DatabaseUrl.parse(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://u:pw@h:5433/d?sslmode=require",
        "postgresql://u:p%2Fw@[::1]:5433/d",
        "postgresql://u@a:1,b:2/d",
        "host=/run/postgresql user=u dbname=d password=x",
    ],
)
def test_what_is_displayed_leads_to_the_same_place(text: str) -> None:
    url = DatabaseUrl.parse(text)
    shown = DatabaseUrl.parse(url.display(reveal=True))
    assert shown.parameters == url.parameters
    assert ":pw" not in url.display()
    assert "p%2Fw" not in url.display()


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        (
            "postgresql://u:Gm_@SECRET@h/d",
            "write each one within user, password or parameters as %40",
        ),
        ("postgresql://u:Ax/SECRET@h/d", "write / as %2F"),
        ("postgresql://u:12/SECRET@h/d", "write / as %2F"),
        ("postgresql://u:12?SECRET@h/d", "? as %3F"),
        ("postgresql://u:a@b?SECRET@h/d", "%40"),
        ("postgresql://u:x#SECRET@h/d", "write it as %23"),
        ("postgresql://u:x SECRET@h/d", "write a space as %20"),
        ("postgresql://u:100%SECRET@h/d", "write % itself as %25"),
        ("postgresql://u:SECRET", "neither"),
        ("postgresql://u:p@[SECRET/d", "neither"),
        ("postgresql://h/d?password=a&SECRET=1", "write & as %26"),
        ("postgresql://h/d?password=a&SECRET", "write & as %26"),
        ("postgresql://h/d?port=SECRET", "port must be a whole number"),
        ("postgresql://h/d?sslmode=SECRET", "sslmode must be one of"),
        ('"postgresql://u:SECRET@h/d"', "write it without any"),
        ("'host=h password=SECRET'", "write it without any"),
        ("host=h password=a SECRET", "single quotes"),
        ("host=h password=a SECRET=1", "single quotes"),
        ("host=h password='a SECRET", "not quoted right"),
        ("host=h password=a'SECRET", "not quoted right"),
    ],
)
def test_a_text_that_can_be_read_in_two_ways_is_refused_with_the_remedy(
    text: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        DatabaseUrl.parse(text)
    assert remedy in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "postgresql://u:[a]:b@h/d",
            {"user": "u", "password": "[a]:b", "host": "h", "dbname": "d"},
        ),
        ("postgresql:///d?host=/run/pg", {"dbname": "d", "host": "/run/pg"}),
        ("postgresql://u@[::1]:5433", {"user": "u", "host": "::1", "port": "5433"}),
        ("postgresql://a:1,b:2/d", {"host": "a,b", "port": "1,2", "dbname": "d"}),
        ("host=h password='a b\\'c' dbname=d", {"host": "h", "password": "a b'c", "dbname": "d"}),
        ("postgresql://h/d?ssl=true", {"host": "h", "dbname": "d", "sslmode": "require"}),
        (" postgresql://h/d\n", {"host": "h", "dbname": "d"}),
    ],
)
def test_what_is_certain_is_read_as_libpq_reads_it(text: str, expected: dict[str, str]) -> None:
    assert DatabaseUrl.parse(text).parameters == expected
    theirs = {key: str(value) for key, value in conninfo_to_dict(text.strip()).items()}
    assert theirs == expected


def test_no_part_of_a_password_is_shown_whatever_stands_around_it() -> None:
    """100,000 connection strings as people mistype them; four characters in a row are too many."""
    chance = random.Random(1)
    odd = "@:/?#[]% &='\\\"+,;~"
    refused = 0
    for _ in range(100_000):
        password = "".join(
            chance.choice(odd) if chance.random() < 0.15 else chance.choice(_SECRET_CHARACTERS)
            for _ in range(chance.randint(8, 16))
        )
        text = chance.choice(_TEMPLATES).format(password=password)
        try:
            url = DatabaseUrl.parse(text)
        except ConfigurationError as error:
            shown = str(error)
            refused += 1
        else:
            given = url.parameters.get("password", "")
            failure = OperationalError(f"connection failed: of {given}")
            shown = "\n".join(
                [url.display(), url.address, url.schema, reason_of(failure, url), repr(url)]
            )
        parts = {password[at : at + 4] for at in range(len(password) - 3)}
        assert not [part for part in parts if part in shown], (text, shown)
    assert 20_000 < refused < 90_000  # both kinds were tried


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("sslaccept=strict", {"sslmode": "verify-full", "sslrootcert": "system"}),
        (
            "sslaccept=strict&sslcert=/ca.pem&sslmode=require",
            {"sslmode": "verify-full", "sslrootcert": "/ca.pem"},
        ),
        (
            "sslaccept=strict&sslmode=verify-ca&sslrootcert=/ca.pem",
            {"sslmode": "verify-ca", "sslrootcert": "/ca.pem"},
        ),
        ("sslcert=/ca.pem", {"sslmode": "verify-ca", "sslrootcert": "/ca.pem"}),
        ("sslcert=/ca.pem&sslmode=disable", {"sslmode": "disable", "sslrootcert": "/ca.pem"}),
        ("sslcert=/ca.pem&sslaccept=accept_invalid_certs&sslmode=require", {"sslmode": "require"}),
        ("sslcert=/c.crt&sslkey=/c.key", {"sslcert": "/c.crt", "sslkey": "/c.key"}),
    ],
)
def test_prismas_words_of_tls_become_libpqs(query: str, expected: dict[str, str]) -> None:
    parameters = dict(DatabaseUrl.parse(f"postgresql://h/d?{query}").parameters)
    if expected.get("sslrootcert") == "system":
        assert parameters.pop("sslrootcert") in {
            "system",
            "/etc/ssl/certs/ca-certificates.crt",
        }
        expected = {key: value for key, value in expected.items() if key != "sslrootcert"}
    assert parameters == {"host": "h", "dbname": "d"} | expected


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("sslidentity=/c.p12&sslpassword=x", "openssl pkcs12"),
        ("sslpassword=x", "sslkey"),
        ("sslaccept=maybe", "sslaccept must be"),
        ("sslaccept=strict&sslmode=disable", "contradicts"),
        ("sslaccept=accept_invalid_certs&sslmode=verify-full", "contradicts"),
        ("sslmode=verify_full", "sslmode must be one of"),
    ],
)
def test_words_of_tls_that_cannot_be_had_are_refused(query: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        DatabaseUrl.parse(f"postgresql://h/d?{query}")


def test_missing_files_of_tls_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for query, reason in (
        (f"sslmode=verify-full&sslrootcert={tmp_path}/none.pem", "none.pem.*does not exist"),
        ("sslmode=verify-full", "by whose authority"),
    ):
        with pytest.raises(ConfigurationError, match=reason):
            DatabaseUrl.parse(f"postgresql://h/d?{query}").verify_files()
    DatabaseUrl.parse("postgresql://h/d?sslmode=require").verify_files()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may read everything")
def test_files_behind_a_closed_door_are_told_as_such(tmp_path: Path) -> None:
    """As the service's account finds root's home: it may not even look whether they are there."""
    tmp_path.chmod(0o700)
    url = DatabaseUrl.parse(f"postgresql://h/d?sslmode=verify-full&sslrootcert={tmp_path}/a.pem")
    told = as_nobody(url.verify_files)
    assert told.startswith("ConfigurationError: ")
    assert "names (the authorities), cannot be read by this account: put it where" in told
