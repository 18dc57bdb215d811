"""What the command line says of itself: every command, every example, every method."""

from __future__ import annotations

import inspect
import re
import shlex

import click
import pytest
from click.testing import CliRunner
from supervisor.supervisorctl import DefaultControllerPlugin

from autogpt_db.cli.commands import commands
from autogpt_db.cli.control import ctl
from autogpt_db.cli.examples import EXAMPLES
from autogpt_db.cli.layout import SectionedGroup, every_command
from autogpt_db.cli.method_help import type_words
from autogpt_db.operations import load_operations
from autogpt_db.signatures.docstring import first_sentence, read_docstring

OPERATIONS = load_operations()
VISIBLE = {words: command for words, command in every_command(commands) if not command.hidden}
ONLY_AT_A_PROMPT = {"exit", "quit", "open"}
NOTHING_TO_SHOW = {"maintail"}
"""Main's log is the journal."""


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(commands, list(words), prog_name="autogpt-db")
    return done.exit_code, done.output


def flowing(text: str) -> str:
    return " ".join(text.split())


# Lists ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("group", ["", *(w for w, c in VISIBLE.items() if hasattr(c, "sections"))])
def test_every_command_stands_once_below_a_heading_with_its_whole_summary(group: str) -> None:
    command = VISIBLE[group] if group else commands
    assert isinstance(command, SectionedGroup)
    listed = [name for names in command.sections.values() for name in names]
    assert sorted(listed) == sorted(n for n, c in command.commands.items() if not c.hidden)
    code, printed = run(*group.split(), "--help")
    assert code == 0
    for name, each in command.commands.items():
        if not each.hidden:
            said = flowing(f"{name} {first_sentence(each.help or '').rstrip('.')}")
            assert said in flowing(printed)
    assert "..." not in flowing(printed).replace("]...", "")


def test_what_supervision_starts_is_no_command_for_people() -> None:
    _, printed = run("--help")
    for name in ("api", "worker"):
        assert commands.commands[name].hidden
        assert not re.search(rf"^  {name} ", printed, re.MULTILINE)
        assert run(name, "--help")[0] == 0


# Examples ---------------------------------------------------------------------------------------


def test_every_command_has_an_example_and_shows_it() -> None:
    obvious = {words for words in VISIBLE if words.startswith("ctl ")}  # some of those have one
    assert set(EXAMPLES) <= set(VISIBLE)
    lacking = {words for words, c in VISIBLE.items() if not isinstance(c, click.Group)}
    assert lacking - set(EXAMPLES) - obvious == set()
    for words, examples in EXAMPLES.items():
        _, printed = run(*words.split(), "--help")
        for line, meaning in examples:
            assert f"  {line}\n" in printed
            assert meaning in printed


@pytest.mark.parametrize(
    ("words", "line"), [(words, line) for words, found in EXAMPLES.items() for line, _ in found]
)
def test_an_example_is_a_line_of_its_command(words: str, line: str) -> None:
    typed = shlex.split(line)
    typed = typed[typed.index("autogpt-db") + 1 :]
    context = click.Context(commands, info_name="autogpt-db")
    _, typed, _ = commands.make_parser(context).parse_args(typed)
    command: click.Command = commands
    called = []
    while isinstance(command, click.Group):
        name, found, typed = command.resolve_command(context, typed)
        assert found is not None
        called.append(str(name))
        command = found
        context = click.Context(found, parent=context, info_name=name, **found.context_settings)
    assert " ".join(called) == words
    command.make_parser(context).parse_args(typed)  # refuses what isn't known


# Methods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_method_s_help_says_all_of_its_declaration(name: str) -> None:
    operation = OPERATIONS[name]
    code, printed = run("call", name, "--help")
    assert code == 0
    shown = flowing(printed)
    read = read_docstring(operation.description)
    assert read.paragraphs[0] in shown
    assert list(read.arguments) == [each.name for each in operation.parameters]
    for parameter in operation.parameters:
        kind = type_words(parameter.schema)
        said = f"{parameter.name} {kind}{'. ' if parameter.required else ', default '}"
        assert said in shown, parameter
        assert first_sentence(read.arguments[parameter.name]) in shown
        if parameter.required:
            assert f"{parameter.name}=" in shown.partition(read.paragraphs[0])[0]
    for error in read.errors:
        assert error in shown
    assert run("help", name) == (0, printed)
    assert run("help", "call", name) == (0, printed)


