"""Configuration: sources, precedence, and faults that are all reported together."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Annotated

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.database.url import with_url_parameters
from autogpt_db.errors import EXIT_CONFIGURATION, ConfigurationError
from autogpt_db.settings import (
    Secret,
    Settings,
    catalog,
    load_settings,
    read_effective,
    sources,
    write_effective,
)
from autogpt_db.settings.catalog import options
from autogpt_db.settings.declaration import option
from unprivileged import as_nobody

ROOT = Path(__file__).parents[2]
URL = "postgresql://user:hunter2@db.example:5432/postgres?schema=platform&connection_limit=12"


def test_nothing_configured_gives_the_defaults() -> None:
    loaded = load_settings(environment={}, file=None)
    assert loaded.settings == Settings()
    assert loaded.origins == {}


def test_each_source_wins_over_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "autogpt-db.toml"
    file.write_text(
        "[api]\nport = 1\nprocesses = 5\nbody_limit = 5000\n[database]\npool_size = 3\n"
    )
    loaded = load_settings(
        file=file,
        environment={"DATABASE_API_PORT": "2", "AUTOGPT_DB_API_PROCESSES": "6"},
        assignments=["api.port=3"],
    )
    assert loaded.settings.api.port == 3
    assert loaded.settings.api.processes == 6
    assert loaded.settings.api.body_limit == 5000
    assert loaded.settings.database.pool_size == 3
    assert loaded.origins["api.port"] == "command line"
    assert loaded.origins["api.processes"] == "AUTOGPT_DB_API_PROCESSES"
    assert loaded.origins["api.body_limit"] == str(file)


def test_our_name_wins_over_autogpts_name() -> None:
    environment = {"DATABASE_API_PORT": "2", "AUTOGPT_DB_API_PORT": "4"}
    assert load_settings(environment=environment).settings.api.port == 4


def test_secrets_come_from_credentials_and_never_print(tmp_path: Path) -> None:
    (tmp_path / "database_url").write_text(URL + "\n")
    loaded = load_settings(environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    url = loaded.settings.database.url
    assert url is not None
    assert url.reveal() == URL
    assert loaded.origins["database.url"] == "credential database_url"
    for text in (repr(loaded), str(loaded.settings), f"{url}", f"{url!r}", f"{url:>5}"):
        assert "hunter2" not in text


def test_every_fault_is_reported_at_once_with_the_nearest_name(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text('[api]\nprot = 1\nbody_limit = "x"\n[databse]\nurl = "x"\n')
    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            file=file,
            environment={"AUTOGPT_DB_API_PROCESSES": "0", "AUTOGPT_DB_API_KEEPALIVE": "3"},
            assignments=["api.host=0.0.0.0", "nonsense"],
        )
    problems = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 7
    assert "did you mean api.port?" in problems
    assert "did you mean AUTOGPT_DB_API_KEEP_ALIVE?" in problems
    assert (
        "api.processes: expected `int` >= 1 (got '0'); expected whole number, 1 to 64." in problems
    )
    assert "0.0.0.0 is reachable from other machines" in problems
    assert caught.value.exit_code == EXIT_CONFIGURATION


@pytest.mark.parametrize("content", ["[api", "port = \xff".encode("latin-1")])
def test_an_unreadable_file_is_named(tmp_path: Path, content: str | bytes) -> None:
    file = tmp_path / "bad.toml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError, match=r"bad\.toml: is not valid TOML"):
        load_settings(file=file, environment={})


def test_who_adds_a_section_that_is_there_is_told_so(tmp_path: Path) -> None:
    """The installed file has all sections; a page's example looks as if it could be appended."""
    file = tmp_path / "autogpt-db.toml"
    installed = (ROOT / "etc" / "autogpt-db.toml").read_text("utf-8")
    file.write_text(f"{installed}\n[admin]\nenabled = true\n")
    with pytest.raises(ConfigurationError, match="put its options below the first"):
        load_settings(file=file, environment={})


def test_a_file_that_was_asked_for_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load_settings(file=tmp_path / "absent.toml", environment={})


