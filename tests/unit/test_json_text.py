"""JSON text against an independent model of the contract's cleaner."""

from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import BodyUnreadableError
from autogpt_db.signatures.json_text import (
    MAXIMUM_DEPTH,
    JsonText,
    NotStorableError,
    NotUnicodeError,
    check_depth,
    clean,
    clean_text_of,
    is_clean,
)

REMOVED = {chr(code) for code in [*range(0x20), 0x7F]} - {"\t", "\n", "\r"}


def model_text(text: str) -> str:
    return "".join(character for character in text if character not in REMOVED)


def model(value: Any) -> Any:
    """Clean as methods.md §0 says, in the plainest words."""
    if isinstance(value, str):
        return model_text(value)
    if isinstance(value, list):
        return [model(item) for item in value]
    if isinstance(value, dict):
        return {
            model_text(key): model(item)
            for key, item in value.items()
            if not key.startswith("_sa") and not model_text(key).startswith("_sa")
        }
    return value


def differs(one: Any, other: Any) -> bool:
    return repr(one) != repr(other)  # 1 is not 1.0 is not True, and 0.0 is not -0.0


# Texts that come close to everything the scan looks for.
fragments = st.sampled_from(
    [
        *("_sa", "_s", "a", "_sa_x", "\\", "\\\\", '"', '"_sa', "\\u0000", "\\b", "\x7f", "\x00"),
        *("\x08", "\x0b", "\x0c", "\x1f", "\t", "\n", "\r", "é", "😀", "\u2028", "\x80", "\ufffd"),
        *("1e999", "3e1234", ":1e999", "7f2a-3e123-1E456", "9" * 199, "9" * 200, "[", "{", "/"),
    ]
)
texts = st.lists(fragments | st.text(max_size=3), max_size=4).map("".join)
numbers = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0, -0.0, 2**53 + 1, 2**64, -(2**70), 10**198, 10**200, 10**308]),
)
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def writings(draw: st.DrawFn) -> bytes:
    """Some value as some writer would put it into JSON text."""
    text = json.dumps(
        draw(values),
        ensure_ascii=draw(st.booleans()),
        indent=draw(st.sampled_from([None, 1])),
        separators=draw(st.sampled_from([(",", ":"), (", ", ": ")])),
    )
    if draw(st.booleans()):
        text = text.replace("/", "\\/").replace("_", "\\u005f")
    return text.encode()


# Numbers as no encoder writes them, but JSON allows them.
number_texts = st.builds(
    lambda sign, whole, fraction, exponent: sign + whole + fraction + exponent,
    st.sampled_from(["", "-"]),
    st.sampled_from(["0", "1", "17", "9" * 199, "9" * 200, "1" + "0" * 307, "9" * 310, "1" * 4400]),
    st.sampled_from(["", ".0", ".5", "." + "3" * 250]),
    st.builds(
        lambda e, sign, digits: e + sign + digits if digits else "",
        st.sampled_from("eE"),
        st.sampled_from(["", "+", "-"]),
        st.sampled_from(["", "0", "5", "99", "099", "100", "0100", "308", "309", "999", "99999"]),
    ),
)


@settings(max_examples=600)
@given(writings())
@example(rb'{"\u005fsa": 1, "_\u0073a": 2, "\u0001_sa": 3, "_\u0001sa": 4, "x_sa": 5}')
@example(rb'{"a": 1, "a\u0001": 2}')
@example(rb'["\\b", "\\\b", "\\\\u0000", "\f", "\/"]')
@example(rb'"_sa"')
@example(b'{"id": "7f2a3e12-3e12-4d0a-8ad3-1c1a2b3c4d5e"}')
def test_cleaning_gives_what_the_model_gives(raw: bytes) -> None:
    read = json.loads(raw)
    expected = model(read)
    text = clean(raw)
    assert not differs(json.loads(text), expected)
    if differs(expected, read):
        assert not is_clean(raw)
        assert not differs(json.loads(text.received), read)
    if is_clean(raw):
        assert text == raw.decode()
        assert text.received == text


@settings(max_examples=300)
@given(number_texts, st.sampled_from(["%s", "[%s]", '{"a":%s}', "[1, %s ]", '["x",\n%s]']))
def test_no_number_beyond_a_double_slips_through(number: str, around: str) -> None:
    raw = (around % number).encode()
    try:
        storable = math.isfinite(float(json.loads(number)))
    except (ValueError, OverflowError):
        storable = False
    if storable:
        assert json.loads(clean(raw)) == json.loads(raw)
    else:
        assert not is_clean(raw)
        with pytest.raises(NotStorableError):
            clean(raw)


