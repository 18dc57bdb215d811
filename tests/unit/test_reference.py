"""Generated files are what `make reference` writes now."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tools.reference.files import generated_files

from autogpt_db.settings.catalog import options

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
