"""Options of traces."""

from __future__ import annotations

import re
from typing import Annotated, NamedTuple
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from autogpt_db.settings.declaration import Secret, option

_PORTS = {"http": 80, "https": 443}
_PRINTABLE = re.compile(r"[\x21-\x7e]+").fullmatch
_NAME = re.compile(r"[0-9A-Za-z!#$%&'*+.^_`|~-]+").fullmatch
_VALUE = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?").fullmatch


class TracesSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Traces for OpenTelemetry: what calls and jobs spend their time on."""

    enabled: Annotated[
        bool,
        option(
            "Send spans of calls, their statements and waits, and of jobs' runs, to a collector "
            "(needs autogpt-db[traces]). False: nothing is loaded for it, and nothing spent on it."
        ),
    ] = False
    endpoint: Annotated[
        str,
        option("Where the collector takes spans by OTLP over HTTP (protobuf): the whole URL."),
    ] = "http://127.0.0.1:4318/v1/traces"
    headers: Annotated[
        Secret | None,
        option(
            "Headers of each request to it, such as its key: name=value, several separated by "
            "commas, as OTEL_EXPORTER_OTLP_HEADERS has them. Unset: none."
        ),
    ] = None
    sample_ratio: Annotated[
        float,
        option(
            "Share of calls that are traced where the caller doesn't say (`traceparent`), and of "
            "jobs' runs.",
            ge=0,
            le=1,
        ),
    ] = 0.01
    service_name: Annotated[
        str, option("What the service is called in traces (`service.name`).")
    ] = "autogpt-db"
    queue_limit: Annotated[
        int,
        option(
            "Spans that may wait in each process until they are sent, about a kilobyte each; what "
            "is more is left out, and counted.",
            ge=100,
            le=1_000_000,
        ),
    ] = 4096
    export_timeout: Annotated[
        float,
        option("Seconds within which the collector takes what is sent to it.", ge=0.1, le=60),
    ] = 10.0


class Endpoint(NamedTuple):
    """Where spans are sent.

    Attributes:
        host: Name or address.
        port: TCP port.
        path: With its query.
        encrypted: Whether by TLS.
    """

    host: str
    port: int
    path: str
    encrypted: bool

    @property
    def address(self) -> str:
        """Return who is spoken to; a path may hold a secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def endpoint_of(url: str) -> Endpoint:
    """Return what a URL leads to.

    Raises:
        ValueError: It is none that spans can be sent to.
    """
    parts = urlsplit(url)
    usual = _PORTS.get(parts.scheme)
    if usual is None or not parts.hostname or parts.username is not None or parts.fragment:
        raise ValueError
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not _PRINTABLE(path) or not _PRINTABLE(parts.hostname):
        raise ValueError
    return Endpoint(parts.hostname, parts.port or usual, path, parts.scheme == "https")


def headers_of(text: str) -> list[tuple[str, str]]:
    """Return names and values of headers, from `name=value,…`; values may be percent-encoded.

    Raises:
        ValueError: It is not written so, or no request can carry it.
    """
    found = []
    for each in text.split(","):
        if not each.strip():
            continue
        name, separator, value = each.partition("=")
        name, value = name.strip(), unquote(value.strip(), errors="strict")
        if not separator or not _NAME(name) or not _VALUE(value):
            raise ValueError
        found.append((name.lower(), value))
    return found
