"""Loose conversions of JSON values, one function per type, as AutoGPT's validation makes them.

Each takes what `json.loads` returns and either returns the value or raises `RefusedError`, whose
kinds and messages are those of pydantic's lax mode. Tests hold every function against pydantic.
"""

from __future__ import annotations

import enum
import math
import re
from typing import Any, NoReturn, TypeVar

from autogpt_db.signatures import moments

Label = TypeVar("Label", bound=enum.StrEnum)

# Unicode's White_Space; Python's strip() would take four separators more.
_WHITE_SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(
    map(chr, range(0x2000, 0x200B))
)
_INTEGER = re.compile(r"(?P<digits>[+-]?[0-9]+(?:_[0-9]+)*)(?:\.0+)?")
_INT64 = 2**63

_WORDS = {
    **dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True),
    **dict.fromkeys(("0", "false", "f", "no", "n", "off"), False),
}


class RefusedError(ValueError):
    """A value that cannot be converted.

    Attributes:
        kind: The entry's `type`.
        message: The entry's `msg`.
        context: The entry's `ctx`; empty for none.
    """

    def __init__(self, kind: str, message: str, **context: Any) -> None:
        self.kind = kind
        self.message = message
        self.context = context
        super().__init__(message)


def text(value: Any) -> str:
    """Return a string as it is; nothing else becomes one."""
    if not isinstance(value, str):
        raise RefusedError("string_type", "Input should be a valid string")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise RefusedError(
                "string_unicode",
                "Input should be a valid string, unable to parse raw data as a unicode string",
            ) from None
    return value


def text_of_length(value: Any, least: int, most: int) -> str:
    """Return a string of so many characters as it is."""
    found = text(value)
    if len(found) < least:
        raise RefusedError(
            "string_too_short",
            f"String should have at least {_characters(least)}",
            min_length=least,
        )
    if len(found) > most:
        raise RefusedError(
            "string_too_long", f"String should have at most {_characters(most)}", max_length=most
        )
    return found


def _characters(number: int) -> str:
    return f"{number} character" if number == 1 else f"{number} characters"


def integer(value: Any) -> int:
    """Return an integer from a number without fraction, a boolean, or the text of either form."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return _integer_from_float(value)
    if isinstance(value, str):
        return _integer_from_text(value)
    raise RefusedError("int_type", "Input should be a valid integer")


def number(value: Any) -> float:
    """Return a float from a number, a boolean, or the text of a number."""
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            raise RefusedError("float_type", "Input should be a valid number") from None
    if isinstance(value, str):
        return _number_from_text(value)
    raise RefusedError("float_type", "Input should be a valid number")


def boolean(value: Any) -> bool:
    """Return a boolean from itself, from 0 and 1, or from a word such as `yes`."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    if isinstance(value, str):
        word = _WORDS.get(value.lower())
        if word is not None:
            return word
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, str) or (whole and -_INT64 <= value < _INT64):
        raise RefusedError(
            "bool_parsing", "Input should be a valid boolean, unable to interpret input"
        )
    raise RefusedError("bool_type", "Input should be a valid boolean")


def moment(value: Any) -> Any:
    """Return a naive UTC datetime, cut to milliseconds, from ISO text or unix time."""
    try:
        if isinstance(value, str):
            return moments.from_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return moments.from_unix_time(value)
    except ValueError as error:
        kind, what = (
            ("datetime_from_date_parsing", "datetime or date")
            if isinstance(value, str)
            else ("datetime_parsing", "datetime")
        )
        raise RefusedError(
            kind, f"Input should be a valid {what}, {error}", error=str(error)
        ) from None
    except OverflowError:
        pass
    raise RefusedError("datetime_type", "Input should be a valid datetime")


def date(value: Any) -> Any:
    """Return a date from ISO text or unix time, of the date or of its first moment."""
    try:
        if isinstance(value, str):
            return moments.date_from_text(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return moments.date_from_unix_time(value)
    except moments.InexactError:
        raise RefusedError(
            "date_from_datetime_inexact",
            "Datetimes provided to dates should have zero time - e.g. be exact dates",
        ) from None
    except ValueError as error:
        raise RefusedError(
            "date_from_datetime_parsing",
            f"Input should be a valid date or datetime, {error}",
            error=str(error),
        ) from None
    except OverflowError:
        pass
    raise RefusedError("date_type", "Input should be a valid date")


def label(value: Any, labels: type[Label]) -> Label:
    """Return the member of an enumeration that has exactly this value."""
    if isinstance(value, str):
        for member in labels:
            if member.value == value:
                return member
    raise _no_choice("enum", [member.value for member in labels])


def label_in_any_case(value: Any, labels: type[Label]) -> Label:
    """Return the member of an enumeration, all upper case, that has this value in any case."""
    return label(value.upper() if isinstance(value, str) else value, labels)


def choice(value: Any, choices: tuple[str, ...]) -> str:
    """Return one of the literal strings."""
    if isinstance(value, str) and value in choices:
        return value
    raise _no_choice("literal_error", list(choices))


def _no_choice(kind: str, values: list[str]) -> RefusedError:
    quoted = [repr(value) for value in values]
    expected = " or ".join(filter(None, [", ".join(quoted[:-1]), quoted[-1]]))
    return RefusedError(kind, f"Input should be {expected}", expected=expected)


def _integer_from_float(value: float) -> int:
    if not math.isfinite(value):
        raise RefusedError("finite_number", "Input should be a finite number")
    if not value.is_integer():
        raise RefusedError(
            "int_from_float",
            "Input should be a valid integer, got a number with a fractional part",
        )
    if not -_INT64 <= value < _INT64:
        _refuse_size()
    return int(value)


def _integer_from_text(value: str) -> int:
    found = _INTEGER.fullmatch(value.strip(_WHITE_SPACE))
    if found is None:
        raise RefusedError(
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        )
    try:
        return int(found["digits"])
    except ValueError:  # more than 4,300 digits
        _refuse_size()


def _refuse_size() -> NoReturn:
    raise RefusedError(
        "int_parsing_size",
        "Unable to parse input string as an integer, exceeded maximum size",
    )


def _number_from_text(value: str) -> float:
    stripped = value.strip(_WHITE_SPACE)
    if "_" in stripped:
        # Single ones are left out wherever they stand inside, unless there is white space, too.
        inside = "__" not in value and not value.startswith("_") and not value.endswith("_")
        stripped = value.replace("_", "") if inside else ""
    # Python itself would take the digits of every script, and strip separators that are no space.
    if stripped.isascii() and stripped == stripped.strip():
        try:
            return float(stripped)
        except ValueError:
            pass
    raise RefusedError(
        "float_parsing", "Input should be a valid number, unable to parse string as a number"
    )
