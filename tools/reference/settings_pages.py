"""The configuration file with every option at its default, and the page on the settings."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING, Any

from tools.reference import NOTICE

from autogpt_db.settings.catalog import AUTOGPT_HOST_NAME, AUTOGPT_NAMES, Option, options

if TYPE_CHECKING:
    from collections.abc import Iterator

_UNSET_EXAMPLES = {
    "state_directory": '"/var/lib/autogpt-db"',
    "runtime_directory": '"/run/autogpt-db"',
    "database.url": '"postgresql://user:password@db.example:5432/postgres?schema=platform"',
    "database.direct_url": '"postgresql://user:password@db.example:5432/postgres?schema=platform"',
    "database.connection_limit": "12",
    "embedded.binaries": '"/usr/lib/postgresql/17/bin"',
    "embedded.user": '"postgres"',
    "embeddings.openai_api_key": '"sk-…"',
    "embeddings.openai_base_url": '"https://api.openai.com/v1"',
    "credits.stripe_api_key": '"sk_live_…"',
    "credits.stripe_base_url": '"https://api.stripe.com"',
    "integrations.encryption_key": '"32 bytes in url-safe base64"',
    "integrations.previous_encryption_key": '"32 bytes in url-safe base64"',
    "supervision.programs_directory": '"/etc/autogpt-db/programs.d"',
    "worker.notifications_purge_days": "30",
    "retain.input_output_days": "90",
    "retain.executions_days": "365",
    "redis.host": '"redis.example"',
    "redis.password": '"password"',
    "api.fallback_url": '"http://database_manager:8005"',
    "api.token": '"a long random text"',
}


def _sections() -> Iterator[tuple[str, list[Option]]]:
    names = dict.fromkeys(path.rpartition(".")[0] for path in options())
    for name in names:
        yield name, [o for o in options().values() if o.path.rpartition(".")[0] == name]


def _toml(value: Any) -> str:
    return json.dumps(value)


def configuration_file() -> Iterator[str]:
    """Yield the lines of etc/autogpt-db.toml."""
    yield "# autogpt-db's configuration: every option, commented, at its default."
    yield "# Read from /etc/autogpt-db/autogpt-db.toml. Environment and command line win over it;"
    yield "# `autogpt-db config` prints what is in effect and where each value came from."
    for section, members in _sections():
        if section:
            yield ""
            yield f"[{section}]"
        for option in members:
            yield ""
            yield from textwrap.wrap(
                f"{option.help} ({option.type_name})",
                width=96,
                initial_indent="# ",
                subsequent_indent="# ",
            )
            name = option.path.rpartition(".")[2]
            if option.default is None:
                example = _UNSET_EXAMPLES.get(option.path) or _example(option)
                yield f"# {name} = {example}  # unset by default"
            else:
                yield f"# {name} = {_toml(option.default)}"


def _example(option: Option) -> str:
    """Return what a value of the option's type looks like."""
    kinds = {"whole number": "1", "number": "1.0", "path": '"/…"', "true or false": "true"}
    return kinds.get(option.type_name.partition(",")[0], '"…"')


def settings_page() -> Iterator[str]:
    """Yield the page's lines."""
    aliases: dict[str, list[str]] = {}
    for name, path in AUTOGPT_NAMES.items():
        aliases.setdefault(path, []).append(name)
    aliases["api.host"] = [f"{AUTOGPT_HOST_NAME} (only with api.trusted_network)"]
    yield "# Settings"
    yield ""
    yield NOTICE
    yield ""
    yield (
        "Sources, each winning over the one before: the file `/etc/autogpt-db/autogpt-db.toml` "
        "(or `--config FILE`, `$AUTOGPT_DB_CONFIG`); systemd credentials for secrets (named like "
        "the option with `_` for `.`: `database_url`); the environment; the command line "
        "(`--set section.name=value`). All faults are reported together, with exit code 78."
    )
    for section, members in _sections():
        yield ""
        yield f"## {section or 'Top level'}"
        yield ""
        yield "| option | type | default | environment | meaning |"
        yield "|---|---|---|---|---|"
        for option in members:
            default = "unset" if option.default is None else f"`{_toml(option.default)}`"
            names = ", ".join([f"`{option.environment_name}`", *aliases.get(option.path, [])])
            name = option.path.rpartition(".")[2]
            yield f"| `{name}` | {option.type_name} | {default} | {names} | {option.help} |"
