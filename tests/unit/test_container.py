"""The container's files name things that exist: paths, options, commands, services."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from autogpt_db.cli.commands import commands as group
from autogpt_db.settings import load_settings
from autogpt_db.settings.catalog import AUTOGPT_HOST_NAME, AUTOGPT_NAMES, options

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "container"
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
_VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def substituted(text: str, given: dict[str, str]) -> str:
    """Return what compose makes of a value."""

    def value(match: re.Match[str]) -> str:
        name, kind, word = match.groups()
        found = given.get(name)
        if found:
            return found
        assert kind != "?", f"{name} must be given: {word}"
        return word or ""

    return _VARIABLE.sub(value, text)


def environment(given: dict[str, str]) -> dict[str, str]:
    service = compose("compose.yaml")["services"]["autogpt_db"]
    return {name: substituted(str(text), given) for name, text in service["environment"].items()}


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
    asked = {match[1] for match in _VARIABLE.finditer(text) if match[2] == "?"}
    example = (FOLDER / "example.env").read_text("utf-8")
    listed = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert asked <= listed <= {match[1] for match in _VARIABLE.finditer(text)}


@pytest.mark.parametrize("name", CALLERS)
def test_autogpts_services_are_pointed_at_ours(name: str) -> None:
    services = compose(name)["services"]
    assert services.keys() == CALLERS[name]
    for service in services.values():
        assert service == {"environment": {"DATABASEMANAGER_HOST": "autogpt_db"}}
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
    grace = compose("compose.yaml")["services"]["autogpt_db"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > load_settings(environment={}).settings.api.drain_timeout


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
    build = compose("compose.yaml")["services"]["autogpt_db"]["build"]
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