def test_pyro_host_counts_only_in_a_trusted_network() -> None:
    loaded = load_settings(environment={"PYRO_HOST": "0.0.0.0"})
    assert loaded.settings.api.host == "127.0.0.1"
    assert "PYRO_HOST=0.0.0.0 has no effect" in loaded.notices[0]
    trusted = {"PYRO_HOST": "0.0.0.0", "AUTOGPT_DB_API_TRUSTED_NETWORK": "yes"}
    assert load_settings(environment=trusted).settings.api.host == "0.0.0.0"


def test_a_wrong_secret_is_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_url_parameters(
            load_settings(environment={"DATABASE_URL": "mysql://u:hunter2@h/d"}).settings
        )
    assert "hunter2" not in str(caught.value)
    assert "must start with postgresql://" in str(caught.value)


def test_the_urls_connection_limit_bounds_the_whole_daemon() -> None:
    loaded = load_settings(environment={"DATABASE_URL": URL})
    settings = with_url_parameters(loaded.settings)
    assert settings.database.connection_limit == 12
    # 12 connections, 3 of them the worker's, leave 4 for each of two API processes.
    assert settings.api_pool_size == 4
    assert Settings().api_pool_size == 8


def test_too_few_connections_for_the_processes_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="which need 6 at least"):
        load_settings(environment={"DB_CONNECTION_LIMIT": "3"})


def test_children_read_what_main_wrote_and_nobody_else_can(tmp_path: Path) -> None:
    settings = load_settings(
        environment={"DATABASE_URL": URL},
        assignments=[f"state_directory={tmp_path}/state", f"runtime_directory={tmp_path}"],
    ).settings
    path = write_effective(settings, tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_effective(tmp_path) == settings
    assert read_effective(tmp_path).database.url == Secret(URL)
    assert list(tmp_path.iterdir()) == [path]


def test_state_directories_follow_systemd_then_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/x:/var/lib/y")
    monkeypatch.setenv("RUNTIME_DIRECTORY", "/run/x")
    assert Settings().paths == (Path("/var/lib/x"), Path("/run/x"))
    monkeypatch.delenv("STATE_DIRECTORY")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_STATE_HOME", "/home/u/.state")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    monkeypatch.delenv("RUNTIME_DIRECTORY")
    assert Settings().paths == (
        Path("/home/u/.state/autogpt-db"),
        Path("/run/user/1000/autogpt-db"),
    )


def test_every_option_has_help_a_default_that_fits_and_a_name_of_its_own() -> None:
    names = [one.environment_name for one in options().values()]
    assert len(names) == len(set(names))
    for one in options().values():
        assert one.help.endswith((".", ")")), f"{one.path}: its help ends with a full stop"
        assert one.type_name


class Bare(msgspec.Struct):
    things: int = 3


class Listed(msgspec.Struct):
    things: Annotated[list[int], option("Things.")] = []


@pytest.mark.parametrize(
    ("section", "advice"),
    [(Bare, "odd.things: declare it as Annotated"), (Listed, "odd.things: give it a default")],
)
def test_who_declares_an_option_by_halves_is_told_the_rest(
    section: type[msgspec.Struct], advice: str
) -> None:
    with pytest.raises(AssertionError, match=advice):
        catalog._collect(section, "odd.", {})


@given(st.dictionaries(st.sampled_from(sorted(options())), st.text(max_size=20), max_size=5))
def test_any_text_for_any_option_is_taken_or_refused_by_name(values: dict[str, str]) -> None:
    try:
        load_settings(environment={}, assignments=[f"{k}={v}" for k, v in values.items()])
    except ConfigurationError as error:
        for problem in error.problems:
            assert problem.split(":")[0] in options()


@pytest.mark.parametrize("key", ["short", "ü" * 44, "x" * 44])
def test_an_encryption_key_must_be_one(key: str) -> None:
    with pytest.raises(ConfigurationError, match="not 32 bytes in url-safe base64") as caught:
        load_settings(environment={"ENCRYPTION_KEY": key})
    assert key not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", "on"),
        ("false", "off"),
        ('"auto"', "auto"),
        ('"on"', "on"),
        ('"off"', "off"),
        ('"False"', "off"),
    ],
)
def test_a_truth_value_is_one_of_the_words_that_took_its_place(
    tmp_path: Path, written: str, meant: str
) -> None:
    file = tmp_path / "autogpt-db.toml"
    file.write_text(f"[credits]\nmonthly_refill = {written}\n")
    assert load_settings(file=file, environment={}).settings.credits.monthly_refill == meant
    text = {"AUTOGPT_DB_CREDITS_MONTHLY_REFILL": written.strip('"')}
    assert load_settings(environment=text).settings.credits.monthly_refill == meant
    with pytest.raises(ConfigurationError, match=r"credits\.monthly_refill"):
        load_settings(environment={"AUTOGPT_DB_CREDITS_MONTHLY_REFILL": "perhaps"})


