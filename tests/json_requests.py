# ruff: noqa: E501 - tables of texts
"""Requests made from the service's own OpenAPI document: valid ones, mutated ones, hostile ones.

Everything is JSON text, not values: duplicate keys, numbers beyond a double and lone surrogates
have no other form.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

SEED = Path(__file__).parent / "contract" / "seed.sql"

Texts = st.SearchStrategy[str]

HOSTILE_STRINGS = [
    r'"\u0000"', r'"a\u0000b"', r'"\ud800"', r'"\udfff\ud800"', r'"\u0001\u001f\u007f"', '""', '" "',
    '"\u2028"', '"😀"', r'"\ud83d\ude00"', '"_sa_instance_state"', "\"'; DROP TABLE x; --\"", '"%s%(a)s"',
    '"{}"', r'"\\"', '"NaN"', '"Infinity"', '"1e999"', '"-0"', '"null"', '"' + "x" * 5000 + '"',
    '"' + "é" * 300 + '"',
]  # fmt: skip
HOSTILE_NUMBERS = [
    "0", "-0", "-1", "1", "9007199254740993", "2147483647", "2147483648", "-2147483649", "1.5", "1.0",
    "9223372036854775807", "9223372036854775808", "1e400", "-1e400", "1e-400", "1E+2", "NaN",
    "Infinity", "-Infinity", "1" + "0" * 400, "9" * 4400, "0.1", "1e308", "1e23",
]  # fmt: skip
HOSTILE_DOCUMENTS = [
    "null", "true", "false", "[]", "{}", '{"": 1}', '{"a": 1, "a": 2}', '{"_sa": 1, "_sab": {"a": 1}}',
    r'{"\u0000": 1, "\u005fsa": 2}', r'{"\ud800": 1}', "[" * 600 + "]" * 600, "[" * 500 + "]" * 500,
    '{"a":' * 300 + "1" + "}" * 300, '{"name": 1}', '{"name": "x", "value": NaN}', "[[]]", "[null]",
    '{"payload": {"a": 1e400}}', '{"cleared_inputs": {"a": [1]}}', '{"type": "api_key"}',
]  # fmt: skip
HOSTILE_TIMES = [
    '"2026-01-03"', '"2026-01-03T10:00:00Z"', '"2026-01-03T10:00:00.123456789+14:00"', "0", "1e11",
    '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"-4713-01-01"', '"infinity"',
    '"now"', '"2026-02-30"', "-62135596801", "253402300800", '"12"', "1e400", '""', '"24:00"',
]  # fmt: skip
NO_JSON = [
    "",
    " ",
    "{",
    "nul",
    "[]",
    "null",
    "1",
    '"x"',
    "{}{}",
    '{"a" 1}',
    "{'a': 1}",
    "\ufeff{}",
    "[" * 3000,
]


def _known_texts() -> list[str]:
    """Return the texts of the contract's rows: ids that exist, names, labels."""
    found = re.findall(r"'([^'\n]{1,60})'", SEED.read_text("utf-8"))
    return sorted({json.dumps(each) for each in found})


hostile = st.sampled_from(
    HOSTILE_STRINGS + HOSTILE_NUMBERS + HOSTILE_DOCUMENTS + HOSTILE_TIMES + _known_texts()
)
strings: Texts = (
    st.sampled_from(_known_texts())
    | st.sampled_from(HOSTILE_STRINGS)
    | st.text(max_size=12).map(lambda text: json.dumps(text, ensure_ascii=False))
)
numbers: Texts = (
    st.sampled_from(HOSTILE_NUMBERS)
    | st.integers().map(str)
    | st.floats(allow_nan=False, allow_infinity=False).map(repr)
)


def _array(items: list[str]) -> str:
    return "[" + ", ".join(items) + "]"


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ", ".join(f"{key}: {value}" for key, value in members) + "}"


