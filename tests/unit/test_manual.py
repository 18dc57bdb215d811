"""The manual and the completion know every command and every option."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest
from tools.reference.manual import manual_pages, visible_commands

from autogpt_db import errors
from autogpt_db.cli.commands import commands
from autogpt_db.settings.catalog import options
from daemon_process import PROGRAM

ROOT = Path(__file__).parents[2]
PROGRAM_PAGE, SETTINGS_PAGE = manual_pages().values()


def plain(page: str) -> str:
    """Return a page's words without roff."""
    text = re.sub(r"\\f[BIR]", "", page)
    for escape, character in (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\&", "")):
        text = text.replace(escape, character)
    return " ".join(text.split())


def test_every_option_of_the_configuration_is_documented_everywhere() -> None:
    file = (ROOT / "etc" / "autogpt-db.toml").read_text("utf-8")
    reference = (ROOT / "docs" / "reference" / "settings.md").read_text("utf-8")
    page = plain(SETTINGS_PAGE)
    for option in options().values():
        name = option.path.rpartition(".")[2]
        missing = f"{option.path} is missing; run: make reference"
        assert re.search(rf"^# {name} = ", file, re.MULTILINE), missing
        assert f"`{option.environment_name}`" in reference, missing
        words = f".B {name} {' '.join(option.help.replace('`', '').split())[:40]}"
        assert words in page.replace("`", ""), missing
        assert option.environment_name in page, missing


def test_every_exit_code_is_explained() -> None:
    codes = {code for name, code in vars(errors).items() if name.startswith("EXIT_")}
    page = (ROOT / "docs" / "reference" / "exit-codes.md").read_text("utf-8")
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)} == codes
    manual = plain(PROGRAM_PAGE).partition(".SH EXIT STATUS")[2].partition(".SH SIGNALS")[0]
    assert {int(code) for code in re.findall(r"\.B (\d+) ", manual)} == codes | {1, 2}
    assert "none answers, however well PostgreSQL is" in manual


def test_every_command_and_its_options_are_documented() -> None:
    page = plain(PROGRAM_PAGE)
    names = [name for name, _ in visible_commands()]
    assert {"run", "backup", "doctor", "ctl reload", "status"} <= set(names)
    for name, command in [("", commands), *visible_commands()]:
        assert command.help, f"{name} has no help"
        if name:
            assert f".SS {name}" in page
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts} has no help"
                assert all(word in page for word in parameter.opts)


@pytest.mark.skipif(shutil.which("groff") is None, reason="needs groff")
@pytest.mark.parametrize("name", sorted(manual_pages()))
def test_a_page_is_sound_roff(name: str) -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(ROOT / name)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("autogpt-db ba", {"backup"}),
        ("autogpt-db upgrade-cluster --", {"--to", "--ignore-space"}),
        ("autogpt-db restore --rep", {"--replace"}),
        ("autogpt-db doctor --", {"--json"}),
        ("autogpt-db ctl r", {"reload", "resume", "rolling-restart", "restart", "reread"}),
    ],
)
def test_completion_knows_commands_and_options(words: str, expected: set[str]) -> None:
    done = subprocess.run(
        [PROGRAM],
        env=os.environ
        | {
            "_AUTOGPT_DB_COMPLETE": "bash_complete",
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
        },
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert expected <= {line.partition(",")[2] for line in done.stdout.splitlines()}
