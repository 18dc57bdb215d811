"""Getting agents in, and calling methods of the running daemon."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import click

from autogpt_db.cli.connecting import http_connection
from autogpt_db.cli.runtime import SYSTEM_RUNTIME
from autogpt_db.errors import ConfigurationError, DatabaseUnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from autogpt_db.settings import Settings


def import_file(settings: Settings, file: Path, *, email: str) -> Iterator[str]:
    """Load the export in `file` for the user with this e-mail; yield what was done, for people."""
    from autogpt_db.agent_files.imports import import_agent, read_export
    from autogpt_db.cli.connecting import connect

    export = read_export(file.read_bytes())
    connection, target = connect(settings, "import")
    with connection:
        outcome = import_agent(connection, export, email=email, schema_name=target.schema)
    yield from outcome.lines()


def call_method(
    settings: Settings,
    method: str,
    arguments: Iterable[str],
    *,
    timeout: float,
    key: str | None = None,
) -> tuple[int, str]:
    """Call `method` on the running daemon.

    Args:
        settings: Where the daemon listens.
        method: The method's name.
        arguments: `key=value`, the value text or JSON by the method's signature.
        timeout: Seconds to wait for the reply.
        key: The call's idempotency key, for calls that may have to be repeated.

    Returns:
        The HTTP status, and the reply as indented JSON.
    """
    body = json.dumps(_arguments(method, arguments)).encode()
    headers: dict[str, str | bytes] = {"content-type": "application/json"}
    if settings.api.token is not None:
        # Bytes: as text it would go out in Latin-1, and the service compares UTF-8.
        headers["authorization"] = b"Bearer " + settings.api.token.reveal().encode()
    if key is not None:
        headers["idempotency-key"] = key
    address = _address(settings)
    connection = http_connection(address, timeout=timeout)
    try:
        connection.request("POST", f"/{method}", body, headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, HTTPException) as error:
        from autogpt_db.supervision.unit import not_answering

        raise DatabaseUnreachableError(not_answering(address, error)) from None
    finally:
        connection.close()
    try:
        return response.status, json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except ValueError:
        return response.status, content.decode("utf-8", "replace")


def _address(settings: Settings) -> str:
    """Return where the daemon listens: it knows best, then systemd, then the settings."""
    from autogpt_db.supervision.status import read_status
    from autogpt_db.supervision.unit import socket_addresses

    runtime = settings.paths.runtime
    try:
        return str(read_status(runtime)["address"][0])
    except DatabaseUnreachableError:
        pass
    # Another account may not ask the service, and means it unless it has a daemon of its own.
    if not runtime.exists() or runtime == SYSTEM_RUNTIME:
        held = [one for one in socket_addresses() if one.startswith("http")]
        if held:
            return held[0]
    host, port = settings.api.host, settings.api.port
    if host.startswith("/"):
        return f"unix:{host}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def pick(text: str, path: str) -> str:
    """Return one member of a JSON text: a string as it is, anything else as JSON.

    Args:
        text: The JSON.
        path: Names and positions, joined by dots.

    Raises:
        ConfigurationError: There is no such member.
    """
    value: Any = json.loads(text)
    for step in path.split("."):
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            raise ConfigurationError(f"--field {path}: the reply has no {step!r} there.") from None
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)


def _arguments(method: str, arguments: Iterable[str]) -> dict[str, Any]:
    from autogpt_db.operations import served_operations

    operation = served_operations().get(method)
    texts = operation.text_parameters if operation is not None else frozenset()
    found: dict[str, Any] = {}
    for argument in arguments:
        key, separator, value = argument.partition("=")
        if not separator:
            raise click.UsageError(f"{argument}: expected key=value.")
        if key in texts and value != "null":
            found[key] = value
            continue
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found
