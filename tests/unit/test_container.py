"""The container's files name things that exist: paths, options, commands, services."""

from __future__ import annotations

import os
import re
import tomllib

import pytest

from autogpt_db.cli.commands import commands as group
from autogpt_db.settings import load_settings
from autogpt_db.settings.catalog import AUTOGPT_HOST_NAME, AUTOGPT_NAMES, options
from checkout import ROOT
from compose_files import FOLDER, VARIABLE, compose, environment, service

CONTAINERFILE = (FOLDER / "Containerfile").read_text("utf-8")
GIVEN = {
    "DATABASE_URL": "postgresql://u:p@db:5432/postgres?schema=platform",
    "ENCRYPTION_KEY": "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDA=",
    "AUTOGPT_NETWORK": "autogpt_app-network",
}
CALLERS = {
    "autogpt.override.yaml": {
        "executor", "scheduler_server", "notification_server", "websocket_server",
    },
    "autogpt-v0.6.68.override.yaml": {
        "executor", "scheduler_server", "notification_server", "platform_linking_manager",
        "copilot_executor",
    },
}  # fmt: skip
"""Of each release the services in AutoGPT's compose file that call methods."""


def test_compose_gives_settings_that_serve_a_trusted_network() -> None:
    loaded = load_settings(environment=environment(GIVEN))
    settings = loaded.settings
    assert (settings.api.host, settings.api.trusted_network) == ("0.0.0.0", True)
    assert settings.api.fallback_url == "http://database_manager:8005"
    assert settings.database.url is not None
    assert settings.redis.host is None
    assert loaded.notices == []


def test_every_name_in_compose_is_one_of_the_settings() -> None:
    known = {option.environment_name for option in options().values()}
    known |= AUTOGPT_NAMES.keys() | {AUTOGPT_HOST_NAME}
    assert environment(GIVEN).keys() <= known


def test_compose_hands_over_all_of_autogpts_settings_that_change_an_answer() -> None:
    features = {"credits", "integrations", "embeddings", "redis"}
    wanted = {name for name, path in AUTOGPT_NAMES.items() if path.split(".")[0] in features}
    assert len(wanted) > len(features)
    assert wanted <= environment(GIVEN).keys()


def test_what_must_be_given_is_asked_for() -> None:
    for name in ("DATABASE_URL", "ENCRYPTION_KEY"):
        with pytest.raises(AssertionError, match=name):
            environment({key: text for key, text in GIVEN.items() if key != name})


def test_the_example_lists_what_compose_reads() -> None:
    text = (FOLDER / "compose.yaml").read_text("utf-8")
    asked = {match[1] for match in VARIABLE.finditer(text) if match[2] == "?"}
    example = (FOLDER / "example.env").read_text("utf-8")
    listed = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert asked <= listed <= {match[1] for match in VARIABLE.finditer(text)}


@pytest.mark.parametrize("name", CALLERS)
def test_autogpts_services_are_pointed_at_ours(name: str) -> None:
    services = compose(name)["services"]
    assert services.keys() == CALLERS[name]
    for each in services.values():
        assert each == {"environment": {"DATABASEMANAGER_HOST": "autogpt_db"}}
    assert "autogpt_db" in compose("compose.yaml")["services"]


def test_each_release_has_an_override_that_the_manual_names() -> None:
    files = {path.name for path in FOLDER.glob("*.override.yaml")}
    assert files == set(CALLERS)
    manual = (ROOT / "docs/howto/replace-autogpts-container.md").read_text("utf-8")
    assert all(name in manual for name in files)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"REDIS_HOST": "redis"}, ("redis", 6379)),
        (
            {
                "REDIS_HOST": "redis",
                "REDIS_CLUSTER_HOST": "redis-0",
                "REDIS_CLUSTER_PORT": "17000",
            },
            ("redis-0", 17000),
        ),
    ],
)
def test_redis_is_found_by_each_releases_names(
    given: dict[str, str], found: tuple[str, int]
) -> None:
    redis = load_settings(environment=environment(GIVEN | given)).settings.redis
    assert (redis.host, redis.port) == found


def test_the_container_is_given_time_to_drain() -> None:
    grace = service()["stop_grace_period"]
    assert int(grace.removesuffix("s")) > load_settings(environment={}).settings.api.drain_timeout


def test_every_engine_lets_the_account_write_where_it_must() -> None:
    made = re.search(r"install -d -m 1777 (\S+)", CONTAINERFILE)
    named = dict(re.findall(r"(\w+_DIRECTORY)=(\S+)", CONTAINERFILE))
    assert made is not None
    assert named.keys() == {"STATE_DIRECTORY", "RUNTIME_DIRECTORY"}
    assert named["STATE_DIRECTORY"] == made[1]
    assert named["RUNTIME_DIRECTORY"].startswith("/tmp/")
    assert set(service()["tmpfs"]) == {f"{made[1]}:mode=1777", "/tmp"}


def test_what_the_containerfile_copies_is_there() -> None:
    sources = [
        source
        for line in CONTAINERFILE.splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    assert "daemon" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
    assert os.access(ROOT / "deploy" / "stage", os.X_OK)
    build = service()["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()


def test_the_containerfiles_extras_and_commands_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = re.findall(r"--extra ([a-z]+)", CONTAINERFILE)
    assert {"openai", "stripe"} <= {*extras} <= project["optional-dependencies"].keys()
    words = re.findall(r'CMD \["(?:autogpt-db", ")?([a-z]+)"', CONTAINERFILE)
    assert words == ["call", "run"]
    for word in words:
        assert word in group.commands
