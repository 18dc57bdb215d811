"""The recorded answers of AutoGPT's own services are what the methods declare to return."""

from __future__ import annotations

import copy
import enum
import json
import typing
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db import models
from autogpt_db.operations import load_operations
from autogpt_db.signatures import types as signature_types
from declared_replies import MODELS, SCHEMAS, fault
from examples import CONTRACT, DEVIATIONS, EXAMPLES, LATER_MEMBERS
from releases.building import SEEDED
from releases.catalogues import DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Iterator


# Members that later releases have dropped. We go on giving them: earlier clients refuse less.
OWNER = {"owner_user_id": "alice"}
DROPPED: dict[str, dict[str, Any]] = {
    "add_store_agent_to_library": OWNER,
    "bulk_move_agents_to_folder": OWNER,
    "create_library_agent": OWNER,
    "get_library_agent": OWNER,
    "get_library_agent_by_graph_id": OWNER,
    "list_library_agents": OWNER,
    "list_trigger_agents": OWNER,
    "update_library_agent": OWNER,
    "get_store_agent_details": {"agentGraphId": "g1", "agentGraphVersions": ["1"]},
}


# Members of later releases that nobody has listed.
ALSO = {"GraphExecutionStats": {"failure_reason"}}
# A member of an argument that may be null here.
WIDER = {("NotificationEventModel", "created_at")}


def recorded() -> Iterator[tuple[str, Any]]:
    """Yield method and reply of all that was recorded of any release."""
    for example in EXAMPLES:
        key = f"{example['method']} {example['status']}"
        if example["status"] == 200 and key not in DEVIATIONS:
            yield example["method"], example["response"]
    for state in SEEDED:
        for line in (DIRECTORY / state / "examples.jsonl").read_text("utf-8").splitlines():
            example = json.loads(line)
            if example["status"] == 200:
                yield example["method"], with_dropped(example["method"], example["body"])


def with_numbers(method: str, reply: Any) -> Any:
    """Return a reply with numbers where a missing embedding service has left NaN, sent as null."""
    if method != "unified_hybrid_search":
        return reply
    rows, total = reply
    return [[{key: 0.0 if it is None else it for key, it in row.items()} for row in rows], total]


def with_dropped(method: str, reply: Any) -> Any:
    """Return a later release's reply with what it has dropped."""
    if method == "list_presets":
        return reply | {"presets": [with_dropped("get_preset", each) for each in reply["presets"]]}
    if method == "get_preset" and reply is not None and reply["webhook"] is not None:
        return reply | {"webhook": reply["webhook"] | {"secret": "", "provider_webhook_id": ""}}
    if method not in DROPPED or reply is None:
        return reply
    if isinstance(reply, list):
        return [DROPPED[method] | each for each in reply]
    if "agents" in reply:
        return reply | {"agents": [DROPPED[method] | agent for agent in reply["agents"]]}
    return DROPPED[method] | reply


def test_every_method_declares_what_it_returns() -> None:
    assert SCHEMAS.keys() == load_operations().keys()
    for method, schema in SCHEMAS.items():
        anything = method in {"get_execution_kv_data", "set_execution_kv_data"}
        assert (schema == {}) == anything, f"{method} says nothing of what it returns"


def test_what_was_recorded_is_what_is_declared() -> None:
    seen = set()
    for method, reply in recorded():
        if method in SCHEMAS:
            found = fault(method, with_numbers(method, reply), whole=False)
            assert found is None, f"{method}: {found}"
            seen.add(method)
    assert len(seen) > 40


@pytest.mark.parametrize(
    ("method", "place", "other"),
    [
        ("get_graph_execution", ("status",), "DONE"),
        ("get_graph_execution", ("stats", "cost"), "1"),
        ("get_node_executions", (0, "output_data"), []),
        ("get_connected_output_nodes", (0, 1), None),
        ("get_user_by_id", ("email",), None),
        ("get_credits", (), "1"),
    ],
)
def test_another_reply_is_found_out(method: str, place: tuple[Any, ...], other: Any) -> None:
    replies = [reply for name, reply in recorded() if name == method and reply]
    reply = changed = copy.deepcopy([replies[0]])
    for step in (0, *place)[:-1]:
        changed = changed[step]
    changed[(0, *place)[-1]] = other
    assert fault(method, reply[0], whole=False) is not None


def test_a_member_that_is_missing_or_not_declared_is_found_out() -> None:
    (reply, *_) = [reply for name, reply in recorded() if name == "get_user_email_verification"]
    assert fault("get_user_email_verification", reply) is None
    settings = {"human_in_the_loop_safe_mode": True, "sensitive_action_safe_mode": False}
    assert fault("get_graph_settings", settings) is None
    more = fault("get_graph_settings", settings | {"new": 1})
    assert more == "$: missing [], unknown ['new']"
    assert fault("get_graph_settings", settings | {"new": 1}, whole=False) is None
    del settings["sensitive_action_safe_mode"]
    less = fault("get_graph_settings", settings, whole=False)
    assert less == "$: missing ['sensitive_action_safe_mode'], unknown []"


def plain(schema: Any, enums: dict[str, list[str]]) -> Any:  # noqa: PLR0911 - a kind each
    """Return a schema of the contract or of ours in words that both have."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name in enums:
            return ["text"] if name == "ProviderName" else sorted(enums[name])
        return {"BaseNotificationData": {"values": "anything"}, "JsonValue": "anything"}.get(
            name, name
        )
    if "anyOf" in schema or "oneOf" in schema:
        parts = [plain(each, enums) for each in schema.get("anyOf", schema.get("oneOf"))]
        kept = [each for each in parts if each != "integer" or "number" not in parts]
        return sorted(kept, key=str)
    if "enum" in schema or "const" in schema:
        return sorted(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return [plain(schema.get("items", {}), enums)]
    if kind == "object":
        values = schema.get("additionalProperties", True)
        return {"values": "anything" if values is True else plain(values, enums)}
    return ["text"] if kind == "string" else kind


def test_models_have_the_members_that_autogpt_declares() -> None:
    contract = json.loads((CONTRACT / "models.json").read_text("utf-8"))
    enums = contract["enums"]
    compared = 0
    for name, model in contract["models"].items():
        if name not in MODELS or "properties" not in model:
            continue
        declared = MODELS[name]["properties"]
        later = LATER_MEMBERS.get(name, {})
        computed = set(model.get("computed_fields") or ())
        members = {key: one for key, one in model["properties"].items() if key not in computed}
        ours = {key: plain(one, enums) for key, one in declared.items()}
        theirs = {key: plain(one, enums) for key, one in (members | later).items()}
        for key, one in theirs.items():
            assert ours.get(key) == one or (name, key) in WIDER, f"{name}.{key}"
        assert ours.keys() - theirs.keys() <= ALSO.get(name, set()), name
        compared += len(theirs)
    assert compared > 250


def test_labels_that_arguments_take_are_those_of_a_model() -> None:
    labels = {
        typing.get_args(getattr(models, name)) for name in models.__all__ if name not in MODELS
    }
    for found in vars(signature_types).values():
        if isinstance(found, type) and issubclass(found, enum.StrEnum) and len(found):
            assert tuple(found) in labels, f"{found.__name__} is no Literal in models/"
