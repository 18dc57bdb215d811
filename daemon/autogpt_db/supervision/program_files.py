"""The files of programs.d: what an administrator adds to the tree, in Supervisor's own language.

Each file is taken whole or left out whole, with the reason, so that no slip of the pen keeps the
database from being served.
"""

from __future__ import annotations

import configparser
import difflib
import os
import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from supervisor.datatypes import Automatic
from supervisor.options import (
    ProcessConfig,
    ProcessGroupConfig,
    ServerOptions,
    UnhosedConfigParser,
)

from autogpt_db.settings import PROGRAMS_DIRECTORY
from autogpt_db.settings.sources import is_configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autogpt_db.settings import Settings

_LARGEST_FILE = 1024 * 1024
_MOST_PROCESSES = 64
_LONGEST_WAIT = 3600
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_OURS = re.compile(
    r"(api|worker)(_\d+)?|admin|postgresql|main|all|supervisord?|autogpt-db|lock|settings"
)
_PRIORITY_OF_OURS = 1000
"""Above every priority of ours: what is started later is stopped earlier."""

# Every key of [program:x], from Supervisor's documentation.
_KEYS = frozenset(
    """autorestart autostart command directory environment exitcodes killasgroup numprocs
    numprocs_start priority process_name redirect_stderr serverurl startretries startsecs
    stderr_capture_maxbytes stderr_events_enabled stderr_logfile stderr_logfile_backups
    stderr_logfile_maxbytes stderr_syslog stdout_capture_maxbytes stdout_events_enabled
    stdout_logfile stdout_logfile_backups stdout_logfile_maxbytes stdout_syslog stopasgroup
    stopsignal stopwaitsecs umask user""".split()  # noqa: SIM905 - thirty quoted lines say less
)
# Our own standard streams, as container images name them: what goes there goes to our log anyway.
_STREAMS = re.compile(r"/dev/(stdout|stderr|fd/\d+)|/proc/self/fd/\d+|syslog", re.IGNORECASE)


class ProgramGroup(ProcessGroupConfig):  # type: ignore[misc]
    """The processes of one `[program:x]`."""


class Programs(NamedTuple):
    """What a directory holds.

    Attributes:
        groups: The groups of each file that is in order.
        faults: Why each other file (or the directory) is left out.
    """

    groups: dict[Path, list[ProgramGroup]]
    faults: dict[Path, str]


class _FaultyError(Exception):
    """What is wrong with a file, in words."""


def read_programs(
    directory: Path,
    options: ServerOptions,
    *,
    runtime: Path,
    hidden: Callable[[str], bool],
    required: bool = False,
    before: dict[Path, list[ProgramGroup]] | None = None,
) -> Programs:
    """Read `directory`/*.conf in the order of their names.

    Args:
        directory: Where the files are.
        options: Supervisor's options, which the processes will be made with.
        runtime: Where processes' logs go for `supervisorctl tail`.
        hidden: Tells which variables of ours no program may see, not even by `%(ENV_…)s`.
        required: A missing directory is a fault.
        before: What was read before. A file that has become faulty keeps its programs.
    """
    found = Programs({}, {})
    try:
        files = sorted(path for path in directory.iterdir() if path.suffix == ".conf")
    except FileNotFoundError:
        if required:
            found.faults[directory] = "there is no such directory"
        return found
    except OSError as error:
        found.faults[directory] = f"cannot be read: {error.strerror}"
        return found
    reader = _Reader(options, runtime, hidden)
    taken: dict[str, Path] = {}
    for path in files:
        try:
            groups = reader.read(path)
            _check_names(groups, taken)
        except _FaultyError as fault:
            found.faults[path] = str(fault)
            groups = (before or {}).get(path, [])
            if not groups or any(name in taken for name in _names(groups)):
                continue
        found.groups[path] = groups
        taken |= dict.fromkeys(_names(groups), path)
    return found


def inspect_programs(settings: Settings) -> Programs:
    """Read the programs of `settings` without a tree: to tell whether they are in order."""
    given = settings.supervision.programs_directory
    return read_programs(
        given or PROGRAMS_DIRECTORY,
        ServerOptions(),
        runtime=settings.paths.runtime,
        hidden=is_configuration,
        required=given is not None,
    )


def _names(groups: list[ProgramGroup]) -> Iterator[str]:
    for group in groups:
        yield from {group.name, *(process.name for process in group.process_configs)}


def _check_names(groups: list[ProgramGroup], taken: dict[str, Path]) -> None:
    seen: set[str] = set()
    for name in _names(groups):
        if not _NAME.fullmatch(name):
            raise _FaultyError(
                f"{name!r} is no name for a process: at most 64 letters, digits, '_', '.' and '-'"
            )
        if _OURS.fullmatch(name):
            raise _FaultyError(f"the name {name} is the daemon's own; choose another")
        if name in taken:
            raise _FaultyError(f"the name {name} is taken by {taken[name].name}")
        if name in seen:
            raise _FaultyError(f"the name {name} stands there twice")
        seen.add(name)


