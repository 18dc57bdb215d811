"""What is remembered of methods that nobody serves is bounded."""

from __future__ import annotations

import pytest

from autogpt_db.api.unknown import MOST_NAMES, OTHER_NAME, Names, method_name
from autogpt_db.errors import ConfigurationError
from autogpt_db.settings import load_settings


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("POST", "/get_chat_session", "get_chat_session"),
        ("GET", "/get_chat_session", None),
        ("POST", "/a/b", None),
        ("POST", "/a%2fb", None),
        ("POST", "/", None),
        ("POST", "/..", None),
        ("POST", "/" + "x" * 101, None),
        ("POST", "/ä", None),
    ],
)
def test_what_is_a_method(verb: str, path: str, name: str | None) -> None:
    assert method_name(verb, path) == name


def test_names_are_bounded() -> None:
    names = Names()
    assert all(names.add(f"n{number}") for number in range(MOST_NAMES))
    assert not names.add("one more")
    assert not names.add("n1")
    assert names.bounded("n1") == "n1"
    assert names.bounded("one more") == OTHER_NAME


@pytest.mark.parametrize(
    "url",
    [
        "database_manager:8005",
        "ftp://database_manager:8005",
        "http://",
        "http://h:port",
        "http://user@h:1",
        "http://h:1/?a=b",
        "http://localhost:8005",
    ],
)
def test_an_address_that_cannot_be_meant_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"api\.fallback_url"):
        load_settings(environment={}, assignments=[f"api.fallback_url={url}"])


def test_addresses_that_can_be_meant() -> None:
    for url in ("http://database_manager:8005", "https://h/prefix", "http://localhost:8006/"):
        loaded = load_settings(environment={"AUTOGPT_DB_API_FALLBACK_URL": url})
        assert loaded.settings.api.fallback_url == url