def test_types_and_defaults_are_named_as_people_type_them() -> None:
    _, printed = run("call", "create_graph_execution", "--help")
    shown = flowing(printed)
    for said in (
        "Usage: autogpt-db call create_graph_execution graph_id=TEXT graph_version=NUMBER",
        "graph_version whole number.",
        "is_dry_run true or false, default false.",
        "preset_id text or null, default null.",
        "inputs JSON object.",
    ):
        assert said in shown, shown
    assert "one of INCOMPLETE, QUEUED, RUNNING" in flowing(
        run("call", "update_node_execution_status", "--help")[1]
    )


def test_a_docstring_is_taken_apart() -> None:
    read = read_docstring(
        inspect.cleandoc(
            """Do a thing. And more.

            It takes
            time.

            Args:
                one: The first: of two. It
                    matters.
                two: The second.

            Returns:
                What was
                done.

            Raises:
                NotFoundError: There is none.
            """
        )
    )
    assert read.paragraphs == ("Do a thing. And more.", "It takes time.")
    assert read.arguments == {"one": "The first: of two. It matters.", "two": "The second."}
    assert read.returns == "What was done."
    assert read.errors == {"NotFoundError": "There is none."}
    assert first_sentence("`limits.rows` counts. More.") == "`limits.rows` counts."
    assert first_sentence("No full stop") == "No full stop"


# What isn't there -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("statsu", "Did you mean 'status'"),
        ("ctl restrat", "Did you mean one of: 'restart'"),
        ("call get_execution_kv_dat --help", "Did you mean get_execution_kv_data"),
        ("help get_execution_kv_dat", "Did you mean get_execution_kv_data"),
        ("help back-up-and-restor", "Did you mean back-up-and-restore?"),
        ("help statu", "Did you mean status"),
        ("call xyzzy --help", "`autogpt-db methods` lists them."),
        ("call reconcile_all_stripe_tiers --help", "AutoGPT's, since v0.6.64, and not served here"),
        ("help status nonsense", "status has no commands of its own."),
    ],
)
def test_a_mistyped_word_is_guessed(words: str, hint: str) -> None:
    code, printed = run(*words.split())
    assert (code, hint in flowing(printed)) == (2, True), printed


# Supervisor's -----------------------------------------------------------------------------------


def test_ctl_s_help_has_all_of_supervisor_s_commands() -> None:
    theirs = {
        name.removeprefix("do_") for name in dir(DefaultControllerPlugin) if name.startswith("do_")
    }
    assert theirs - ONLY_AT_A_PROMPT - NOTHING_TO_SHOW <= set(ctl.commands)
    assert run("ctl", "help") == run("ctl", "--help")
    code, printed = run("ctl", "help", "tail")
    assert code == 0
    assert printed.startswith("Usage: autogpt-db ctl tail [OPTIONS] [-f] [-BYTES] NAME")
    assert run("ctl", "tail", "--help") == (0, printed)
    assert run("help", "ctl", "tail") == (0, printed)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("call ä", "There is no method ä."),
        ("call a/../b", "There is no method a/../b."),
        ("call 'a\n\x1b[2J'", r"There is no method a\n\u001b[2J."),
        ("call get_credits user_id=u --key €", "'€' is not 1 to 255 visible ASCII characters."),
        ("call get_credits user_id=u --key 'a\n'", "is not 1 to 255 visible ASCII characters."),
        ("call get_credits user_id=u --timeout nan", "nan is no number of seconds above 0"),
        ("ctl reload --timeout 0", "0 is no number of seconds above 0"),
        ("ctl rolling-restart --timeout 1e300", "1e+300 is no number of seconds above 0"),
        ("jobs run refresh_store_views --timeout -1", "-1 is no number of seconds above 0"),
        (
            "jobs run refresh_store",
            "There is no job refresh_store. Did you mean refresh_store_views",
        ),
        ("jobs pause xyzzy", "There is no job xyzzy. `autogpt-db jobs list` lists them."),
        ("jobs resume ''", "There is no job . `autogpt-db jobs list` lists them."),
        ("jobs history xyzzy", "There is no job xyzzy."),
        ("methods --release 0.5.0", "'0.5.0' is none of the releases known: 0.6.48 to 0.7.2."),
    ],
)
def test_what_cannot_be_sent_or_waited_for_is_a_bad_command_line(words: str, said: str) -> None:
    code, printed = run(*shlex.split(words))
    assert code == 2, printed
    assert said in flowing(printed)