def test_autogpts_own_names_of_credits_and_keys_count() -> None:
    key = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
    settings = load_settings(
        environment={
            "ENABLE_CREDIT": "True",
            "NUM_USER_CREDITS_REFILL": "2500",
            "ENCRYPTION_KEY": key,
            "OPENAI_INTERNAL_API_KEY": "sk-1",
        }
    ).settings
    assert (settings.credits.enabled, settings.credits.refill) == (True, 2500)
    assert settings.integrations.encryption_key == Secret(key)
    assert settings.embeddings.openai_api_key == Secret("sk-1")


def test_a_directory_of_credentials_is_read_and_a_single_one_wins(tmp_path: Path) -> None:
    (tmp_path / "autogpt-db_api_token").write_text("from the directory\n")
    environment = {"CREDENTIALS_DIRECTORY": str(tmp_path)}
    loaded = load_settings(environment=environment)
    assert loaded.settings.api.token is not None
    assert loaded.settings.api.token.reveal() == "from the directory"
    (tmp_path / "api_token").write_text("named")
    loaded = load_settings(environment=environment)
    assert loaded.settings.api.token is not None
    assert loaded.settings.api.token.reveal() == "named"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who may read everything")
def test_a_closed_etc_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody has made /etc/autogpt-db root's alone, which the service has to read."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(sources, "DEFAULT_FILE", tmp_path / "autogpt-db.toml")
    monkeypatch.setattr(sources, "SYSTEM_CREDENTIALS", tmp_path / "credentials")
    told = as_nobody(lambda: load_settings(environment={}))
    assert told.startswith("ConfigurationError: ")
    assert "autogpt-db.toml: cannot be read: Permission denied. The account that reads" in told
    assert "; chmod 644 " in told


@pytest.mark.parametrize("token", ["s3cr3t\nb", " s3cr3t", "s3cr3t ", "s3cr3t\x7f", "s3cr3t\udcff"])
def test_a_token_that_no_request_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment={"AUTOGPT_DB_API_TOKEN": token})
    (problem,) = caught.value.problems
    assert problem.startswith("api.token: no request can carry it")
    assert "s3cr3t" not in problem


@pytest.mark.parametrize("token", ["a", "Пароль ¼", "a b", "a\tb"])
def test_any_other_token_is_taken(token: str) -> None:
    found = load_settings(environment={"AUTOGPT_DB_API_TOKEN": token}).settings.api.token
    assert found is not None
    assert found.reveal() == token


@pytest.mark.parametrize(
    "page",
    [
        "platform.agpt.co/link",
        "ftp://platform.agpt.co/link",
        "https:///link",
        "https://h:port/link",
        "https://user@h/link",
        "https://h/link?",
        "https://h/link#a",
        "https://h/li nk",
        "https://h/l\u00efnk",
    ],
)
def test_a_page_that_no_token_can_stand_behind_is_refused(page: str) -> None:
    with pytest.raises(ConfigurationError, match=r"linking\.base_url"):
        load_settings(environment={"PLATFORM_LINK_BASE_URL": page})


@pytest.mark.parametrize("url", ["scheduler:8003", "http://", "http://h:99999", "http://h/?a"])
def test_a_scheduler_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"library\.scheduler_url"):
        load_settings(environment={"AUTOGPT_DB_LIBRARY_SCHEDULER_URL": url})


def test_the_page_of_links_is_autogpts_unless_somebody_says_so() -> None:
    assert (
        load_settings(environment={}).settings.linking.base_url == "https://platform.agpt.co/link"
    )
    for page in ("http://localhost:3000/link", "https://h/a/link/"):
        loaded = load_settings(environment={"PLATFORM_LINK_BASE_URL": page})
        assert loaded.settings.linking.base_url == page
