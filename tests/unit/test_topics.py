"""The documentation is where the program is: `autogpt-db help`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from autogpt_db.cli.commands import commands

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("howto/*.md")) + sorted((ROOT / "docs").glob("reference/*.md"))

_WITHOUT_CODE = re.compile(r"(?ms)^```.*?^```")


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands, list(words))
    return done.exit_code, done.output


def test_every_page_is_listed_with_its_heading() -> None:
    code, listed = run("help")
    assert code == 0
    for page in PAGES:
        (heading,) = re.findall(r"(?m)^# (.+)$", _WITHOUT_CODE.sub("", page.read_text("utf-8")))
        assert re.search(rf"^  {re.escape(page.stem)} +{re.escape(heading)}$", listed, re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_printed_as_it_stands(page: Path) -> None:
    assert run("help", page.stem) == (0, page.read_text("utf-8").rstrip("\n") + "\n")


def test_a_command_s_help_is_found_as_well_and_a_mistyped_one_is_guessed() -> None:
    code, printed = run("help", "rotate-key")
    assert code == 0
    assert "--autogpt-stopped" in printed
    code, printed = run("help", "rotate-encryption-key")
    assert code == 2
    assert "Did you mean rotate-the-encryption-key" in printed
    assert run("help", "xyzzy")[0] == 2


def test_what_the_program_says_names_no_page_that_an_installation_lacks() -> None:
    """Where a message names a page, it says how to read it."""
    strings = re.compile(r"""^(?!\s*#)(?!\s*\"\"\").*["'].*docs/howto/""", re.MULTILINE)
    for file in (ROOT / "daemon").rglob("*.py"):
        if file.name == "reference.py":  # it writes them
            continue
        assert not strings.search(file.read_text("utf-8")), file


def test_the_index_leads_to_every_page() -> None:
    index = ROOT / "docs" / "index.md"
    linked = re.findall(r"(?m)^- \[(.+)\]\((.+)\)$", index.read_text("utf-8"))
    assert {index.parent / place for _, place in linked} >= {*PAGES}
    for _, place in linked:
        assert (index.parent / place).exists(), place
