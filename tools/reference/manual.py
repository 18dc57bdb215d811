"""The manual pages, made from the command line and the settings so that they cannot drift.

roff as man(7) and groff_man(7) describe it. `make reference` writes them to docs/man.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from autogpt_db import __version__
from autogpt_db.cli.commands import commands
from autogpt_db.cli.examples import EXAMPLES
from autogpt_db.cli.layout import every_command
from autogpt_db.settings.catalog import AUTOGPT_HOST_NAME, AUTOGPT_NAMES, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.settings.catalog import Option

_EXIT_CODES_PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
_EXIT_CODES = re.compile(r"^\| (?P<code>\d+) \| [^|]+ \| (?P<when>[^|]+) \|", re.MULTILINE)
_MARK = re.compile(r"`([^`]+)`")

_DESCRIPTION = """
autogpt-db serves AutoGPT's DatabaseManager, the calls that AutoGPT's other processes make instead
of touching PostgreSQL, over HTTP on one address. `autogpt-db run` proves the database usable,
migrates what is its own, and keeps API and worker processes alive under Supervisor until it is told
to stop. Where no database is configured, it runs a private PostgreSQL in its state directory.

The systemd unit runs it as autogpt-db.service. Commands in root's shell mean that service: they
read the same configuration file and the same credentials.
"""
_SOURCES = """
TOML. Sources, each winning over the one before: this file (/etc/autogpt-db/autogpt-db.toml, or
--config, or $AUTOGPT_DB_CONFIG), credentials for secrets, the environment, the command line (--set
section.name=value). All faults are reported together, with exit code 78. `autogpt-db config` prints
what is in effect and where each value came from; `systemctl reload autogpt-db` puts changes into
effect, and `systemctl restart autogpt-db` those of credentials.
"""
_CREDENTIALS = """
A secret is best given as a file in /etc/autogpt-db/credentials (mode 0600, root), which systemd
hands to the service; it stands in no environment and on no command line then. Their names:
"""
_SIGNALS = (
    ("SIGTERM, SIGINT", "Stop: requests and jobs that run are finished. A second one hastens it."),
    ("SIGHUP", "Read the settings anew and restart one process after the other, refusing nobody."),
    ("SIGUSR2", "Open the log files of the processes anew, for rotation."),
)
_FILES = (
    ("/etc/autogpt-db/autogpt-db.toml", "The configuration: autogpt-db.toml(5)."),
    ("/etc/autogpt-db/credentials/", "Secrets, a file each, read through systemd."),
    ("/etc/autogpt-db/programs.d/*.conf", "Programs that run beside the service."),
    ("/var/lib/autogpt-db/", "The private PostgreSQL."),
    ("/run/autogpt-db/supervisord.conf", "What `supervisorctl -c` takes."),
    ("/run/autogpt-db.sock", "systemd's socket for the members of the group autogpt-db."),
)


def manual_pages() -> dict[str, str]:
    """Return each page's text by its path in the repository."""
    return {
        "docs/man/autogpt-db.1": "\n".join(_program_page()) + "\n",
        "docs/man/autogpt-db.toml.5": "\n".join(_settings_page()) + "\n",
    }


def visible_commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command that isn't internal, with the words that call it, by their names."""
    for words, command in every_command(commands):
        if not command.hidden:
            yield words, command


def _program_page() -> Iterator[str]:
    yield from _head("autogpt-db", 1, "AutoGPT's database service")
    yield ".SH SYNOPSIS"
    yield ".B autogpt\\-db"
    yield "[\\fIOPTION\\fR]... \\fICOMMAND\\fR [\\fIARGUMENT\\fR]..."
    yield ".SH DESCRIPTION"
    yield from _paragraphs(_DESCRIPTION)
    yield ".SH OPTIONS"
    yield from _options(commands)
    yield ".SH COMMANDS"
    for name, command in visible_commands():
        context = click.Context(command, info_name=name)
        usage = " ".join(word for word in command.collect_usage_pieces(context) if word)
        yield f".SS {_text(name)} {_text(usage)}".rstrip()
        yield from _paragraphs(command.help or "")
        yield from _options(command)
    yield ".SH EXAMPLES"
    for examples in EXAMPLES.values():
        for line, meaning in examples:
            # As it is typed, however long.
            yield from (
                ".PP",
                ".nf",
                f"\\fB{_text(line)}\\fR",
                ".fi",
                ".RS 4",
                _text(meaning),
                ".RE",
            )
    yield ".SH EXIT STATUS"
    for code, meaning in _exit_codes():
        yield from _item(str(code), meaning)
    yield ".SH SIGNALS"
    for name, meaning in _SIGNALS:
        yield from _item(name, meaning)
    yield ".SH ENVIRONMENT"
    yield from _paragraphs(
        "Every option of autogpt-db.toml(5) has a variable, AUTOGPT_DB_SECTION_NAME, that wins "
        "over the file. AutoGPT's own names count: "
        f"{', '.join([*AUTOGPT_NAMES, AUTOGPT_HOST_NAME])}."
    )
    yield from _item("AUTOGPT_DB_CONFIG", "The configuration file, as --config.")
    yield ".SH FILES"
    for name, meaning in _FILES:
        yield from _item(name, meaning)
    yield ".SH SEE ALSO"
    yield ".BR autogpt\\-db.toml (5),"
    yield ".BR supervisorctl (1),"
    yield ".BR journalctl (1),"
    yield ".BR systemd.exec (5)"


