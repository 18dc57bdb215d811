"""What REST may show, by what operations and models declare: no secret, no content unasked."""

from __future__ import annotations

import itertools
import json
import re
import typing
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import msgspec
import pytest

from autogpt_db import models
from autogpt_db.models import marks
from autogpt_db.models.marks import Content, Secret
from autogpt_db.operations import (
    Database,
    Operation,
    RegistrationError,
    Reply,
    Resource,
    load_operations,
)
from autogpt_db.rest import describe, load_resources
from autogpt_db.rest.resources import check_shown, type_of
from autogpt_db.rest.shown import marks_of, members_of, secrets_in, shown
from autogpt_db.settings import LimitsSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

OPERATIONS = load_operations()
RESOURCES = load_resources()

KNOWN_TO_RETURN_SECRETS = {
    "get_bot_install",
    "get_child_graph_executions",
    "get_graph_execution",
    "get_graph_execution_meta",
    "get_graph_executions",
    "get_preset",
    "get_user_by_id",
    "get_user_credentials",
    "get_user_integrations",
    "get_user_push_subscriptions",
    "list_presets",
}
RETURN_SECRETS = {
    name for name, each in OPERATIONS.items() if each.reads and secrets_in(type_of(each))
}
"""What only reads, and returns what opens something."""

# What is called like a secret and opens nothing.
_NO_SECRETS = re.compile(r"_(tokens|token_count|expires_at|key_id)$")
_LIKE_SECRETS = re.compile(r"token|secret|password|passphrase|api_key|verifier|integrations|auth$")


def all_models() -> Iterator[Any]:
    return (model for name in models.__all__ if typing.is_typeddict(model := getattr(models, name)))


def test_what_is_known_to_return_secrets_says_so_and_is_shown_nowhere() -> None:
    assert not KNOWN_TO_RETURN_SECRETS - RETURN_SECRETS, "a member has lost its Secret()"
    assert not RETURN_SECRETS & {each.name for each in RESOURCES.values()}


@pytest.mark.parametrize("name", sorted(RETURN_SECRETS))
def test_what_returns_secrets_cannot_be_shown(name: str) -> None:
    function = OPERATIONS[name].function
    with pytest.raises(RegistrationError, match="returns secrets"):
        check_shown(Operation(function, reads=True, rest=Resource("/there")))


def test_marks_of_two_kinds_are_never_equal() -> None:
    """Python 3.11.2, Debian 12's, takes what users have written for a secret where they are."""
    kinds: list[Any] = [kind for kind in vars(marks).values() if is_dataclass(kind)]
    assert {Content, Secret} < {*kinds}
    for one, other in itertools.permutations(kinds, 2):
        if len(fields(one)) == len(fields(other)):
            told = ["same"] * len(fields(one))
            assert one(*told) != other(*told)
            assert one(*told) == one(*told)


def test_a_member_called_like_a_secret_is_marked_as_one() -> None:
    unmarked = [
        f"{model.__name__}.{name}"
        for model in all_models()
        for name, hint in members_of(model).items()
        if _LIKE_SECRETS.search(name) and not _NO_SECRETS.search(name)
        if not any(isinstance(mark, Secret) for mark in marks_of(hint))
        # Arguments, which nobody is shown; and an enumeration's labels.
        if not model.__name__.endswith(("Input", "Request"))
        if typing.get_origin(hint) is not typing.Literal
    ]
    assert unmarked == []


def test_a_graph_is_shown_as_if_it_were_given_away() -> None:
    """What its nodes are set to may hold secrets, in members that no model knows."""
    showing = {each.name for each in RESOURCES.values() if "GraphModel" in each.returns}
    assert showing == {"get_graph"}
    assert RESOURCES["/graphs/{graph_id}"].rest is not None
    assert RESOURCES["/graphs/{graph_id}"].rest.given["for_export"] is True


def test_what_writes_cannot_be_shown() -> None:
    async def change(database: Database, user_id: str) -> int:
        """Change something."""
        return await database.execute("SELECT 1", {"user_id": user_id})

    with pytest.raises(RegistrationError, match="writes"):
        Operation(change, reads=False, rest=Resource("/change"))


