"""Every how-to is tried: some test names its page, and runs what stands there.

What pages say in passing is not run; that it is understood is held here, for all of them.
"""

from __future__ import annotations

import re
import shlex
import textwrap
from itertools import takewhile
from pathlib import Path

import click
import pytest

from autogpt_db.cli.commands import commands
from autogpt_db.settings import load_settings

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
HOWTOS = sorted((ROOT / "docs" / "howto").glob("*.md"))
PAGES = [*HOWTOS, ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "docs" / "architecture.md"]

BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"^(?:[$#] |sudo )*autogpt-db (.+)|\$\(autogpt-db ([^)]+)\)")


@pytest.mark.parametrize("page", HOWTOS, ids=lambda page: page.stem)
def test_a_page_has_tests_that_read_it(page: Path) -> None:
    readers = [
        test.name
        for test in TESTS.rglob("test_*.py")
        if test != Path(__file__) and page.name in test.read_text("utf-8")
    ]
    print(f"{page.name}: {', '.join(readers)}")
    assert readers, "a page's commands are run by a test, or they are wrong one day"


def named_commands(page: Path) -> list[str]:
    """Return what a page has of our commands, in blocks and in its sentences."""
    text = page.read_text("utf-8")
    typed = [
        line
        for language, block in BLOCK.findall(text)
        for line in textwrap.dedent(block).splitlines()
        if language == "sh" or (language == "console" and line.startswith(("$ ", "# ")))
    ]
    said = SPAN.findall(BLOCK.sub("", text))
    found = (COMMAND.finditer(line) for line in (*typed, *said))
    return [match[1] or match[2] for matches in found for match in matches]


def understood(line: str) -> None:
    """Parse a command line as the program does, and run nothing of it.

    Raises:
        click.UsageError: There is no such command or option.
    """
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|;&<>")
    lexer.whitespace_split = True
    words = list(takewhile(lambda word: not word.startswith(tuple("|;&<>")), lexer))
    command: click.Command | None = commands
    context: click.Context | None = None
    while command is not None:
        context = click.Context(command, parent=context, **command.context_settings)
        _, words, _ = command.make_parser(context).parse_args(words)
        if not isinstance(command, click.Group) or not words:
            return
        _, command, words = command.resolve_command(context, words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_that_a_page_names_is_one(page: Path) -> None:
    for line in named_commands(page):
        print(f"autogpt-db {line}")
        understood(line)


def test_what_is_looked_at_is_what_pages_name() -> None:
    named = {page.stem: named_commands(page) for page in PAGES}
    assert sum(map(len, named.values())) > 80
    assert "admin token" in named["read-over-http"], "one within another"
    assert any(line.startswith("ctl reload") for line in named["look-at-it"]), "in a sentence"
    understood("events --json --last 1 | python3 -c 'print(1)' > file  # what others do is theirs")
    for wrong in ("evens --follow", "events --folow", "admin opn", "logs --folow | head"):
        with pytest.raises(click.UsageError):
            understood(wrong)


def test_every_setting_that_a_page_shows_is_one(tmp_path: Path) -> None:
    file = tmp_path / "autogpt-db.toml"
    shown = [
        textwrap.dedent(block)
        for page in PAGES
        for language, block in BLOCK.findall(page.read_text("utf-8"))
        if language == "toml"
    ]
    assert len(shown) >= 4
    for block in shown:
        file.write_text(block)
        assert load_settings(file=file, environment={}).notices == []