anything: Texts = st.recursive(
    strings | numbers | hostile,
    lambda inner: (
        st.lists(inner, max_size=4).map(_array)
        | st.lists(st.tuples(strings, inner), max_size=4).map(_object)
    ),
    max_leaves=6,
)


def valid(schema: dict[str, Any]) -> Texts:  # noqa: PLR0911 - a kind each
    """Return texts of values that a schema allows, as far as it says."""
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return st.one_of([valid(each) for each in schema[choice]])
    if "enum" in schema or "const" in schema:
        return st.sampled_from(
            [json.dumps(each) for each in schema.get("enum", [schema.get("const")])]
        )
    kind = schema.get("type")
    if kind == "string":
        if schema.get("format") == "date-time":
            return st.datetimes().map(lambda moment: f'"{moment.isoformat()}Z"')
        if schema.get("format") == "date":
            return st.dates().map(lambda day: f'"{day.isoformat()}"')
        return strings
    if kind == "integer":
        least, most = schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1)
        return (st.integers(-3, 100) | st.integers(least, most)).map(str)
    if kind == "number":
        return st.floats(allow_nan=False, allow_infinity=False).map(repr)
    if kind == "boolean":
        return st.sampled_from(["true", "false"])
    if kind == "null":
        return st.just("null")
    if kind == "array" and "prefixItems" in schema:
        return st.tuples(*map(valid, schema["prefixItems"])).map(lambda items: _array([*items]))
    if kind == "array":
        return st.lists(valid(schema.get("items", {})), max_size=4).map(_array)
    if kind == "object" and "properties" in schema:
        return _members(schema, valid)
    if kind == "object":
        values = schema.get("additionalProperties", True)
        inner = anything if values is True else valid(values)
        return st.lists(st.tuples(strings, inner), max_size=4).map(_object)
    return anything


def _members(schema: dict[str, Any], make: Any) -> Texts:
    required = set(schema.get("required", ()))
    each = [
        (
            st.just(True) if name in required else st.booleans(),
            st.just(json.dumps(name)),
            make(inner),
        )
        for name, inner in schema["properties"].items()
    ]
    return st.tuples(*(st.tuples(*one) for one in each)).map(
        lambda chosen: _object([(name, text) for there, name, text in chosen if there])
    )


def _mutated(schema: dict[str, Any]) -> Texts:
    """Return texts where some parameters are not what they should be, missing, twice, or too many."""

    def loosely(inner: dict[str, Any]) -> Texts:
        if "date-time" in json.dumps(inner):
            return st.sampled_from(HOSTILE_TIMES) | valid(inner) | hostile
        return valid(inner) | valid(inner) | anything | hostile

    loose = {**schema, "required": []}
    extra = st.lists(st.tuples(strings, anything), max_size=2).map(_object)
    return st.one_of(
        _members(schema, loosely),
        _members(schema, loosely),
        _members(loose, loosely),
        st.tuples(_members(schema, loosely), extra).map(_merged),
        st.tuples(_members(schema, valid), _members(loose, loosely)).map(_merged),
    )


def _merged(objects: tuple[str, str]) -> str:
    bodies = [text[1:-1] for text in objects]
    return "{" + ", ".join(body for body in bodies if body) + "}"


def _damaged(pair: tuple[str, int, str]) -> str:
    text, place, insert = pair
    at = place % (len(text) + 1)
    return text[:at] + insert + text[at + 1 :]


def bodies(schema: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Return bodies of one method's requests: a good part valid, the rest not quite or not at all."""
    right = _members(schema, valid)
    wrong = _mutated(schema)
    broken = st.tuples(
        right,
        st.integers(0, 10_000),
        st.sampled_from(["", '"', "{", "}", ",", "\x00", "\\u00", "9"]),
    ).map(_damaged)
    texts = st.one_of(right, right, wrong, wrong, wrong, broken, st.sampled_from(NO_JSON), anything)
    encoded = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    return encoded | encoded | encoded | encoded.map(lambda body: body.replace(b"a", b"\xff", 1))