@pytest.mark.parametrize(
    "resource",
    [
        Resource("/things/{other}"),
        Resource("/things/{user_id}/"),
        Resource("things"),
        Resource("/things/{user_id}", given={"user_id": "alice"}),
        Resource("/things", given={"other": 1}),
        Resource("/things", pages_by=("id",)),
        Resource("/things", content="other"),
    ],
)
def test_a_declaration_that_cannot_be_served_is_refused(resource: Resource) -> None:
    async def read(database: Database, user_id: str) -> int:
        """Read something."""
        return await database.execute("SELECT 1", {"user_id": user_id})

    with pytest.raises(RegistrationError):
        Operation(read, reads=True, rest=resource)


def test_two_of_one_path_are_refused() -> None:
    async def show_other(database: Database, user_id: str) -> int:
        """Read something."""
        return await database.execute("SELECT 1", {"user_id": user_id})

    other = Operation(show_other, reads=True, rest=Resource("/users/{user_id}"))
    with pytest.raises(RegistrationError, match="both stand at"):
        load_resources({**OPERATIONS, "show_other": other})


class Free(TypedDict):
    """What has no declared form, and isn't said to be content."""

    anything: dict[str, Any]


def test_what_has_no_declared_form_is_refused_unless_it_is_content() -> None:
    async def read(database: Database) -> Reply[Free]:
        """Read something."""
        return await database.json("SELECT '{}'::json")

    with pytest.raises(RegistrationError, match="no declared form"):
        check_shown(Operation(read, reads=True, rest=Resource("/free")))


def seen(annotation: Any, *, content: bool) -> Callable[[Any], Any]:
    """Return what a reader sees of a document."""
    see = shown(annotation, content=content)
    return lambda given: json.loads(msgspec.json.encode(see(json.dumps(given).encode())))


def test_what_is_shown_stays_as_it_is_to_the_last_digit() -> None:
    see = shown(models.ExecutionOverview, content=True)
    text = b'{"id":"e","inputs":{"a":1e400,"b":0.12345678901234567890123,"c":"\\u0000"}}'
    assert msgspec.json.encode(see(text)) == text


def test_what_a_model_does_not_declare_is_not_shown() -> None:
    see = seen(models.ExecutionOverview, content=True)
    given = {"id": "e", "new_member": "x", "inputs": {"a": 1}, "stats": {"cost": 1, "error": "e"}}
    assert see(given) == {"id": "e", "inputs": {"a": 1}, "stats": {"cost": 1, "error": "e"}}
    less = seen(models.ExecutionOverview, content=False)
    assert less(given) == {"id": "e", "stats": {"cost": 1}}
    # Where one value is declared, no document comes through.
    assert less({"id": {"deep": "canary"}, "status": ["canary"]}) == {"id": None, "status": None}


def test_fixed_paths_stand_before_those_with_arguments() -> None:
    paths = list(RESOURCES)
    assert paths.index("/users") < paths.index("/users/{user_id}")
    for place, path in enumerate(paths):
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", path) + "$")
        hidden = [other for other in paths[place + 1 :] if pattern.match(other)]
        assert not hidden, f"{path} hides {hidden}"


def test_content_that_is_not_shown_is_not_described() -> None:
    for content in (False, True):
        described = describe(RESOURCES, content=content, limits=LimitsSettings())
        schemas = described["components"]["schemas"]
        assert ("inputs" in schemas["ExecutionOverview"]["properties"]) is content
        assert ("inputs" in schemas["ExecutionOverview"]["required"]) is content
        assert ("email" in schemas["UserOverview"]["properties"]) is content
        # What is content as a whole is described with it alone.
        assert ("ChatSessionMetadata" in schemas) is content


def test_every_parameter_is_described() -> None:
    described = describe(RESOURCES, content=False, limits=LimitsSettings())
    without = [
        f"{path} {parameter['name']}"
        for path, entry in described["paths"].items()
        for parameter in entry["get"]["parameters"]
        if "name" in parameter and not parameter["description"]
    ]
    assert without == []
    for entry in described["paths"].values():
        names = {parameter.get("name") for parameter in entry["get"]["parameters"]}
        assert not names & {"content", "after_id"}, "a client has cursors for that"