@settings(max_examples=300)
@given(values)
def test_cleaning_a_decoded_value_gives_what_the_model_gives(value: Any) -> None:
    expected = model(value)
    received = json.dumps(value)
    text = clean_text_of(value)
    assert not differs(json.loads(text), expected)
    assert not differs(json.loads(text.received), json.loads(received))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("wrapped", [lambda v: v, lambda v: [{"a": v}]])
def test_what_is_no_number_is_refused(value: float, wrapped: Any) -> None:
    with pytest.raises(NotStorableError):
        clean_text_of(wrapped(value))


@pytest.mark.parametrize("value", ["\ud800", ["\udfff"], {"\ud800": 1}])
def test_lone_surrogates_are_refused(value: Any) -> None:
    with pytest.raises(NotUnicodeError):
        clean_text_of(value)
    with pytest.raises(NotUnicodeError):
        clean(json.dumps(value).encode())


def test_what_is_no_utf_8_is_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        clean(b'"\xff"')


@pytest.mark.parametrize(
    "raw",
    [
        b'{"id":"7f2a6e1c-0a53-4d0a-8ad3-1c1a2b3c4d5e","k":"5e3123-1e9999 is no number"}',
        b'{"cputime":9.5e-05,"walltime":1.25e+3,"big":1e99}',
        b'"' + b"5e123" * 900 + b'"',
        b'{"text":"a \\"quoted\\" line\\nand \\/ more \\\\ of it"}',
    ],
)
def test_ordinary_text_passes_as_it_is(raw: bytes) -> None:
    assert is_clean(raw)


def nested(depth: int) -> bytes:
    return b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"]" * (depth % 2) + b"]}" * (depth // 2)


def test_depth_is_bounded_exactly() -> None:
    check_depth(nested(MAXIMUM_DEPTH))
    with pytest.raises(BodyUnreadableError):
        check_depth(nested(MAXIMUM_DEPTH + 1))


def test_breadth_is_not_depth() -> None:
    check_depth(b"[" + b",".join([b'{"a":[]}'] * 5000) + b"]")


@pytest.mark.parametrize("text", ["[" * 2000, '"' + "{" * 1000, "\\" * 7 + '"[[['])
def test_brackets_in_strings_are_not_depth(text: str) -> None:
    body = json.dumps([{text: text}] * 300, ensure_ascii=False).encode()
    check_depth(body)
    with pytest.raises(BodyUnreadableError):
        check_depth(body[:-1] + b"," + nested(MAXIMUM_DEPTH) + b"]")


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300), texts), max_size=6))
def test_depth_agrees_with_counting(steps: list[tuple[int, int, str]]) -> None:
    parts: list[str] = []
    depth = deepest = 0
    for up, down, text in steps:
        parts += ["[" * up, json.dumps(text), "]" * min(down, depth + up)]
        deepest = max(deepest, depth + up)
        depth = max(depth + up - down, 0)
    body = "".join(parts).encode()
    if deepest > MAXIMUM_DEPTH:
        with pytest.raises(BodyUnreadableError):
            check_depth(body)
    else:
        check_depth(body)


@pytest.mark.parametrize("depth", [10_000, 100_000])
def test_great_depth_neither_crashes_nor_recurses(depth: int) -> None:
    for body in (b"[" * depth, nested(depth), b'{"a":' * depth):
        with pytest.raises(BodyUnreadableError):
            check_depth(body)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"[]," * 3_000_000 + b"0]",
        b'["' + b"5e123" * 2_000_000 + b'"]',
        b'["' + b'\\"[' * 3_000_000 + b'"]',
    ],
)
def test_scans_of_large_bodies_take_linear_time(body: bytes) -> None:
    started = time.process_time()
    check_depth(body)
    is_clean(body)
    assert time.process_time() - started < 3


def test_a_document_of_the_greatest_depth_can_be_cleaned() -> None:
    value: Any = "\x01"
    for _ in range(MAXIMUM_DEPTH - 1):
        value = [value]
    assert "u0001" not in clean(json.dumps(value).encode())


def test_json_text_is_its_text() -> None:
    text = JsonText('{"a":1}')
    assert text == '{"a":1}'
    assert text.received == text
