"""Large JSON of every shape: what a body within the limits may hold, and each method that takes it.

Everything comes from a seed, so that a case can be sent again.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

MEGABYTE = 1024 * 1024


def _filled(size: int, start: str, piece: str, end: str) -> str:
    """Return `start`, as many pieces as fit with commas between them, and `end`."""
    count = max(1, (size - len(start) - len(end)) // (len(piece) + 1))
    return start + (piece + ",") * (count - 1) + piece + end


def _array(piece: str, last: str = "") -> Callable[[int], str]:
    return lambda size: _filled(size, "[", piece, f",{last}]" if last else "]")


def _keyed(value: str, last: str = "", prefix: str = "") -> Callable[[int], str]:
    def make(size: int) -> str:
        count = max(1, size // (len(prefix) + len(value) + 10))
        members = ",".join([f'"{prefix}{place:x}":{value}' for place in range(count)])
        return "{" + members + (f",{last}" if last else "") + "}"

    return make


def _text(piece: str) -> Callable[[int], str]:
    return lambda size: '"' + piece * (size // max(1, len(piece.encode()))) + '"'


def _nested(size: int) -> str:
    one = "[" * 400 + "]" * 400
    return _filled(size, "[", one, "]")


SHAPES: dict[str, Callable[[int], str]] = {
    "empty objects": _array("{}"),
    "empty lists and a NUL": _array("[]", '"\\u0000"'),
    "empty lists and a lone surrogate": _array("[]", '"\\ud800"'),
    "objects and a NUL": _array('{"":0}', '"\\u0000"'),
    "objects in objects and a NUL": _array('{"":{"":[]}}', '"\\u0000"'),
    "starting pairs": _array('["",{}]'),
    "starting pairs and a NUL": _array('["",{"a":1}]', '["",{"\\u0000":1}]'),
    "numbers": _array("0"),
    "numbers and a NUL": _array("0", '"\\u0000"'),
    "fractions": _array("-1.5e-07"),
    "large exponents": _array("1e100"),
    "too large a number": _array("0", "1e999"),
    "long numbers": _array("1" * 250),
    "an endless number": lambda size: "1" * size,
    "not a number": _array("NaN"),
    "words with exponents": _array('"1e100"'),
    "empty strings": _array('""'),
    "strings and a NUL": _array('""', '"\\u0000"'),
    "ids": _array('"0123abcd-4567-89ef-0123-456789abcdef"'),
    "true and null": _array("true,null"),
    "a long string": _text("a"),
    "a long string of two bytes": _text("é"),
    "a long string of three bytes": _text("漢"),
    "a long string of four bytes": _text("😀"),
    "a long string with one of four": lambda size: '"😀' + "a" * size + '"',
    "escaped NULs": _text("\\u0000"),
    "escaped letters": _text("\\u00e9"),
    "escaped surrogate pairs": _text("\\ud83d\\ude00"),
    "escaped lone surrogates": _text("\\ud800"),
    "escaped quotes": _text('\\"'),
    "escaped line ends": _text("\\n"),
    "many keys": _keyed("0"),
    "many keys and a NUL": _keyed("0", '"\\u0000":1'),
    "many keys to be dropped": _keyed("0", prefix="_sa"),
    "objects of objects": _keyed("{}"),
    "objects of lists": _keyed("[[]]"),
    "objects of wrong kind": _keyed('{"type":1}'),
    "one key again and again": lambda size: _filled(size, "{", '"a":0', "}"),
    "a long key": lambda size: '{"' + "k" * size + '":1}',
    "a long key with a NUL": lambda size: '{"' + "k" * size + '\\u0000":1}',
    "deep": _nested,
    "too deep": lambda size: "[" * (size // 2) + "]" * (size // 2),
    "spaces": lambda size: "{" + " " * size + "}",
    "credentials": lambda size: (
        '{"credentials":' + _filled(size, "[", '{"id":"","type":"api_key"}', "]") + "}"
    ),
    "credentials of nothing": lambda size: '{"credentials":' + _filled(size, "[", "{}", "]") + "}",
    "stats and more": _keyed('"x"', '"cost":"7","node_count":1.0'),
    "not JSON": lambda size: "[" + "0," * (size // 2),
    "not JSON at all": lambda size: "}" * size,
}


@dataclass(frozen=True)
class Case:
    """One request.

    Attributes:
        method: What is called.
        parameter: Which of its parameters is large.
        shape: What it holds.
        size: Its bytes, roughly.
    """

    method: str
    parameter: str
    shape: str
    size: int

    def body(self, schema: Mapping[str, Any]) -> bytes:
        """Return the request's body.

        Args:
            schema: That of the method's request.
        """
        members = [
            f'"{name}":{_smallest(schema["properties"][name])}'
            for name in schema["required"]
            if name != self.parameter
        ]
        members.append(f'"{self.parameter}":{SHAPES[self.shape](self.size)}')
        return ("{" + ",".join(members) + "}").encode()


def cases(
    schemas: Mapping[str, Mapping[str, Any]], seed: int, sizes: Iterable[int]
) -> Iterable[Case]:
    """Yield a case for each size: every shape in turn, over the methods and their parameters.

    Args:
        schemas: Those of the requests, by method.
        seed: What they are chosen by.
        sizes: Bytes of the large parameter.
    """
    chance = random.Random(seed)
    places = [
        (method, parameter)
        for method, schema in schemas.items()
        for parameter in schema["properties"]
    ]
    shapes: list[str] = []
    left: list[tuple[str, str]] = []
    for size in sizes:
        if not shapes:
            shapes = list(SHAPES)
            chance.shuffle(shapes)
        if not left:
            left = list(places)
            chance.shuffle(left)
        method, parameter = left.pop()
        yield Case(method, parameter, shapes.pop(), size)


def _smallest(schema: Mapping[str, Any]) -> str:
    """Return the shortest JSON that fits a schema well enough."""
    for each in schema.get("anyOf", [schema]):
        if "enum" in each:
            return json.dumps(each["enum"][0])
        found = {
            "string": '"2025-01-01"' if each.get("format") == "date-time" else '"a"',
            "integer": "1",
            "number": "1",
            "boolean": "true",
            "array": "[]",
            "object": "{}",
        }.get(each.get("type", ""))
        if found is not None:
            return found
    return "null"
