"""JSON text on its way into the database: scanned, and cleaned only where it must be.

AutoGPT cleans every JSON value before it stores it: control characters disappear from strings and
keys, entries whose key starts with `_sa` disappear altogether. Nearly every value is clean already,
so it travels as the bytes that came in: `clean` proves with a few searches that the cleaner would
change nothing. Whatever the searches cannot vouch for is decoded, cleaned and encoded again.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

import msgspec

from autogpt_db.errors import BodyUnreadableError

MAXIMUM_DEPTH = 512
"""Levels of arrays and objects that a request may nest, its own object included.

AutoGPT's processes read the stored values with Python's json module, which gives up somewhat below
1,000 levels; a reply wraps a value in a few levels more.
"""

_BRACKETS_AT_ONCE = 256

_CONTROL_CHARACTERS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_DROPPED_PREFIX = "_sa"
_ODD_KEY = re.compile(rf"\A{_DROPPED_PREFIX}|{_CONTROL_CHARACTERS.pattern}")

# \u may spell anything; \b and \f spell control characters.
_ESCAPE = re.compile(rb"\\[ubf]")
# A number can exceed a double (1.8e308) only with 200 digits or with an exponent of three: fewer
# digits and two of exponent stay below 1e299. Searching for fixed bytes among digits made equal is
# several times faster than a regular expression; without signs one search does.
_DIGITS_ALIKE = bytes.maketrans(b"0123456789E", b"0000000000e")
_SIGNS = b"+-"
_MANY_DIGITS = 200
_LONG_NUMBER = b"0" * _MANY_DIGITS
_LARGE_EXPONENT = b"0e000"
_BEFORE_NUMBERS = b":,[ \t\r\n"
# Hexadecimal text such as UUIDs has exponents everywhere; past so many, decoding is cheaper.
_EXPONENTS_LOOKED_AT = 1000

_TOO_LARGE = "holds NaN, an infinity or a number too large for a double, which cannot be stored"

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_OPENING = bytes.maketrans(b"{}", b"[]")

_encode = msgspec.json.Encoder().encode


class NotStorableError(ValueError):
    """A JSON value that no JSON column can hold; the message completes "x …"."""


class NotUnicodeError(ValueError):
    """A string with a lone surrogate: no UTF-8 can carry it."""


class JsonText(str):
    """A JSON value as text, cleaned, ready to be bound as `%(name)s::jsonb`.

    It is the request's own text wherever cleaning would change nothing, so white space and the
    spelling of numbers are the caller's.
    """

    __slots__ = ("_received",)

    _received: str

    @property
    def received(self) -> str:
        """Return the value as it came, before cleaning, for replies that repeat it.

        It is JSON text as well. Bind it as `json`, never as `jsonb`: it may hold U+0000.
        """
        try:
            return self._received
        except AttributeError:
            return self


def clean(raw: bytes | memoryview) -> JsonText:
    """Return the cleaned text of one JSON value.

    Args:
        raw: Well-formed JSON in UTF-8, as cut out of a decoded body.

    Raises:
        NotStorableError: It holds a number beyond a double.
        NotUnicodeError: It spells a lone surrogate.
        UnicodeDecodeError: It is not UTF-8.
    """
    raw = bytes(raw)
    text = raw.decode()
    if is_clean(raw):
        return JsonText(text)
    try:
        value = json.loads(text)
    except ValueError as error:  # an integer of more than 4,300 digits
        raise NotStorableError(_TOO_LARGE) from error
    return clean_text_of(value, received=text)


def is_clean(raw: bytes) -> bool:
    """Tell whether a quick scan proves that the cleaner would change nothing.

    False means "perhaps not": the value must be decoded to know.
    """
    return not (
        (b"\\" in raw and _ESCAPE.search(raw))
        or b'"_sa' in raw
        or b"\x7f" in raw
        or _may_hold_large_number(raw)
    )


def _may_hold_large_number(raw: bytes) -> bool:
    alike = raw.translate(_DIGITS_ALIKE, _SIGNS)
    if len(alike) >= _MANY_DIGITS and _LONG_NUMBER in alike:
        return True
    place = alike.find(_LARGE_EXPONENT)
    for _ in range(_EXPONENTS_LOOKED_AT):
        if place < 0:
            return False
        before = alike[max(place - _MANY_DIGITS, 0) : place + 1].rstrip(b"0.")
        if not before or before[-1] in _BEFORE_NUMBERS:
            return True  # a number, not the inside of a word
        place = alike.find(_LARGE_EXPONENT, place + 1)
    return True


def clean_text_of(value: Any, *, received: str | None = None) -> JsonText:
    """Return the cleaned text of a decoded JSON value, which is changed in place.

    Args:
        value: What `json.loads` makes of JSON text.
        received: That text, where the caller has it.

    Raises:
        NotStorableError: It holds NaN, an infinity, or a number beyond a double.
        NotUnicodeError: It holds a lone surrogate.
    """
    try:
        before = _encode(value).decode() if received is None else received
        value, changed = _cleaned(value)
        # Text that came in is never sent on from here: the scan found something odd in it.
        after = before if received is None and not changed else _encode(value).decode()
    except UnicodeEncodeError as error:
        raise NotUnicodeError(str(error)) from error
    text = JsonText(after)
    if changed:
        text._received = before  # noqa: SLF001 - its own maker
    return text


def _cleaned(value: Any) -> tuple[Any, bool]:
    """Clean a decoded value without recursion, and tell whether that changed it."""
    holder = [value]
    changed = False
    pending: list[list[Any] | dict[str, Any]] = [holder]
    while pending:
        container = pending.pop()
        if isinstance(container, dict):
            changed |= _clean_keys(container)
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        replacements: list[tuple[Any, str]] = []
        for place, item in entries:
            if isinstance(item, str):
                if _CONTROL_CHARACTERS.search(item):
                    replacements.append((place, _CONTROL_CHARACTERS.sub("", item)))
            elif isinstance(item, dict | list):
                pending.append(item)
            elif isinstance(item, float | int):
                _check_number(item)
        for place, replacement in replacements:
            container[place] = replacement
        changed |= bool(replacements)
    return holder[0], changed


def _clean_keys(entries: dict[str, Any]) -> bool:
    if not any(map(_ODD_KEY.search, entries)):
        return False
    kept: dict[str, Any] = {}
    for key, item in entries.items():
        cleaned = _CONTROL_CHARACTERS.sub("", key)
        # Both spellings: AutoGPT drops such keys when it converts, then removes the characters; a
        # key that only becomes one by the removal would be dropped by the next conversion, on the
        # way out. What is stored must not depend on how often it travels.
        if not key.startswith(_DROPPED_PREFIX) and not cleaned.startswith(_DROPPED_PREFIX):
            kept[cleaned] = item
    entries.clear()
    entries.update(kept)
    return True


def with_endless_numbers_as_null(value: Any) -> Any:
    """Return a decoded value with null for NaN, infinities and numbers beyond a double inside it.

    The value itself stays what it is: only what an array or object holds is replaced, in place.
    """
    pending = [value]
    while pending:
        container = pending.pop()
        if not isinstance(container, dict | list):
            continue
        entries = container.items() if isinstance(container, dict) else enumerate(container)
        endless = []
        for place, item in entries:
            if isinstance(item, dict | list):
                pending.append(item)
            elif isinstance(item, float | int) and not _is_storable(item):
                endless.append(place)
        for place in endless:
            container[place] = None
    return value


def _check_number(number: float) -> None:
    if not _is_storable(number):
        raise NotStorableError(_TOO_LARGE)


def _is_storable(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every double
        return False


def check_depth(body: bytes) -> None:
    """Refuse JSON text that nests deeper than `MAXIMUM_DEPTH`, in one pass, without recursion.

    Text that isn't JSON gets an arbitrary verdict; the decoder refuses it anyway.

    Raises:
        BodyUnreadableError: It nests too deep.
    """
    if len(body) <= MAXIMUM_DEPTH or body.count(b"[") + body.count(b"{") <= MAXIMUM_DEPTH:
        return
    # Backslash pairs first, so that every quote still escaped then is escaped by the one before.
    unescaped = body.replace(rb"\\", b"").replace(rb"\"", b"")
    outside_strings = b"".join(unescaped.split(b'"')[::2])
    brackets = outside_strings.translate(_OPENING, _NOT_BRACKETS)
    depth = 0
    for start in range(0, len(brackets), _BRACKETS_AT_ONCE):
        some = brackets[start : start + _BRACKETS_AT_ONCE]
        opening = some.count(b"[")
        if depth + opening > MAXIMUM_DEPTH:
            _check_steps(some, depth)
        depth += 2 * opening - len(some)


def _check_steps(brackets: bytes, depth: int) -> None:
    for bracket in brackets:
        depth += 1 if bracket == ord("[") else -1
        if depth > MAXIMUM_DEPTH:
            raise BodyUnreadableError
