"""What no single option shows: values that contradict each other, or that no use can be made of."""

from __future__ import annotations

import base64
import ipaddress
import re
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from autogpt_db.settings.traces import endpoint_of, headers_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.settings.api import ApiSettings
    from autogpt_db.settings.model import Settings
    from autogpt_db.settings.traces import TracesSettings

_ENCRYPTION_KEY_LENGTH = 32
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def contradictions(settings: Settings) -> Iterator[str]:
    """Yield what is wrong, each as a sentence that begins with an option."""
    api = settings.api
    if not (is_loopback(api.host) or api.trusted_network or api.token):
        yield (
            f"api.host: {api.host} is reachable from other machines; set api.token, or "
            "api.trusted_network = true if everybody who can reach it may read and write "
            "everything."
        )
    if api.token and not _travels(api.token.reveal()):
        yield (
            "api.token: no request can carry it: it has control characters, begins or ends with a "
            "blank, or is no UTF-8. Take another: openssl rand -hex 32"
        )
    yield from _fallback_problems(api)
    scheduler = settings.library.scheduler_url
    if scheduler is not None and not _goes_on(scheduler):
        yield (
            "library.scheduler_url: must look like http://host:port, without user, query or "
            "fragment: a method's name is put behind it."
        )
    if not _goes_on(settings.linking.base_url):
        yield (
            "linking.base_url: must look like https://host/link, without user, query or fragment: "
            "a token is put behind it."
        )
    limit = settings.database.connection_limit
    least = settings.api.processes + settings.other_connections
    if limit is not None and limit < least:
        admin = " with the admin listener" if settings.admin.enabled else ""
        yield (
            f"database.connection_limit: {limit} is too few for {settings.api.processes} API and "
            f"{settings.worker.processes} worker processes{admin}, which need {least} at least."
        )
    yield from _admin_problems(settings)
    yield from _traces_problems(settings.traces)

    keys = settings.integrations
    for name, key in (
        ("encryption_key", keys.encryption_key),
        ("previous_encryption_key", keys.previous_encryption_key),
    ):
        if key is not None and not _is_encryption_key(key.reveal()):
            yield (
                f"integrations.{name}: is not 32 bytes in url-safe base64, as AutoGPT's "
                "ENCRYPTION_KEY must be."
            )
    if keys.previous_encryption_key is not None and keys.encryption_key is None:
        yield "integrations.previous_encryption_key: means nothing without encryption_key."


def _admin_problems(settings: Settings) -> Iterator[str]:
    admin, api = settings.admin, settings.api
    if not admin.enabled:
        return
    if admin.port == api.port and _share_an_address(admin.host, api.host):
        yield f"admin.port: {admin.port} is api.port; give each a port of its own."
    if not (is_loopback(admin.host) or admin.allowed_hosts.strip()):
        yield (
            f"admin.host: {admin.host} is reachable from other machines; say in "
            "admin.allowed_hosts by which names, or browsers are refused."
        )


def _traces_problems(traces: TracesSettings) -> Iterator[str]:
    if not traces.enabled:
        return
    if not _is_installed("opentelemetry.proto.collector.trace.v1"):
        yield (
            "traces.enabled: the package opentelemetry-proto is missing. Install it beside this "
            "program (pip install 'autogpt-db[traces]'), or turn traces off."
        )
    try:
        endpoint_of(traces.endpoint)
    except ValueError:
        yield (
            "traces.endpoint: must look like http://host:4318/v1/traces, without user or fragment."
        )
    try:
        headers_of(traces.headers.reveal() if traces.headers else "")
    except ValueError:
        yield (
            "traces.headers: must look like name=value, several separated by commas; what else a "
            "value holds is written %2C, as in a URL."
        )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # what it would stand in is missing
        return False


def _travels(token: str) -> bool:
    """Tell whether a header can carry a token, and what is received be equal to it."""
    try:
        sent = token.encode()
    except UnicodeEncodeError:
        return False
    return sent == sent.strip() and _CONTROL.search(token) is None


def _fallback_problems(api: ApiSettings) -> Iterator[str]:
    if api.fallback_url is None:
        return
    try:
        url = urlsplit(api.fallback_url)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if not host or url.scheme not in {"http", "https"} or url.query or url.fragment or url.username:
        yield (
            "api.fallback_url: must look like http://host:port, without user, query or fragment."
        )
    elif port == api.port and is_loopback(host):
        yield (
            f"api.fallback_url: {host}:{port} is this service itself; give AutoGPT's own "
            "DatabaseManager another port (its DATABASE_API_PORT)."
        )


def _goes_on(base: str) -> bool:
    """Tell whether an address is one still when a further part and a query stand behind it."""
    try:
        url = urlsplit(base)
        host, _port = url.hostname, url.port
    except ValueError:
        return False
    plain = (
        base.isascii() and not any(each.isspace() for each in base) and not _CONTROL.search(base)
    )
    beside = "?" in base or "#" in base or url.username is not None
    return bool(host) and url.scheme in {"http", "https"} and plain and not beside


def _is_encryption_key(text: str) -> bool:
    try:
        return len(base64.urlsafe_b64decode(text.encode())) == _ENCRYPTION_KEY_LENGTH
    except ValueError:
        return False


def _share_an_address(one: str, other: str) -> bool:
    """Tell whether a port cannot be had at both: one of them may stand for every address."""
    if one.startswith("/") or other.startswith("/"):
        return one == other
    loopback = {"localhost", "127.0.0.1", "::1"}
    every = {"", "0.0.0.0", "::"}  # noqa: S104 - nothing is bound
    both = {one, other}
    return one == other or bool(both & every) or ("localhost" in both and both <= loopback)


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches an address, or the path of a unix socket."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