class _Reader:
    def __init__(
        self, options: ServerOptions, runtime: Path, hidden: Callable[[str], bool]
    ) -> None:
        self._options = options
        self._runtime = runtime
        self._expansions = {
            f"ENV_{name}": value for name, value in os.environ.items() if not hidden(name)
        }

    def read(self, path: Path) -> list[ProgramGroup]:
        parser = self._parse(path, _content(path))
        groups = []
        before = self._options.environ_expansions
        self._options.environ_expansions = self._expansions
        try:
            for section in parser.sections():
                groups.append(self._group(parser, section))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            # Supervisor adds the section and its own file; and lists every variable there is.
            words = str(error).partition(" in section ")[0].partition(" Available names")[0]
            raise _FaultyError(f"[{section}] {words}") from None
        finally:
            self._options.environ_expansions = before
        if not groups:
            raise _FaultyError("there is no [program:…] in it")
        return groups

    def _parse(self, path: Path, text: str) -> UnhosedConfigParser:
        parser = UnhosedConfigParser(strict=True)
        parser.expansions = self._expansions
        try:
            parser.read_string(text, path.name)
        except configparser.Error as error:
            raise _FaultyError(" ".join(str(error).split())) from None
        parser.expand_here(str(path.parent))
        return parser

    def _group(self, parser: UnhosedConfigParser, section: str) -> ProgramGroup:
        kind, _, name = section.partition(":")
        if kind != "program" or not name:
            raise _FaultyError(f"[{section}] is no [program:…], which is all that counts here")
        for key in parser.options(section):
            if key not in _KEYS:
                near = difflib.get_close_matches(key, _KEYS, n=1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise _FaultyError(f"[{section}] {key} is nothing that Supervisor knows{hint}")
        self._check_numbers(parser, section)
        for key in ("stdout_logfile", "stderr_logfile"):
            given = parser.get(section, key, fallback="")
            if _STREAMS.fullmatch(given):
                parser.set(section, key, "NONE")
        processes = self._options.processes_from_section(parser, section, name, ProcessConfig)
        for process in processes:
            self._adapt(process, section)
        return ProgramGroup(self._options, name, processes[0].priority, processes)

    def _check_numbers(self, parser: UnhosedConfigParser, section: str) -> None:
        for key, default, least, most in (
            ("numprocs", 1, 1, _MOST_PROCESSES),
            ("numprocs_start", 0, 0, 1_000_000),
            ("startsecs", 1, 0, _LONGEST_WAIT),
            ("stopwaitsecs", 10, 1, _LONGEST_WAIT),
            ("priority", 999, 0, 1_000_000),
        ):
            text = parser.saneget(section, key, str(default))
            if not text.isdecimal() or not least <= int(text) <= most:
                raise _FaultyError(
                    f"[{section}] {key}: expected a whole number, {least} to {most} (got {text!r})"
                )

    def _adapt(self, process: ProcessConfig, section: str) -> None:
        """Give a process the rules of our tree: restarted for ever, logged by us, stopped first."""
        if process.uid not in {None, os.geteuid()} and os.geteuid() != 0:
            raise _FaultyError(f"[{section}] user: only a daemon that runs as root can change it")
        if process.uid == os.geteuid():
            process.uid = None
        process.priority += _PRIORITY_OF_OURS
        process.startretries = 1_000_000_000
        for channel, suffix in (("stdout", ".log"), ("stderr", ".stderr.log")):
            setattr(process, f"{channel}_events_enabled", True)
            setattr(process, f"{channel}_syslog", False)
            file = getattr(process, f"{channel}_logfile")
            if file is Automatic:
                setattr(process, f"{channel}_logfile", str(self._runtime / (process.name + suffix)))
                setattr(process, f"{channel}_logfile_maxbytes", 1024 * 1024)
                setattr(process, f"{channel}_logfile_backups", 1)
            elif file:
                try:
                    odd = Path(file).exists() and not Path(file).is_file()
                except PermissionError:
                    fault = f"{file} cannot be written to by this account"
                    raise _FaultyError(f"[{section}] {channel}_logfile: {fault}") from None
                if odd:
                    # Opening a pipe waits for its reader, and main must not wait.
                    raise _FaultyError(f"[{section}] {channel}_logfile: {file} is no ordinary file")
        if process.redirect_stderr:
            process.stderr_logfile = None


def _content(path: Path) -> str:
    """Read a file that only its owner may have written: what it names is run under our account."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # before it is opened, which a pipe delays
            raise _FaultyError("it is no ordinary file")
        with path.open("rb") as stream:
            status = os.fstat(stream.fileno())
            if status.st_mode & stat.S_IWOTH:
                raise _FaultyError("everybody may write to it: chmod o-w")
            if status.st_uid not in {0, os.geteuid()}:
                raise _FaultyError(
                    "it belongs to neither root nor the account that autogpt-db runs under: chown"
                )
            content = stream.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise _FaultyError(f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST_FILE:
        raise _FaultyError(f"it has more than {_LARGEST_FILE} bytes")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _FaultyError(f"it is no UTF-8 text (byte {error.start})") from None
