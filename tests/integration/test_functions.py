"""The functions of 0002_functions.sql, with pydantic and Python as the models."""

from __future__ import annotations

import json
import math
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

held_against_the_model = settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

letters = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
spaces = st.sampled_from(["", "", "", " ", "\t", "\u2003", "\xa0", "\x1f", "\n"])
number_texts = st.builds(
    "{}{}{}".format,
    spaces,
    st.from_regex(r"\A[+-]?[0-9_]{0,4}(\.[0-9_]{0,3})?([eE][+-]?[0-9]{1,3})?\Z")
    | st.sampled_from(["nan", "inf", "1" * 400, "٣", "1e1_0", "0x1", "1_000", "007", "5.00"]),
    spaces,
)
words = st.sampled_from(["true", "FALSE", "yes", "No", "y", "N", "t", "f", "on", "Off", "1", "0"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    # Larger ones came back from AutoGPT's engine as floats.
    st.integers(-(2**53), 2**53),
    st.sampled_from([2**64, -(2**64), 0.0, -0.0, 1.5, 2.0]),
    st.floats(-1e9, 1e9).map(lambda number: float(f"{number:.6g}")),
    letters,
    number_texts,
    words,
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=6,
)


class GraphStats(BaseModel):
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


class NodeStats(BaseModel):
    error: str | None = None
    walltime: float = 0
    cputime: float = 0
    input_size: int = 0
    output_size: int = 0
    llm_call_count: int = 0
    llm_retry_count: int = 0
    input_token_count: int = 0
    output_token_count: int = 0
    extra_cost: int = 0
    extra_steps: int = 0
    cleared_inputs: dict[str, list[str]] | None = None
    cleared_outputs: dict[str, list[str]] | None = None


class Reference(BaseModel):
    id: str
    title: str | None = None
    provider: str
    type: Literal["api_key", "oauth2", "user_password", "host_scoped"]


class GraphSettings(BaseModel):
    human_in_the_loop_safe_mode: bool = True
    sensitive_action_safe_mode: bool = False


class LaterGraphSettings(GraphSettings):
    builder_chat_session_id: str | None = None


class TopUp(BaseModel):
    amount: int
    threshold: int


WIRE_NAMES = {
    "cost": "cost",
    "walltime": "duration",
    "cputime": "duration_cpu_only",
    "nodes_walltime": "node_exec_time",
    "nodes_cputime": "node_exec_time_cpu_only",
    "node_count": "node_exec_count",
    "node_error_count": "node_error_count",
    "error": "error",
    "activity_status": "activity_status",
    "correctness_score": "correctness_score",
}


def objects_like(model: type[BaseModel], likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return objects with some of a model's members, most of a likely type, and one unknown."""
    members = dict.fromkeys(model.model_fields, likely | values)
    return st.fixed_dictionaries({}, optional=members | {"unknown": scalars}) | values


numbers = st.integers(0, 99) | st.floats(0, 99).map(lambda number: round(number, 3)) | number_texts
# What AutoGPT itself stores.
whole_stats = st.fixed_dictionaries(
    {
        "error": st.none() | letters,
        "walltime": st.floats(0, 99).map(lambda number: round(number, 3)),
        "cputime": st.integers(0, 99),
        "nodes_walltime": st.just(1.5),
        "nodes_cputime": st.just(0),
        "node_count": st.integers(0, 99) | st.sampled_from([2.0, 1.5]),
        "node_error_count": st.just(0),
        "cost": st.integers(0, 99),
        "activity_status": st.none() | letters,
        "correctness_score": st.none() | st.floats(0, 1).map(lambda number: round(number, 3)),
    }
)
lists = st.dictionaries(letters, st.lists(letters, max_size=3), max_size=3)


class Functions:
    """Calls one function of ours at a time, on a column, as the operations do."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def __call__(self, name: str, value: Any) -> Any:
        # As JSON, what is no JSON already, so that numbers stay as they are.
        row = self._connection.execute(
            f"SELECT to_json(autogpt_db.{name}(given))::text"
            " FROM (SELECT %s::jsonb AS given OFFSET 0) AS one".encode(),
            (None if value is ... else json.dumps(value),),
        ).fetchone()
        assert row is not None
        return None if row[0] is None else json.loads(row[0])

    def of_text(self, name: str, value: Any, kind: str = "text") -> Any:
        row = self._connection.execute(
            f"SELECT autogpt_db.{name}(given) FROM (SELECT %s::{kind} AS given) AS one".encode(),
            (value,),
        ).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def functions(database_url: str) -> Iterator[Functions]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield Functions(connection)


def loaded(model: Any, value: Any) -> Any:
    """Return what pydantic makes of a value; None when it refuses or makes an infinity of it."""
    try:
        found = TypeAdapter(model).validate_python(value)
    except ValidationError:
        return None
    plain = found.model_dump() if isinstance(found, BaseModel) else found
    endless = isinstance(plain, dict) and any(
        isinstance(member, float) and not math.isfinite(member) for member in plain.values()
    )
    return None if endless else plain


def as_double(number: float) -> float:
    """Return the nearest double; beyond them infinity, as for a number that is written so."""
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def same(actual: Any, expected: Any) -> bool:
    """Compare numbers as doubles: PostgreSQL keeps every digit of a text."""
    if {type(expected), type(actual)} == {int, float}:
        return as_double(actual) == as_double(expected)
    if isinstance(expected, dict) and isinstance(actual, dict):
        return actual.keys() == expected.keys() and all(
            same(actual[name], value) for name, value in expected.items()
        )
    if isinstance(expected, list) and isinstance(actual, list):
        return len(actual) == len(expected) and all(map(same, actual, expected))
    return type(actual) is type(expected) and bool(actual == expected)


def as_object(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value = json.loads(value, parse_constant=_no_json)
        except ValueError:
            return {"value": value}
    if isinstance(value, dict):
        return value
    return {"value": value}


def _no_json(word: str) -> Any:
    raise ValueError(word)


@held_against_the_model
@given(values | values.map(json.dumps))
@example("")
@example("null")
@example("NaN")
@example("[1,2]")
@example([])
@example({"0": 1})
@example("1E30")
def test_as_object(functions: Functions, value: Any) -> None:
    if isinstance(value, list):
        expected = {str(place): item for place, item in enumerate(value)}
    else:
        expected = as_object(value)
    assert same(functions("as_object_v1", value), expected)


def test_text_that_only_python_reads_stays_text(functions: Functions) -> None:
    assert functions("as_object_v1", '{"a": "\\u0000"}') == {"value": '{"a": "\\u0000"}'}
    deep = "[" * 100_000
    assert functions("as_object_v1", deep + "]" * 100_000) == {"value": deep + "]" * 100_000}


@held_against_the_model
@given(values)
@example("x" * 200)
@example({})
@example(0.0)
def test_truth_is_pythons(functions: Functions, value: Any) -> None:
    assert functions("truthy_v1", value) is bool(value)


def test_nothing_is_not_true(functions: Functions) -> None:
    assert functions("truthy_v1", ...) is False
    assert functions("as_object_v1", ...) is None
    assert functions("object_or_null_v1", ...) is None
    assert functions("credential_inputs_v1", ...) is None
    assert functions("execution_stats_v1", ...) is None
    assert functions("cleared_inputs_v1", ...) is None
    assert functions("cleared_outputs_v1", ...) is None


CONVERSIONS: list[tuple[str, Any]] = [
    ("lax_integer_v1", int),
    ("lax_number_v1", Annotated[float, Field(allow_inf_nan=False)]),
    ("lax_boolean_v1", bool),
]


@pytest.mark.parametrize(("name", "model"), CONVERSIONS)
@held_against_the_model
@given(value=values)
def test_a_loose_conversion_is_pydantics(
    functions: Functions, name: str, model: Any, value: Any
) -> None:
    expected = loaded(model, value)
    if isinstance(value, int) and abs(value) >= 2**63:
        expected = loaded(model, float(value))
    assert same(functions(name, value), expected)


@held_against_the_model
@given(whole_stats | objects_like(GraphStats, numbers))
@example({})
@example({"cost": [5]})
@example({"node_count": 2**64})
def test_graph_execution_stats(functions: Functions, stats: Any) -> None:
    # Numbers as large as that came back from AutoGPT's engine as floats.
    as_read = stats
    if isinstance(stats, dict):
        as_read = {
            name: float(value) if isinstance(value, int) and abs(value) >= 2**63 else value
            for name, value in stats.items()
        }
    found = loaded(GraphStats, as_read)
    expected = found and {wire: found[name] for name, wire in WIRE_NAMES.items()}
    actual = functions("execution_stats_v1", stats)
    assert (actual is None) == (expected is None)
    for name, member in (expected or {}).items():
        assert same(actual[name], member)
        assert isinstance(member, int) <= isinstance(actual[name], int)


@held_against_the_model
@given(
    st.builds(
        lambda stats, inputs, outputs: (
            {**stats, "cleared_inputs": inputs, "cleared_outputs": outputs}
            if isinstance(stats, dict)
            else stats
        ),
        objects_like(NodeStats, numbers),
        lists | values,
        lists | values,
    )
)
@example({"cleared_inputs": {"a": []}, "cleared_outputs": None})
@example({"cleared_inputs": {"a": ["x", "y"]}, "walltime": None})
def test_cleared_data(functions: Functions, stats: Any) -> None:
    found = loaded(NodeStats, stats) or {}
    inputs, outputs = found.get("cleared_inputs"), found.get("cleared_outputs")
    assert functions("cleared_inputs_v1", stats) == (
        {name: (each or [""])[-1] for name, each in inputs.items()} if inputs else None
    )
    assert functions("cleared_outputs_v1", stats) == (outputs or None)


references = st.fixed_dictionaries(
    {
        "id": letters,
        "provider": letters,
        "type": st.sampled_from(["api_key", "oauth2", "user_password", "host_scoped"]),
    },
    optional={"title": st.none() | letters, "unknown": scalars},
)


@held_against_the_model
@given(
    st.dictionaries(letters, references, max_size=3)
    | st.dictionaries(letters, references | objects_like(Reference, letters), max_size=2)
    | values
)
def test_credential_inputs(functions: Functions, value: Any) -> None:
    found = loaded(dict[str, Reference], value) if value else {}
    if found is None:
        with pytest.raises(psycopg.Error) as failure:
            functions("credential_inputs_v1", value)
        assert failure.value.sqlstate == "AG400"
        return
    expected = {name: reference.model_dump() for name, reference in found.items()}
    assert functions("credential_inputs_v1", value) == (expected or None)


@held_against_the_model
@given(values)
def test_only_an_object_or_null_passes(functions: Functions, value: Any) -> None:
    if value is None or isinstance(value, dict):
        assert functions("object_or_null_v1", value) == value
        return
    with pytest.raises(psycopg.Error) as failure:
        functions("object_or_null_v1", value)
    assert failure.value.sqlstate == "AG400"


@held_against_the_model
@given(objects_like(GraphSettings, st.none() | st.booleans() | words))
def test_graph_settings(functions: Functions, stored: Any) -> None:
    expected = loaded(GraphSettings, given_members(stored)) or GraphSettings().model_dump()
    assert functions("graph_settings_v1", stored) == expected


@held_against_the_model
@given(objects_like(LaterGraphSettings, st.none() | st.booleans() | words))
def test_settings_with_a_builders_chat(functions: Functions, stored: Any) -> None:
    defaults = LaterGraphSettings().model_dump()
    found = loaded(LaterGraphSettings, given_members(stored))
    assert functions("graph_settings_v2", stored) == (found or defaults)
    assert functions("library_settings_v2", stored) == (
        found if isinstance(stored, dict) else library_text(stored)
    )


def given_members(stored: Any) -> dict[str, Any]:
    """Return an object's members but for those that are null."""
    if not isinstance(stored, dict):
        return {}
    return {name: member for name, member in stored.items() if member is not None}


def library_text(stored: Any) -> Any:
    """Return what a library makes of settings that are no object, but may be the text of one."""
    try:
        value = json.loads(stored) if isinstance(stored, str) else None
    except ValueError:
        return None
    return loaded(LaterGraphSettings, given_members(value)) if isinstance(value, dict) else None


@held_against_the_model
@given(objects_like(TopUp, numbers))
def test_top_up_config(functions: Functions, stored: Any) -> None:
    assert functions("top_up_config_v1", stored) == loaded(TopUp, stored)


@held_against_the_model
@given(values | values.map(json.dumps))
def test_user_metadata(functions: Functions, stored: Any) -> None:
    found = as_object(stored) if isinstance(stored, str) else stored
    if isinstance(stored, str) and list(found) == ["value"]:
        found = json.loads(stored) if stored.startswith('{"value"') else {}
    assert functions("user_metadata_v1", stored) == (found if isinstance(found, dict) else {})


@held_against_the_model
@given(st.builds("{}{}{}{}".format, spaces, spaces, letters, spaces))
def test_stripped(functions: Functions, text: str) -> None:
    model: Callable[[Any], Any] = TypeAdapter(
        Annotated[str, StringConstraints(strip_whitespace=True)]
    ).validate_python
    assert functions.of_text("stripped_v1", text) == model(text)


@held_against_the_model
@given(st.datetimes())
@example(datetime.fromisoformat("2026-01-02"))
@example(datetime.fromisoformat("2026-01-02T03:04:05.100"))
def test_moments(functions: Functions, moment: datetime) -> None:
    cut = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert functions.of_text("iso_v1", cut, "timestamp") == f"{cut.isoformat()}Z"


def test_inlined_functions_leave_no_call(database_url: str) -> None:
    """A call of an SQL function that isn't inlined costs more than what it does."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        names = connection.execute(
            "SELECT proname, proargtypes[0]::regtype::text FROM pg_proc "
            "JOIN pg_language AS language ON language.oid = prolang "
            "WHERE pronamespace = 'autogpt_db'::regnamespace AND lanname = 'sql' "
            "AND proname LIKE '%\\_v1' AND pronargs = 1"
        ).fetchall()
        assert len(names) >= 9
        for name, kind in names:
            connection.execute(
                f'CREATE TEMP TABLE IF NOT EXISTS "of {kind}" (given {kind})'.encode()
            )
            call = f'SELECT autogpt_db.{name}(given) FROM "of {kind}"'
            plan = connection.execute(f"EXPLAIN (VERBOSE) {call}".encode()).fetchall()
            assert f"autogpt_db.{name}(" not in str(plan), name
