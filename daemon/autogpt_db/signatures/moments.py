"""Moments in time and dates as AutoGPT's clients write them, and as its columns hold them.

Every timestamp column is TIMESTAMP(3) without zone, holding UTC. So a moment becomes a naive
datetime in UTC, cut to milliseconds; text without offset is UTC.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime, time, timedelta, timezone

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - naive UTC is what the columns hold
_SECONDS_LIMIT = 20_000_000_000
"""Unix times beyond this are milliseconds (rpc.md §4)."""

_ISO = re.compile(
    r"""
    (?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})
    (?:
        [Tt\ _]
        (?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})
        (?: :(?P<second>[0-9]{2}) (?:[.,](?P<fraction>[0-9]+))? )?
        (?:
            [Zz]
            | (?P<sign>[-+\N{MINUS SIGN}]) (?P<hours>[01][0-9]|2[0-3]):?(?P<minutes>[0-5][0-9])
        )?
    )?
    """,
    re.VERBOSE,
)
_NUMERIC = re.compile(r"[+-]?(?:[0-9]{1,18}|(?=\.?[0-9])[0-9]{0,18}\.[0-9]*(?:[eE][+-]?[0-9]+)?)")


def from_text(text: str) -> datetime:
    """Return the moment that ISO text or the text of a unix time stands for.

    Raises:
        ValueError: It is neither, or beyond the years 1 to 9999; the message says which.
    """
    written = _from_text(text)
    return as_stored(written) if written.tzinfo else _cut(written)


def date_from_text(text: str) -> date:
    """Return the date that ISO text, or the text of a unix time, of its first moment stands for.

    What offset it is written with plays no part: the date is the one that is written.

    Raises:
        InexactError: It is another moment than midnight.
        ValueError: It is neither, or beyond the years 1 to 9999; the message says which.
    """
    return _exact(_from_text(text))


def date_from_unix_time(number: float) -> date:
    """Return the date that begins so many seconds, or milliseconds beyond 2·10^10, after 1970.

    Raises:
        InexactError: It is another moment than midnight.
        ValueError: It is not a number, or beyond the years 1 to 9999.
        OverflowError: It is an integer beyond every double.
    """
    return _exact(_from_unix_time(number))


class InexactError(ValueError):
    """A moment in the place of a date that is not the first of its day."""


def _exact(written: datetime) -> date:
    if written.time() != time():
        raise InexactError("it has a time of day")
    return written.date()


def _from_text(text: str) -> datetime:
    """Return the moment as it is written, with its offset; a unix time has none."""
    found = _ISO.fullmatch(text)
    if found is None:
        if _NUMERIC.fullmatch(text):
            return _from_unix_time(float(text) if "." in text else int(text))
        raise ValueError("the text is neither an ISO 8601 date and time nor a unix time")
    return datetime(
        int(found["year"]),
        int(found["month"]),
        int(found["day"]),
        int(found["hour"] or 0),
        int(found["minute"] or 0),
        int(found["second"] or 0),
        int((found["fraction"] or "")[:6].ljust(6, "0")),
        tzinfo=_offset(found),
    )


def as_stored(moment: datetime) -> datetime:
    """Return a moment with an offset as a column holds it.

    Raises:
        ValueError: In UTC it is beyond the years 1 to 9999.
    """
    try:
        return _cut(moment.astimezone(UTC).replace(tzinfo=None))
    except OverflowError:
        raise ValueError("the year is out of range") from None


def from_unix_time(number: float) -> datetime:
    """Return the moment so many seconds, or milliseconds beyond 2·10^10, after 1970.

    Raises:
        ValueError: It is not a number, or beyond the years 1 to 9999.
        OverflowError: It is an integer beyond every double.
    """
    return _cut(_from_unix_time(number))


def _from_unix_time(number: float) -> datetime:
    float(number)  # raises for what is beyond any moment and any double
    if math.isnan(number):
        raise ValueError("NaN values not permitted")
    unit = 1 if abs(number) <= _SECONDS_LIMIT else 1000
    if math.isinf(number):
        raise ValueError("the year is out of range")
    whole = math.floor(number)
    microseconds = round((number - whole) * (1_000_000 // unit))
    try:
        seconds, rest = divmod(whole, unit)
        return _EPOCH + timedelta(
            seconds=seconds, microseconds=rest * (1_000_000 // unit) + microseconds
        )
    except OverflowError:
        raise ValueError("the year is out of range") from None


def _offset(found: re.Match[str]) -> timezone:
    if found["sign"] is None:
        return UTC
    offset = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"]))
    return timezone(offset if found["sign"] == "+" else -offset)


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