def _settings_page() -> Iterator[str]:
    yield from _head("autogpt-db.toml", 5, "configuration of autogpt-db")
    yield ".SH DESCRIPTION"
    yield from _paragraphs(_SOURCES)
    sections: dict[str, list[Option]] = {}
    for option in options().values():
        sections.setdefault(option.path.rpartition(".")[0], []).append(option)
    for section, members in sections.items():
        yield f".SH {_text(f'[{section}]' if section else 'TOP LEVEL')}"
        for option in members:
            yield from _setting(option)
    yield ".SH CREDENTIALS"
    yield from _paragraphs(_CREDENTIALS)
    for option in options().values():
        if option.secret:
            yield from _item(option.path.replace(".", "_"), f"{option.path}.")
    yield ".SH SEE ALSO"
    yield ".BR autogpt\\-db (1),"
    yield ".BR systemd.exec (5)"


def _setting(option: Option) -> Iterator[str]:
    default = "unset" if option.default is None else json.dumps(option.default)
    names = [option.environment_name]
    names += [name for name, path in AUTOGPT_NAMES.items() if path == option.path]
    yield ".TP"
    yield f".B {_text(option.path.rpartition('.')[2])}"
    yield _text(option.help)
    yield ".br"
    yield _text(f"{option.type_name[:1].upper()}{option.type_name[1:]}. Default: {default}.")
    yield _text(f"Environment: {', '.join(names)}.")


def _head(name: str, section: int, what: str) -> Iterator[str]:
    yield '.\\" Generated by `make reference`; edit the source instead.'
    yield f'.TH "{_text(name.upper())}" {section} "" "autogpt\\-db {__version__}"'
    yield ".SH NAME"
    yield f"{_text(name)} \\- {_text(what)}"


def _options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            names = ", ".join(f"\\fB{_text(name)}\\fR" for name in parameter.opts)
            value = "" if parameter.is_flag or parameter.count else _value(parameter)
            yield ".TP"
            yield f"{names}{value}"
            yield _text(f"{_sentence(parameter.help or '')}{_default(parameter)}")


def _value(parameter: click.Option) -> str:
    word = parameter.metavar or str(parameter.name).upper()
    return f" \\fI{_text(word)}\\fR"


def _default(parameter: click.Option) -> str:
    shown = parameter.show_default and parameter.default is not None
    return f" Default: {parameter.default}." if shown else ""


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!", ":")) else f"{text}."


def _exit_codes() -> Iterator[tuple[int, str]]:
    yield 0, "Done; of `run`: it was asked to stop."
    yield 1, "The daemon answered a call with an error, or a check of `doctor` failed."
    yield 2, "The command line is wrong."
    for row in _EXIT_CODES.finditer(_EXIT_CODES_PAGE.read_text("utf-8")):
        if row["code"] != "0":
            yield int(row["code"]), row["when"]


def _item(name: str, meaning: str) -> Iterator[str]:
    yield ".TP"
    yield f".B {_text(name)}"
    yield _text(meaning)


def _paragraphs(text: str) -> Iterator[str]:
    for paragraph in text.strip().split("\n\n"):
        yield ".PP"
        yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Return text as roff: what it would take for its own is escaped, `code` is bold."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    escaped = escaped.replace("^", "\\(ha").replace("'", "\\(aq").replace('"', "\\(dq")
    escaped = escaped.replace("…", "\\&...")
    escaped = _MARK.sub(r"\\fB\1\\fR", escaped)
    return f"\\&{escaped}" if escaped.startswith(".") else escaped
