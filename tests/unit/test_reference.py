"""Generated files are what `make reference` writes now."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString

import pytest
from tools.reference.completeness import faults_of, nowhere_served
from tools.reference.files import generated_files

from autogpt_db.operations import Database, Operation
from autogpt_db.settings.catalog import options
from autogpt_db.signatures.repeats import harmless

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def files() -> Mapping[str, str]:
    """Return what is written now: made here, and not by each process that only looks for tests."""
    return generated_files()


def test_every_file_is_up_to_date(files: Mapping[str, str]) -> None:
    there = {name for name in files if (ROOT / name).is_file()}
    assert files.keys() - there == set(), "run: make reference"
    stale = {name for name in files if (ROOT / name).read_text("utf-8") != files[name]}
    assert stale == set(), "run: make reference"


def test_every_option_stands_in_the_configuration_file_at_its_default() -> None:
    text = (ROOT / "etc" / "autogpt-db.toml").read_text("utf-8")
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and "`" not in line else line
        for line in text.splitlines()
    )
    content = tomllib.loads(uncommented)
    for option in options().values():
        section, _, name = option.path.rpartition(".")
        values = content[section] if section else content
        assert name in values, f"{option.path} is missing; run: make reference"
        if option.default is not None:
            assert values[name] == option.default, f"{option.path}; run: make reference"


def test_the_page_of_the_methods_names_failures_as_replies_do(files: Mapping[str, str]) -> None:
    page = files["docs/reference/methods.md"]
    assert re.findall(r"^- `\w+Error`:.*", page, re.MULTILINE) == [], "no reply says these"
    named = set(re.findall(r"^- `(\w+)`, [45]\d\d: ", page, re.MULTILINE))
    assert {"ValueError", "RecordNotFoundError"} <= named
    assert not named & {"InvalidValueError", "ResultTooLargeError", "UserNotFoundError"}


MISSPELT: LiteralString = """
SELECT 1
  FROM platform."Usser"
 WHERE "id" = %(user_id)s
"""


async def says_little(database: Database, user_id: str) -> None:
    """Do something to a user, of whom it says nothing.

    Args:
        user: The user.
    """
    await database.execute(MISSPELT, {"user_id": user_id})


async def says_too_much(database: Database) -> int:  # noqa: ARG001
    """Return a number."""
    return 1


# Statements are looked for in what stands there.
says_little.__module__ = "autogpt_db.operations.users.odd"
FORGOTTEN = {"says_little": Operation(says_little, reads=False)}
TOO_MUCH = {"says_too_much": Operation(says_too_much, reads=True, repeat=harmless("Reads again."))}


def test_all_that_a_method_lacks_is_said_at_once() -> None:
    said = list(faults_of(FORGOTTEN))
    assert [line.partition(":")[0] for line in said] == [
        "says_little has no sample call",
        "says_little",
        "says_little",
    ]
    sample, repeat, arguments = said
    assert "add a row" in sample
    assert "repeat=harmless(…) or harmful(…)" in repeat
    assert "describe user_id there; user is none" in arguments
    assert "leave repeat= out" in list(faults_of(TOO_MUCH))[-1]


def test_what_no_release_has_is_named() -> None:
    (said,) = nowhere_served(FORGOTTEN)
    assert said.startswith("says_little: no known release of AutoGPT has all")
    assert 'table "Usser"' in said
    assert list(nowhere_served(TOO_MUCH)) == []
