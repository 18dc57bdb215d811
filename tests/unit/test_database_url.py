"""AutoGPT's DATABASE_URL as libpq understands it."""

from __future__ import annotations

import pytest
from psycopg.conninfo import conninfo_to_dict

from autogpt_db.database.url import DatabaseUrl
from autogpt_db.errors import ConfigurationError


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
    assert parsed(plain, **options)["options"] == (
        '-c search_path="platform",public -c statement_timeout=5'
    )
    assert "options" not in parsed(pooled, **options)


def test_of_several_hosts_only_the_primary_is_wanted() -> None:
    url = DatabaseUrl.parse("postgresql://a:1,b:2/d")
    assert parsed(url)["target_session_attrs"] == "read-write"
    given = DatabaseUrl.parse("postgresql://a,b/d?target_session_attrs=any")
    assert parsed(given)["target_session_attrs"] == "any"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mysql://u:hunter2@h/d", "must start with postgresql://"),
        ("postgresql://u:hunter2@h/d?nonsense=1", "is not a PostgreSQL connection string"),
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
