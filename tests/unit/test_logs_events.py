"""Each event is declared once, logged by its declaration alone, and explained."""

from __future__ import annotations

import ast
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs
from tools.reference.events import journal_catalogue, log_fields_page

from autogpt_db.logs import declaration
from autogpt_db.logs.declaration import EVENTS, event
from autogpt_db.logs.events import SECTIONS, all_events
from autogpt_db.metrics.declaration import PREFIX
from autogpt_db.metrics.families import FAMILIES

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).parents[2] / "daemon" / "autogpt_db"
DECLARATIONS = PACKAGE / "logs" / "events"
ROOM = "autogpt_db.logs.events"


def sources() -> Iterator[tuple[Path, ast.Module]]:
    """Yield every module that may log, and what it says."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path.parent != DECLARATIONS:
            yield path, ast.parse(path.read_text("utf-8"))


def logged_in(module: ast.Module) -> set[str]:
    """Return the events whose declarations a module uses, as `log.host_silent`."""
    sections = {
        (name.asname or name.name): name.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and node.module == ROOM
        for name in node.names
        if name.name in SECTIONS
    }
    used = {
        node.attr
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id in sections
    }
    singly = {
        name.name
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{ROOM}.")
        for name in node.names
    }
    return used | singly


def test_every_file_of_declarations_is_a_section_of_the_page() -> None:
    files = {path.stem for path in DECLARATIONS.glob("*.py")} - {"__init__"}
    assert set(SECTIONS) == files, "name each file in SECTIONS of logs/events/__init__.py"


def test_every_declared_event_is_logged() -> None:
    used = {name for _, module in sources() for name in logged_in(module)}
    assert all_events().keys() - used == set(), "nobody logs these: delete their declarations"


def test_no_event_is_named_by_a_literal() -> None:
    # A name of one word is a word of the language, too.
    names = {name for name in all_events() if "_" in name}
    literal = {
        f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value}"
        for path, module in sources()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert literal == set(), "use the declaration in logs/events/: `log.host_silent(…)`, or `.name`"


def test_another_level_is_one_that_the_declaration_says() -> None:
    names = {logging.getLevelName(level): level for level in (10, 20, 30, 40, 50)}
    for path, module in sources():
        for node in ast.walk(module):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr == "at"
                and isinstance(node.func.value, ast.Attribute)
                and node.func.value.attr in all_events()
            ):
                named = {each.id for each in ast.walk(node.args[0]) if isinstance(each, ast.Name)}
                levels = {names[name] for name in named & names.keys()}
                known = {*all_events()[node.func.value.attr].levels}
                assert levels <= known, f"{path}:{node.lineno}: declare it, @event(…)"


def test_whoever_reads_a_warning_is_told_what_to_do() -> None:
    untold = [
        name
        for name, found in all_events().items()
        if max(found.levels) >= logging.WARNING
        and not found.advice
        and "remedy" not in found.fields
    ]
    assert untold == [], "say in their docstrings' second paragraphs what an operator does"


def test_what_counts_an_event_is_a_metric() -> None:
    counters = {found.counter for found in all_events().values() if found.counter}
    assert {PREFIX + counter for counter in counters} - FAMILIES.keys() == set()


def test_an_entry_of_the_journal_s_catalogue_names_fields_of_its_event_only() -> None:
    numbers = []
    for found in all_events().values():
        if found.entry is None:
            continue
        numbers.append(found.entry.message_id)
        text = " ".join([found.entry.subject, *found.advice])
        fields = {*found.fields, "autogpt_db_process"}
        assert {name.lower() for name in re.findall(r"@([A-Z_]+)@", text)} <= fields, found.name
    assert len(numbers) == len(set(numbers))
    assert [number for number in numbers if not re.fullmatch(r"[0-9a-f]{32}", number)] == []
    listed = [line[3:] for line in journal_catalogue() if line.startswith("-- ")]
    assert listed == sorted(numbers)


def test_the_page_has_a_row_for_each_event() -> None:
    row = re.compile(r"\| `(\w+)` \| (?:debug|info|warning|error|critical)\b")
    rows = [found[1] for line in log_fields_page() if (found := row.match(line))]
    assert sorted(rows) == sorted(all_events())


@pytest.fixture
def noted() -> Iterator[Any]:
    @event(logging.INFO, logging.DEBUG)
    def noted(*, what: str, why: str | None = None, how: int | None) -> None:
        """Something was noted."""

    yield noted
    del EVENTS["noted"]


def test_a_field_is_left_out_only_where_it_may_be(noted: Any) -> None:
    with capture_logs() as records:
        noted(what="a", how=None)
        noted.at(logging.WARNING, what="b", why="c", how=1)
    assert records == [
        {"what": "a", "how": None, "event": "noted", "log_level": "info"},
        {"what": "b", "why": "c", "how": 1, "event": "noted", "log_level": "warning"},
    ]
    assert noted.fields == {"what": True, "why": False, "how": True}


def test_nothing_is_done_where_the_level_is_off(
    noted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(declaration, "_least", logging.WARNING)
    monkeypatch.setattr(declaration, "_pipe", None)  # would fail, if it were used
    noted(what="a", how=None)
    noted.at(logging.DEBUG, what="a", how=None)
    with pytest.raises(AttributeError):
        noted.at(logging.WARNING, what="a", how=None)


def test_two_events_of_one_name_are_refused(noted: Any) -> None:
    def noted_again(*, what: str) -> None:
        """Something else was noted."""

    noted_again.__name__ = noted.name
    with pytest.raises(TypeError, match="declares the event noted as well"):
        event(logging.INFO)(noted_again)
