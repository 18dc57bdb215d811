"""From bodies to arguments: what is accepted, what is refused and how; both paths agree."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ArgumentsNotHonouredError,
    ArgumentsUnfitError,
    BodyUnreadableError,
    InvalidValueError,
)
from autogpt_db.helpers import frames
from autogpt_db.operations import (
    BigInteger,
    CredentialInputs,
    ExecutionStatus,
    GraphExecutionStats,
    JsonObject,
    JsonObjectOfObjects,
    JsonText,
    JsonValue,
    StartingNodesInput,
    body_of_another_type,
)
from autogpt_db.signatures.annotations import shape_of
from autogpt_db.signatures.arguments import NO_DEFAULT, ArgumentsDecoder, ParameterShape
from autogpt_db.signatures.detail import MAXIMUM_SHOWN


def decoder(**parameters: Any) -> ArgumentsDecoder:
    """Make a decoder; a parameter is a type, or a type and a default."""
    shapes = [
        ParameterShape(name, shape_of(given[0]), given[1])
        if isinstance(given, tuple)
        else ParameterShape(name, shape_of(given))
        for name, given in parameters.items()
    ]
    return ArgumentsDecoder("an_operation", tuple(shapes))


def body(**arguments: Any) -> bytes:
    return json.dumps(arguments).encode()


def detail(decode: ArgumentsDecoder, request: bytes) -> list[dict[str, Any]]:
    with pytest.raises(ArgumentsInvalidError) as refused:
        decode.decode(request)
    msgspec.json.encode(refused.value.body())  # it can be told
    return refused.value.detail


def refusal(decode: ArgumentsDecoder, request: bytes) -> str:
    with pytest.raises(InvalidValueError) as refused:
        decode.decode(request)
    (message,) = refused.value.args
    assert isinstance(message, str)
    return message


EVERYTHING: dict[str, Any] = {
    "text": str,
    "maybe_text": (str | None, None),
    "integer": (int, 5),
    "limit": (BigInteger | None, None),
    "number": (float, 10.0),
    "flag": (bool, False),
    "at": (datetime | None, None),
    "status": (ExecutionStatus | None, None),
    "order": (Literal["rating", "runs"] | None, None),
    "names": (list[str] | None, None),
    "statuses": (list[ExecutionStatus] | None, None),
    "value": (JsonValue, JsonText("7")),
    "maybe_value": (JsonValue | None, None),
    "object": (JsonObject | None, None),
    "masks": (JsonObjectOfObjects | None, None),
    "credentials": (CredentialInputs | None, None),
    "stats": (GraphExecutionStats | None, None),
    "starting": (StartingNodesInput, []),
}
everything = decoder(**EVERYTHING)


def test_what_was_not_sent_is_the_default() -> None:
    expected = {name: each[1] for name, each in EVERYTHING.items() if isinstance(each, tuple)}
    assert everything.decode(b'{"text":"a"}') == {"text": "a"} | expected


def test_every_type_is_delivered_as_the_database_needs_it() -> None:
    request = body(
        text="a",
        integer=1,
        limit=2**40,
        number=1,
        flag=True,
        at="2026-01-02T03:04:05.678999+01:00",
        status="RUNNING",
        order="runs",
        names=["é"],
        statuses=["QUEUED"],
        value=None,
        maybe_value=None,
        object={"a": [1]},
        masks={"node": {"name": 1}},
        credentials={"c": {"id": "1", "provider": "p", "type": "oauth2", "unknown": 1}},
        stats={"cost": "7"},
        starting=[["node", {"in": "x\x01"}]],
        unknown=None,
    )
    decoded = everything.decode(request)
    assert decoded["at"] == datetime(2026, 1, 2, 2, 4, 5, 678000)  # noqa: DTZ001
    assert decoded["number"] == 1.0
    assert decoded["status"] is ExecutionStatus.RUNNING
    assert decoded["value"] == "null"
    assert decoded["maybe_value"] is None
    assert decoded["object"] == '{"a":[1]}'
    assert json.loads(decoded["credentials"]) == {
        "c": {"id": "1", "title": None, "provider": "p", "type": "oauth2"}
    }
    assert json.loads(decoded["stats"])["cost"] == 7
    ((node, value),) = decoded["starting"]
    assert (node, value) == ("node", '{"in":"x"}')
    assert isinstance(value, JsonText)
    assert json.loads(value.received) == {"in": "x\x01"}


def test_stats_are_the_whole_model_with_what_came_beyond_it() -> None:
    decoded = everything.decode(body(text="", stats={"walltime": "1.5", "node": {"a": 1}}))
    assert json.loads(decoded["stats"]) == {
        "error": None,
        "walltime": 1.5,
        "cputime": 0,
        "nodes_walltime": 0,
        "nodes_cputime": 0,
        "node_count": 0,
        "node_error_count": 0,
        "cost": 0,
        "activity_status": None,
        "correctness_score": None,
        "node": {"a": 1},
    }


def test_of_two_equal_keys_the_last_wins() -> None:
    assert everything.decode(b'{"text":"a","integer":1,"text":"b"}')["text"] == "b"
    assert everything.decode(b'{"text":"a","integer":"1","text":"b"}')["text"] == "b"


# Both paths ----------------------------------------------------------------------------------

plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=3),
    st.sampled_from(["\x00", "\x01", "_sa", "1", " 1 ", "true", "RUNNING", "rating", "2026-01-02"]),
)
jsonish = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=3) | st.sampled_from(["cost", "_sa", "id", "x\x01"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
iso = st.datetimes().map(str) | st.just("2026-01-02T03:04:05.999999+00:00")
objects = st.dictionaries(st.text(max_size=3), jsonish, max_size=3)
credentials = st.fixed_dictionaries(
    {"id": st.text(max_size=3), "provider": st.just("p"), "type": st.just("api_key")},
    optional={"title": st.none() | st.text(max_size=2), "unknown": jsonish},
)
stats = st.fixed_dictionaries(
    {},
    optional={
        "cost": st.integers() | plain,
        "walltime": st.floats(allow_nan=False, allow_infinity=False) | plain,
        "error": st.none() | plain,
        "beyond": jsonish,
    },
)
fitting: dict[str, st.SearchStrategy[Any]] = {
    "text": st.text(max_size=5),
    "maybe_text": st.none() | st.text(max_size=3),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "limit": st.none() | st.integers(-(2**63), 2**63 - 1),
    "number": st.floats(allow_nan=False, allow_infinity=False) | st.integers(),
    "flag": st.booleans(),
    "at": iso,
    "status": st.sampled_from(ExecutionStatus),
    "order": st.sampled_from(["rating", "runs", None]),
    "names": st.lists(st.text(max_size=3), max_size=3),
    "statuses": st.lists(st.sampled_from(ExecutionStatus), max_size=3),
    "value": jsonish,
    "maybe_value": jsonish,
    "object": objects,
    "masks": st.dictionaries(st.text(max_size=3), objects, max_size=2),
    "credentials": st.dictionaries(st.text(max_size=3), credentials, max_size=2),
    "stats": st.none() | stats,
    "starting": st.lists(st.tuples(st.text(max_size=3), objects), max_size=2),
}


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(list(fitting)), unique=True, max_size=6))
    request = {"text": "a"} | {name: draw(fitting[name]) for name in names}
    if draw(st.integers(0, 3)) == 0:
        request[draw(st.sampled_from(list(fitting)))] = draw(jsonish)
    return request


def readable(value: Any) -> Any:
    """Return an argument with documents as what they say, and types with the values."""
    if isinstance(value, JsonText):
        return "document", repr(json.loads(value)), repr(json.loads(value.received))
    if isinstance(value, list | tuple):
        return type(value), [readable(each) for each in value]
    return type(value), value


@settings(max_examples=600)
@given(requests(), st.booleans())
@example({"text": "a", "value": {"b": 1e22, "c": 10**30}}, False)
@example({"text": "a\x00"}, False)
def test_what_both_paths_accept_they_deliver_alike(request: dict[str, Any], ascii_: bool) -> None:
    raw = json.dumps(request, ensure_ascii=ascii_).encode()
    try:
        fast = everything.decode_fast(raw)
    except (msgspec.DecodeError, ValueError, OverflowError):
        return
    slow = everything.decode_slowly(raw)
    for name in EVERYTHING:
        assert readable(fast[name]) == readable(slow[name]), name


def test_what_autogpts_client_sends_takes_the_fast_path() -> None:
    request = {
        "text": "a",
        "integer": 1,
        "number": 1,
        "flag": False,
        "at": "2026-01-02T03:04:05.678+00:00",
        "status": "RUNNING",
        "names": ["é"],
        "statuses": None,
        "value": {"text": "line\nline", "number": 9.5e-05},
        "credentials": {"c": {"id": "1", "title": None, "provider": "p", "type": "oauth2"}},
        "stats": {"walltime": 1.5, "cputime": 0, "error": None, "cost": 3},
        "starting": [["node", {"in": "x"}]],
    }
    everything.decode_fast(json.dumps(request, ensure_ascii=False).encode())


# pydantic as the model -----------------------------------------------------------------------


class Credentials(BaseModel):
    id: str
    title: str | None = None
    provider: str
    type: Literal["api_key", "oauth2", "user_password", "host_scoped"]


class Stats(BaseModel):
    model_config = ConfigDict(extra="allow")

    error: str | None = None
    walltime: float = 0
    cputime: float = 0
    nodes_walltime: float = 0
    nodes_cputime: float = 0
    node_count: int = 0
    node_error_count: int = 0
    cost: int = 0
    activity_status: str | None = None
    correctness_score: float | None = None


MODELS: dict[str, Any] = {
    "names": list[str] | None,
    "statuses": list[ExecutionStatus] | None,
    "object": dict[str, Any] | None,
    "masks": Mapping[str, Mapping[str, Any]] | None,
    "credentials": Mapping[str, Credentials] | None,
    "stats": Stats | None,
    "starting": list[tuple[str, dict[str, Any]]],
}


def model_entries(model_type: Any, name: str, value: Any) -> set[tuple[str, tuple[Any, ...]]]:
    try:
        TypeAdapter(model_type).validate_python(value)
    except ValidationError as error:
        return {(each["type"], ("body", name, *each["loc"])) for each in error.errors()}
    return set()


@settings(max_examples=600)
@given(st.sampled_from(list(MODELS)).flatmap(lambda n: st.tuples(st.just(n), fitting[n] | jsonish)))
@example(("starting", [["a"], ["b", {}, 1], [1, 2], []]))
@example(("credentials", {"c": {"id": 1, "type": "x"}}))
@example(("stats", {"cost": 1.5, "walltime": "x", "error": 1}))
def test_containers_and_models_are_refused_as_pydantic_would(given_: tuple[str, Any]) -> None:
    name, value = given_
    value = json.loads(json.dumps(value))
    expected = {
        (kind.replace("model_type", "model_attributes_type"), location)
        for kind, location in model_entries(MODELS[name], name, value)
    }
    try:
        everything.decode(body(text="a", **{name: value}))
        found = set()
    except ArgumentsInvalidError as error:
        found = {(each["type"], tuple(each["loc"])) for each in error.detail}
    except InvalidValueError:  # it fits; PostgreSQL is another matter
        found = set()
    assert found == expected


# Refusals ------------------------------------------------------------------------------------


def test_every_field_at_fault_is_named() -> None:
    entries = detail(everything, body(text=1, integer="x", flag="maybe", names=["a", None]))
    assert [(each["type"], each["loc"], each["input"]) for each in entries] == [
        ("string_type", ["body", "text"], 1),
        ("int_parsing", ["body", "integer"], "x"),
        ("bool_parsing", ["body", "flag"], "maybe"),
        ("string_type", ["body", "names", 1], None),
    ]


def test_a_missing_field_shows_the_whole_body() -> None:
    (entry,) = detail(decoder(user_id=str, key=str), body(user_id="alice"))
    assert entry == {
        "type": "missing",
        "loc": ["body", "key"],
        "msg": "Field required",
        "input": {"user_id": "alice"},
    }


def test_a_long_value_is_not_repeated() -> None:
    (entry,) = detail(everything, body(text=["x" * MAXIMUM_SHOWN]))
    assert "too many" in entry["input"]


@pytest.mark.parametrize("request_", [b"", b"null", b" null "])
def test_a_missing_body_is_refused_even_where_nothing_is_asked_for(request_: bytes) -> None:
    (entry,) = detail(decoder(), request_)
    assert (entry["type"], entry["loc"], entry["input"]) == ("missing", ["body"], None)


def test_an_empty_object_is_enough_where_nothing_is_asked_for() -> None:
    assert decoder().decode(b"{}") == {}


@pytest.mark.parametrize("request_", [b"[]", b'"text"', b"1", b"true", b"[{}]"])
def test_a_body_that_is_no_object_is_refused(request_: bytes) -> None:
    (entry,) = detail(everything, request_)
    assert (entry["type"], entry["loc"]) == ("model_attributes_type", ["body"])


@pytest.mark.parametrize(
    ("request_", "offset"),
    [
        (b'{"text":', 8),
        ('{"é":x}'.encode(), 5),
        (b'{"text":"a"} x', 13),
        (b"{'text':1}", 1),
        (b'{"text":"a\nb"}', 10),
        (b'{"text":"a","x":"\x01"}', 17),
        (b" ", 1),
    ],
)
def test_malformed_json_is_refused_at_its_character(request_: bytes, offset: int) -> None:
    (entry,) = detail(everything, request_)
    assert (entry["type"], entry["loc"], entry["input"]) == ("json_invalid", ["body", offset], {})
    assert entry["ctx"]["error"]


@pytest.mark.parametrize(
    "request_",
    [
        b'{"text":"\xff"}',
        b'{"text":"a","unknown":"\xff"}',
        b'{"text":"a","value":"\xed\xa0\x80"}',
        b'{"text":"a","integer":' + b"1" * 4301 + b"}",
        b'{"text":"a","value":[' + b"1" * 4301 + b"]}",
        b'{"text":"a","value":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"text":"a","value":' + b"[" * 100_000,
        b'{"text":' * 100_000,
        b'{"text":"a","unknown":' + b"[" * 600 + b"]" * 600 + b"}",
    ],
    ids=lambda request_: request_[:30],
)
def test_what_is_no_json_text_at_all_is_unreadable(request_: bytes) -> None:
    with pytest.raises(BodyUnreadableError) as refused:
        everything.decode(request_)
    assert refused.value.body() == {"detail": "There was an error parsing the body"}


def test_depth_within_the_bound_is_accepted_by_both_paths() -> None:
    request = b'{"text":"a","value":' + b"[" * 511 + b"]" * 511 + b"}"
    assert everything.decode_fast(request)["value"] == "[" * 511 + "]" * 511
    assert everything.decode_slowly(request)["value"] == "[" * 511 + "]" * 511


def test_a_byte_order_mark_does_no_harm() -> None:
    assert everything.decode(b'\xef\xbb\xbf{"text":"a"}')["text"] == "a"


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "-1E+400", "9" * 400])
@pytest.mark.parametrize("around", ["%s", "[%s]", '{"a":{"b":%s}}'])
def test_numbers_that_are_none_are_refused_in_json(token: str, around: str) -> None:
    request = f'{{"text":"a","value":{around % token}}}'.encode()
    assert refusal(everything, request).startswith("value holds NaN")


@pytest.mark.parametrize(
    "request_",
    [
        b'{"text":NaN}',
        b'{"value":NaN}',
        b'{"unknown":1e999}',
        b"[Infinity]",
        b'{"text":"a","integer":NaN}',
    ],
)
def test_an_error_that_would_show_nan_is_a_bad_value(request_: bytes) -> None:
    refusal(everything, request_)


@pytest.mark.parametrize(
    ("value", "harmless"),
    [("null", True), ("false", False), ("0", False), ('""', False), ("[]", False), ("NaN", False)],
)
def test_an_argument_that_nobody_knows_asks_for_nothing_when_it_is_null(
    value: str, harmless: bool
) -> None:
    request = f'{{"text":"a","unknown":{value}}}'.encode()
    if harmless:
        assert everything.decode(request)["text"] == "a"
    else:
        with pytest.raises((ArgumentsNotHonouredError, InvalidValueError)):
            everything.decode(request)


def test_an_argument_of_a_later_release_asks_for_nothing_at_its_default() -> None:
    decoder_ = ArgumentsDecoder(
        "an_operation",
        (ParameterShape("text", shape_of(str)),),
        {"narrow": None, "wide": True, "order": "createdAt", "most": 50},
    )
    decode, fast, slow = decoder_.decode, decoder_.decode_fast, decoder_.decode_slowly
    for harmless in ({}, {"narrow": None}, {"wide": True}, {"order": "createdAt", "most": 50}):
        request = body(text="a", **harmless)
        for read in (decode, fast, slow):  # no newer client is sent the slow way for them
            assert read(request) == {"text": "a"}
    # Absent isn't false, and null isn't absent: each of these asks for something.
    for wrong in ({"narrow": ""}, {"wide": False}, {"wide": None}, {"most": 50.0}, {"most": True}):
        with pytest.raises(ArgumentsNotHonouredError) as refused:
            decode(body(text="a", **wrong))
        (name,) = wrong
        assert refused.value.names == (name,)
        (entry,) = refused.value.detail
        assert (entry["loc"], entry["input"]) == (["body", name], wrong[name])


def test_what_does_not_fit_is_told_before_what_is_not_known() -> None:
    with pytest.raises(ArgumentsInvalidError) as refused:
        everything.decode(b'{"text":1.5,"unknown":1}')
    assert not isinstance(refused.value, ArgumentsNotHonouredError)


def test_a_large_value_that_is_not_known_is_not_repeated() -> None:
    with pytest.raises(ArgumentsNotHonouredError) as refused:
        everything.decode(body(text="a", unknown="x" * (MAXIMUM_SHOWN + 1)))
    assert len(str(refused.value.detail)) < 1000


@pytest.mark.parametrize(
    ("request_", "location"),
    [
        (rb'{"text":"\ud800"}', ["body", "text"]),
        (rb'{"text":"a","names":["b","\udfff"]}', ["body", "names", 1]),
        (rb'{"text":"a","value":{"a":["\ud800"]}}', ["body", "value"]),
        (rb'{"text":"a","object":{"\ud800":1}}', ["body", "object"]),
        (rb'{"text":"a","stats":{"error":"\ud800"}}', ["body", "stats", "error"]),
    ],
)
def test_lone_surrogates_are_refused_by_name(request_: bytes, location: list[Any]) -> None:
    (entry,) = detail(everything, request_)
    assert (entry["type"], entry["loc"]) == ("string_unicode", location)


def test_a_lone_surrogate_beside_another_fault_can_be_told() -> None:
    entries = detail(everything, rb'{"integer":{"\ud800":1},"credentials":{"\ud800":1}}')
    assert [each["type"] for each in entries] == ["missing", "int_type", "model_attributes_type"]


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (rb'{"text":"a\u0000"}', "text"),
        (rb'{"text":"a","maybe_text":"\u0000"}', "maybe_text"),
        (rb'{"text":"a","names":["b","\u0000"]}', "names.1"),
        (rb'{"text":"a","starting":[["\u0000",{}]]}', "starting.0.0"),
    ],
)
def test_nul_in_text_is_refused_by_name(request_: bytes, name: str) -> None:
    assert refusal(everything, request_).startswith(f"{name} holds the character U+0000")


def test_a_refusal_carries_what_it_is_about() -> None:
    with pytest.raises(ArgumentsUnfitError) as refused:
        everything.decode(rb'{"text":"a","names":["b; c","\u0000"],"limit":9223372036854775808}')
    assert sorted((each.argument, each.place) for each in refused.value.unfit) == [
        ("limit", "limit"),
        ("names", "names.1"),
    ]
    # Unlike an error's words, which a helper's reply carries as well.
    (said,) = refused.value.args
    assert said.endswith(".")
    answer = frames.read_reply(frames.reply(frames.failed(refused.value)))
    with pytest.raises(ArgumentsUnfitError) as told:
        answer.value()
    assert told.value.unfit == refused.value.unfit


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (b'{"text":"a","integer":2147483648}', "integer"),
        (b'{"text":"a","integer":-2147483649}', "integer"),
        (b'{"text":"a","integer":"2147483648"}', "integer"),
        (b'{"text":"a","limit":9223372036854775808}', "limit"),
        (b'{"text":"a","limit":' + b"9" * 400 + b"}", "limit"),
    ],
)
def test_integers_beyond_their_column_are_refused_by_name(request_: bytes, name: str) -> None:
    assert refusal(everything, request_).startswith(f"{name} is beyond the ")


def test_what_does_not_fit_comes_before_what_cannot_be_stored() -> None:
    (entry,) = detail(everything, rb'{"text":"\u0000","flag":"maybe"}')
    assert entry["loc"] == ["body", "flag"]


@pytest.mark.parametrize(("sent", "kind"), [(b"text", "model_attributes_type"), (b"", "missing")])
def test_a_body_of_another_content_type_is_refused(sent: bytes, kind: str) -> None:
    (entry,) = body_of_another_type(sent).detail
    assert (entry["type"], entry["loc"]) == (kind, ["body"])


# Types ---------------------------------------------------------------------------------------


class Plain(enum.Enum):
    A = 1


@pytest.mark.parametrize(
    "annotation", [bytes, Any, dict[str, int], int | str, Plain, Literal[1], tuple[int, ...], set]
)
def test_a_type_that_no_request_can_carry_is_refused(annotation: Any) -> None:
    with pytest.raises(TypeError, match="no type that a request can carry"):
        shape_of(annotation)


def test_a_default_is_required_where_there_is_none() -> None:
    assert ParameterShape("a", shape_of(str)).required
    assert ParameterShape("a", shape_of(str), NO_DEFAULT).required
    assert not ParameterShape("a", shape_of(str | None), None).required
