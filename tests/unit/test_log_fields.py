"""docs/reference/log-fields.md lists every event that the program logs, and no other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "log-fields.md"
LEVELS = {"debug", "info", "warning", "error", "critical", "exception", "log"}


def events_in(source: str) -> set[str]:
    """Return the literal events of calls like `log.info("event", …)`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "write"  # a level chosen by what happened
        ):
            words = node.args[:1]
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in LEVELS
            and isinstance(node.func.value, ast.Name | ast.Attribute)
            and ast.unparse(node.func.value).rpartition(".")[2] in {"log", "record", "_log"}
        ):
            words = node.args[1:2] if node.func.attr == "log" else node.args[:1]
        else:
            continue
        found |= {
            word.value
            for argument in words
            for word in ast.walk(argument)
            if isinstance(word, ast.Constant) and isinstance(word.value, str)
        }
    return found


def test_the_page_lists_what_is_logged() -> None:
    logged = set()
    for path in (ROOT / "daemon").rglob("*.py"):
        logged |= events_in(path.read_text("utf-8"))
    fields, _, events = PAGE.read_text("utf-8").partition("## Events")
    rows = re.findall(r"^\| `([^`]+)` \|", events, re.MULTILINE)
    listed = set(rows)
    assert [each for each in listed if rows.count(each) > 1] == [], "one row for each event"
    assert logged - listed == set(), "add a row for each to docs/reference/log-fields.md"
    assert listed - logged == set(), "docs/reference/log-fields.md lists what nobody logs"
    assert "`event`" in fields
