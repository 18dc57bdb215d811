"""What pgbench's scripts are put together from."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

BEST_OF = (8, 16, 64)
"""Numbers of clients that pgbench is measured with."""
_NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Script:
    """A pgbench script.

    Attributes:
        text: What stands in it.
        statements: Statements that each of its transactions counts for.
        variables: Texts that it takes by name.
    """

    text: str
    statements: int
    variables: dict[str, str]


def text(value: object) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def statement(sql: str, **expressions: str) -> str:
    """Return a statement of the daemon's with expressions in the place of its parameters."""
    without_comments = re.sub(r"--[^\n]*", "", sql)
    statement = _NAMED.sub(lambda found: expressions[found[1]], without_comments)
    return statement.strip().replace("%%", "%") + ";\n"
