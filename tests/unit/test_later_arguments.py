"""No argument of any AutoGPT release is dropped in silence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tools.sample_calls import examples

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.releases import arguments_of
from autogpt_db.errors import (
    ArgumentsInvalidError,
    ArgumentsNotHonouredError,
    InvalidValueError,
    SchemaChangingError,
    SchemaUnreadError,
)
from autogpt_db.operations import load_operations
from releases.building import SEEDED
from releases.catalogues import DIRECTORY

OPERATIONS = load_operations()
# Every argument that any release gives a method that is served here.
ARGUMENTS = [
    (method, argument, default)
    for method in OPERATIONS
    for argument, (_, default) in arguments_of(method).items()
]
# And one that no release knows: as a later one might bring it, on a read and on a write.
UNHEARD_OF = [
    ("get_graph_execution", "narrowing_of_tomorrow", None),
    ("spend_credits", "narrowing_of_tomorrow", None),
]
OTHER = ["x", "", 1, 0, True, False, [], ["x"], {}, {"a": 1}, None]


def outcome(method: str, arguments: dict[str, Any]) -> str:
    """Return what becomes of the arguments: `taken`, or which of them is not honoured."""
    try:
        OPERATIONS[method].decode(json.dumps(arguments).encode())
    except ArgumentsNotHonouredError as error:
        return " ".join(error.names)
    except (ArgumentsInvalidError, InvalidValueError):
        return "invalid"
    return "taken"


def test_what_real_servers_were_sent_is_known() -> None:
    """Where no list of a release's arguments is to be had, its recorded calls tell of some."""
    for state in SEEDED:
        calls = json.loads((DIRECTORY / state / "calls.json").read_text("utf-8"))
        for call in calls:
            operation = OPERATIONS.get(call["method"])
            if operation is None or call["raw"] is not None:
                continue
            known = {parameter.name for parameter in operation.parameters}
            assert call["kwargs"].keys() <= known | arguments_of(call["method"]).keys(), call


def test_every_argument_is_a_parameter_or_told() -> None:
    assert len(ARGUMENTS) > 90
    honoured = 0
    for method, argument, default in [*ARGUMENTS, *UNHEARD_OF]:
        if argument in {parameter.name for parameter in OPERATIONS[method].parameters}:
            honoured += 1
            continue
        known = examples()[method][0]
        assert outcome(method, known) == "taken"
        assert outcome(method, known | {argument: default}) == "taken", "its default is harmless"
        for value in OTHER:
            if type(value) is not type(default) or value != default:
                assert outcome(method, known | {argument: value}) == argument, (method, value)
    assert 0 < honoured < len(ARGUMENTS) + len(UNHEARD_OF), "both kinds were tried"


def test_what_only_some_databases_can_hold_is_told_on_the_others() -> None:
    for method, operation in OPERATIONS.items():
        for argument, capability in operation.honoured.items():
            arguments = {each.name: each.default for each in operation.parameters}
            operation.admit(arguments | {argument: None}, Capabilities())
            operation.admit(arguments | {argument: "x"}, Capabilities(**{capability: True}))
            with pytest.raises(ArgumentsNotHonouredError) as refused:
                operation.admit(arguments | {argument: "x"}, Capabilities())
            assert refused.value.names == (argument,), method
            # What AutoGPT is about to make room for is asked again by its client.
            with pytest.raises(SchemaChangingError):
                operation.admit(arguments | {argument: "x"}, Capabilities(), migrating=True)
            operation.admit(arguments | {argument: None}, Capabilities(), migrating=True)
            # Nor is it taken on trust: the call may begin after the schema has been read.
            with pytest.raises(SchemaUnreadError):
                operation.admit(arguments | {argument: "x"}, None)
            operation.admit(arguments | {argument: None}, None)
