"""Taking connection strings apart, with certainty or not at all.

libpq and urllib guess: of `u:p@ss@host` they take a part of the password for the host, and whoever
shows the host shows the password. Here a text that can be read in two ways is refused, and no
message repeats any of it: it says which character must be written how.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote

from autogpt_db.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Collection

EXAMPLE = "postgresql://user:password@host:5432/database?schema=platform"

_IN_EVERY_LIBPQ = frozenset(
    {
        "application_name",
        "connect_timeout",
        "dbname",
        "host",
        "options",
        "password",
        "port",
        "sslmode",
        "user",
    }
)
"""Nearly all that URLs have: only for others libpq has to be loaded, and asked."""
_SCHEMES = ("postgresql", "postgres")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f]")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})|%00")
_HOST = re.compile(r"\[(?P<address>[0-9A-Fa-f:.%]+)\]|(?P<name>[^\[\]:]*)")
_KEYWORD = re.compile(r"\s*(?P<key>[A-Za-z_]+)\s*=\s*")
_QUOTED = re.compile(r"'(?P<text>(?:[^'\\]|\\.)*)'(?=\s|\Z)", re.DOTALL)
_PLAIN = re.compile(r"(?P<text>(?:[^\s'\\]|\\.)*)(?=\s|\Z)", re.DOTALL)


class Parts(NamedTuple):
    """A connection string's parts, decoded.

    Attributes:
        parameters: libpq's words for user, password, host, port and database.
        options: What else it says, in order; a word may stand twice.
    """

    parameters: dict[str, str]
    options: list[tuple[str, str]]


def take_apart(text: str, name: str) -> Parts:
    """Return the parts of a URL or of a libpq keyword string.

    Args:
        text: `postgresql://…`, or `key=value …`.
        name: What error messages call it: `database.url`.

    Raises:
        ConfigurationError: It is neither, or can be read in two ways.
    """
    text = text.strip()
    scheme = _SCHEME.match(text)
    if text.startswith(("'", '"')):
        raise ConfigurationError(
            f"{name}: begins with a quotation mark. A shell takes those away, a file keeps them: "
            "write it without any around it."
        )
    if scheme is None:
        return Parts({}, _keywords(text, name))
    if scheme[0] not in _SCHEMES:
        raise ConfigurationError(f"{name}: must start with postgresql://, as in {EXAMPLE}.")
    rest = text[scheme.end() + len("://") :]
    _check_characters(rest, name)
    before_query, _, query = rest.partition("?")
    authority, _, database = before_query.partition("/")
    credentials, _, hosts = authority.rpartition("@")
    parameters = _hosts(hosts, name)
    if credentials:
        user, colon, password = credentials.partition(":")
        parameters |= {"user": unquote(user)} | ({"password": unquote(password)} if colon else {})
    if database:
        parameters["dbname"] = unquote(database)
    return Parts({key: value for key, value in parameters.items() if value}, _query(query, name))


def known_words() -> frozenset[str]:
    """Return the connection parameters that this libpq knows."""
    return _known_words()


@cache
def _known_words() -> frozenset[str]:
    from psycopg import pq

    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())


def check_words(words: Collection[str], also: Collection[str], name: str) -> None:
    """Refuse parameters that nobody knows, naming the known one that is nearest.

    Args:
        words: What the connection string has.
        also: What is known beside libpq's own.
        name: What error messages call it.

    Raises:
        ConfigurationError: One is unknown. It is not shown: it may be a password's rest.
    """
    others = [word for word in words if word not in also and word not in _IN_EVERY_LIBPQ]
    if not others:
        return
    known = known_words() | frozenset(also)
    for word in others:
        if word in known:
            continue
        nearest = get_close_matches(word.lower(), sorted(known), n=1)
        meant = f"is {nearest[0]} meant?" if nearest else "misspelt?"
        raise ConfigurationError(
            f"{name}: has a parameter that neither libpq nor Prisma knows ({meant}). If it is part "
            "of the password: in a URL write & as %26, = as %3D and ? as %3F; in key=value text "
            "put the password in single quotes."
        )


def _check_characters(rest: str, name: str) -> None:
    """Refuse what makes a URL mean two things."""
    wrong = None
    if _BLANK.search(rest):
        wrong = "a space or another invisible character; write a space as %20"
    elif _BROKEN_ESCAPE.search(rest):
        wrong = "a % that begins no two hexadecimal digits (or %00); write % itself as %25"
    elif "#" in rest:
        wrong = "a #; write it as %23"
    elif "\\" in rest:
        wrong = "a backslash; write it as %5C"
    elif rest.count("@") > 1:
        wrong = "more than one @; write each one within user, password or parameters as %40"
    elif "@" in rest and "@" not in re.split("[/?]", rest, maxsplit=1)[0]:
        wrong = (
            "a / or ? before its @; in user and password write / as %2F and ? as %3F (and an @ "
            "behind the host as %40)"
        )
    if wrong:
        raise ConfigurationError(f"{name}: the URL holds {wrong}. Expected {EXAMPLE}.")


def _hosts(text: str, name: str) -> dict[str, str]:
    hosts: list[str] = []
    ports: list[str] = []
    for one in text.split(","):
        found = _HOST.match(one)
        rest = one[found.end() :] if found else one
        port = rest.removeprefix(":")
        if found is None or (rest and rest[0] != ":") or (port and not port.isdecimal()):
            raise ConfigurationError(
                f"{name}: what stands where host and port are expected is neither. If it is part "
                "of the password, write : as %3A, / as %2F, [ as %5B, @ as %40 and , as %2C. "
                f"Expected {EXAMPLE}."
            )
        hosts.append(unquote(found["address"] or found["name"] or ""))
        ports.append(port)
    parameters = {"host": ",".join(hosts).rstrip(",") and ",".join(hosts)}
    if any(ports):
        # libpq takes one port for all hosts, or one for each; an empty one is its default.
        parameters["port"] = ",".join(ports)
    return parameters


def _query(text: str, name: str) -> list[tuple[str, str]]:
    options = []
    for pair in filter(None, text.split("&")):
        key, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(
                f"{name}: one of the URL's parameters has no value. If it is part of the password, "
                "write & as %26 and ? as %3F."
            )
        options.append((unquote(key), unquote(value)))
    return options


def _keywords(text: str, name: str) -> list[tuple[str, str]]:
    """Read libpq's `key=value …`, whose own messages would repeat what they can't read."""
    options = []
    place = 0
    while place < len(text):
        keyword = _KEYWORD.match(text, place)
        if keyword is None:
            raise ConfigurationError(
                f"{name}: is neither a URL nor key=value text: a word stands where `key=` is "
                "expected. A value with a space in it, a password say, must stand in single "
                f"quotes. Expected {EXAMPLE}, or host=… user=… password='…' dbname=…."
            )
        place = keyword.end()
        quoted = text.startswith("'", place)
        value = (_QUOTED if quoted else _PLAIN).match(text, place)
        if value is None:
            raise ConfigurationError(
                f"{name}: a value of its key=value text is not quoted right. In single quotes "
                r"write ' as \' and \ as \\."
            )
        options.append((keyword["key"], re.sub(r"\\(.)", r"\1", value["text"], flags=re.DOTALL)))
        place = value.end()
    if not options:
        raise ConfigurationError(f"{name}: is empty. Expected {EXAMPLE}.")
    return options
