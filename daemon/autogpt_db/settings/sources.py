"""Where values come from: file < credentials < environment < command line."""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from autogpt_db.errors import ConfigurationError
from autogpt_db.settings.catalog import (
    AUTOGPT_HOST_NAME,
    AUTOGPT_NAMES,
    convert,
    options,
)
from autogpt_db.settings.contradictions import contradictions, is_loopback
from autogpt_db.settings.model import Settings
from autogpt_db.settings.paths import is_there

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DEFAULT_FILE = Path("/etc/autogpt-db/autogpt-db.toml")
FILE_VARIABLE = "AUTOGPT_DB_CONFIG"
COMMAND_LINE = "command line"
SYSTEM_CREDENTIALS = Path("/etc/autogpt-db/credentials")
SERVICE_CREDENTIALS = Path("/run/credentials/autogpt-db.service")
DIRECTORY_CREDENTIAL = "autogpt-db"
"""What systemd's unit calls the directory of credentials."""
# Set by ourselves for our children, or by tests for theirs: not options.
_NOT_OPTIONS = frozenset({FILE_VARIABLE, "AUTOGPT_DB_SUPERVISED"})
_CHILDREN_S = frozenset({"AUTOGPT_DB_SUPERVISED"})
# What systemd says to main alone (sd_notify(3), sd_listen_fds(3), systemd.exec(5)).
_MAIN_S = frozenset(
    {
        "CREDENTIALS_DIRECTORY",
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    }
)
_NOT_OPTION_PREFIXES = ("AUTOGPT_DB_TEST_", "AUTOGPT_DB_TREE_")


class LoadedSettings(NamedTuple):
    """Settings and where each value came from.

    Attributes:
        settings: The validated whole.
        origins: Option path to the source's name, for the options that are not at their default.
        notices: Remarks that a person should see, such as a variable that has no effect.
    """

    settings: Settings
    origins: dict[str, str]
    notices: list[str]


class _Value(NamedTuple):
    path: str
    value: Any
    origin: str
    text: bool


def load_settings(
    *,
    file: Path | None = None,
    assignments: Iterable[str] = (),
    environment: Mapping[str, str] | None = None,
) -> LoadedSettings:
    """Read all sources, validate, and report every fault at once.

    Args:
        file: Configuration file; None stands for `$AUTOGPT_DB_CONFIG`, else
            /etc/autogpt-db/autogpt-db.toml where it exists.
        assignments: `section.name=value` from the command line.
        environment: Variables; None stands for the process's own.

    Raises:
        ConfigurationError: With one line for each fault.
    """
    variables = os.environ if environment is None else environment
    problems: list[str] = []
    notices: list[str] = []
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    sources = (
        *_from_file(file, variables, problems),
        *_from_credentials(file, variables, problems, notices),
        *_from_environment(variables, problems),
        *_from_assignments(assignments, problems),
    )
    for path, value, origin, text in sources:
        try:
            values[path] = convert(options()[path], value, text=text)
            origins[path] = origin
            if origin == COMMAND_LINE and options()[path].secret:
                notices.append(
                    f"{path} is a secret, and everybody on this machine can read a command line: "
                    "give it as a credential, in the file or in the environment."
                )
        except ConfigurationError as error:
            problems += [f"{problem} ({origin})" for problem in error.problems]
    host = variables.get(AUTOGPT_HOST_NAME)
    if host and "api.host" not in values:
        if values.get("api.trusted_network"):
            values["api.host"] = host
            origins["api.host"] = AUTOGPT_HOST_NAME
        elif not is_loopback(host):
            notices.append(
                f"{AUTOGPT_HOST_NAME}={host} has no effect: api.trusted_network is not set."
            )
    settings = _build(values)
    problems += contradictions(settings)
    if problems:
        raise ConfigurationError(*problems)
    return LoadedSettings(settings, origins, notices)


def is_configuration(name: str) -> bool:
    """Tell whether an environment variable configures this program, or is main's own business.

    Children get their settings from a file of ours, so no secret stands in their environment.
    """
    if name.startswith("AUTOGPT_DB_"):
        return name not in _CHILDREN_S and not name.startswith(_NOT_OPTION_PREFIXES)
    return name in AUTOGPT_NAMES or name in _MAIN_S


def _build(values: Mapping[str, Any]) -> Settings:
    tree: dict[str, Any] = {}
    for path, value in values.items():
        section, _, name = path.rpartition(".")
        (tree.setdefault(section, {}) if section else tree)[name] = value
    fields = {field.name: field for field in msgspec.structs.fields(Settings)}
    for section, given in tree.items():
        if isinstance(given, dict):
            tree[section] = msgspec.structs.replace(fields[section].default, **given)
    return Settings(**tree)


def _from_file(
    file: Path | None, variables: Mapping[str, str], problems: list[str]
) -> Iterator[_Value]:
    given = file or (Path(variables[FILE_VARIABLE]) if variables.get(FILE_VARIABLE) else None)
    path = given or DEFAULT_FILE
    if given is None and not is_there(path):
        return
    try:
        with path.open("rb") as stream:
            content = tomllib.load(stream)
    except PermissionError as error:
        problems.append(
            f"{path}: cannot be read: {error.strerror}. The account that reads it has to be let "
            f"in: chmod 755 {path.parent}; chmod 644 {path} (secrets belong into credentials)."
        )
        return
    except OSError as error:
        problems.append(f"{path}: cannot be read: {error.strerror}.")
        return
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        problems.append(f"{path}: is not valid TOML: {error}.{_hint(error)}")
        return
    sections = {option.rpartition(".")[0] for option in options()}
    for key, value in content.items():
        inner = value.items() if key in sections and isinstance(value, dict) else ((None, value),)
        for name, item in inner:
            option = key if name is None else f"{key}.{name}"
            if _known(option, options(), f"{path}", problems):
                yield _Value(option, item, str(path), text=False)


def _hint(error: Exception) -> str:
    """Return what else to say of a file that is no TOML, with a space before it."""
    if "Cannot declare" not in str(error):
        return ""
    return (
        " A section stands in the file once, and those that it was installed with are all there: "
        "put its options below the first."
    )


def _from_credentials(
    file: Path | None,
    variables: Mapping[str, str],
    problems: list[str],
    notices: list[str],
) -> Iterator[_Value]:
    directory = variables.get("CREDENTIALS_DIRECTORY")
    if not directory and not (file or variables.get(FILE_VARIABLE)):
        # A command in an administrator's shell means the service, so it reads what the service is
        # given; the service's own account what it was given. Others cannot, and are told.
        directory = _of_the_service(notices)
    if not directory:
        return
    for option in options().values():
        if not option.secret:
            continue
        name = option.path.replace(".", "_")
        # The unit loads a whole directory, and systemd puts the directory's name before each
        # file's; a credential that an administrator names singly wins.
        for path in (Path(directory) / f"{DIRECTORY_CREDENTIAL}_{name}", Path(directory) / name):
            try:
                text = path.read_text("utf-8").strip()
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                problems.append(f"credential {name}: cannot be read: {error}.")
            else:
                yield _Value(option.path, text, f"credential {name}", text=True)


def _of_the_service(notices: list[str]) -> str | None:
    """Return the directory of the service's credentials that this account may read."""
    if not is_there(SYSTEM_CREDENTIALS):
        return None
    for directory in (SYSTEM_CREDENTIALS, SERVICE_CREDENTIALS):
        if os.access(directory, os.R_OK | os.X_OK):
            return str(directory)
    notices.append(f"{SYSTEM_CREDENTIALS} cannot be read by this user: run this as root.")
    return None


def _from_environment(variables: Mapping[str, str], problems: list[str]) -> Iterator[_Value]:
    for name, path in AUTOGPT_NAMES.items():
        value = variables.get(name, "").strip()
        if value:
            yield _Value(path, value.lower() if name == "LOG_LEVEL" else value, name, text=True)
    known = {option.environment_name: option.path for option in options().values()}
    for name, value in variables.items():
        if not name.startswith("AUTOGPT_DB_") or name in _NOT_OPTIONS:
            continue
        if name.startswith(_NOT_OPTION_PREFIXES):
            continue
        if _known(name, known, "environment", problems):
            yield _Value(known[name], value, name, text=True)


def _from_assignments(assignments: Iterable[str], problems: list[str]) -> Iterator[_Value]:
    for assignment in assignments:
        path, separator, value = assignment.partition("=")
        if not separator:
            problems.append(f"--set {assignment}: expected section.name=value.")
        elif _known(path, options(), COMMAND_LINE, problems):
            yield _Value(path, value, COMMAND_LINE, text=True)


def _known(name: str, known: Iterable[str], where: str, problems: list[str]) -> bool:
    if name in known:
        return True
    near = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `autogpt-db config` lists every option."
    problems.append(f"{name}: is not an option ({where}){hint}")
    return False
