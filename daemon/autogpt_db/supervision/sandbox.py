"""What the unit's sandbox lets the service reach, for commands that run outside it."""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from autogpt_db.errors import ConfigurationError
from autogpt_db.supervision.unit import systemctl_show

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.url import DatabaseUrl

    _Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refuse_closed_way(target: DatabaseUrl) -> None:
    """Refuse a server that the service may not connect to, whoever else may.

    Only where systemd has the unit: without it nothing is in the way.

    Args:
        target: The server.

    Raises:
        ConfigurationError: Names the addresses, and what to do.
    """
    closed = closed_addresses(target)
    if closed:
        raise ConfigurationError(
            f"database.url: the sandbox of autogpt-db.service lets it connect to none of "
            f"{', '.join(closed)} (IPAddressDeny=). Allow it: systemctl edit autogpt-db, and below "
            f"[Service] IPAddressAllow={closed[0]}; then: systemctl restart autogpt-db."
        )


def closed_addresses(target: DatabaseUrl) -> list[str]:
    """Return the server's addresses where the unit allows none of them; nothing else.

    Args:
        target: The server; one behind a socket's path needs no network.
    """
    shown = systemctl_show("LoadState", "IPAddressAllow", "IPAddressDeny")
    if shown.get("LoadState") != "loaded" or not shown.get("IPAddressDeny"):
        return []
    allowed, denied = _networks(shown["IPAddressAllow"]), _networks(shown["IPAddressDeny"])
    found = list(dict.fromkeys(_addresses(target)))
    reachable = [
        one for one in found if _within(one, allowed) or not _within(one, denied)
    ]  # systemd.resource-control(5): what is allowed is, whatever is denied
    return [] if reachable else [str(one) for one in found]


def lets_others_in() -> bool:
    """Tell whether the unit lets other machines reach what the service itself listens on.

    The API's sockets are systemd's own, which `IPAddressDeny=` doesn't concern.
    """
    shown = systemctl_show("LoadState", "IPAddressAllow", "IPAddressDeny")
    if shown.get("LoadState") != "loaded":
        return True
    denied = _networks(shown.get("IPAddressDeny", ""))
    allowed = _networks(shown.get("IPAddressAllow", ""))
    closed = any(network.prefixlen == 0 for network in denied)
    return not closed or any(not network.is_loopback for network in allowed)


def _addresses(target: DatabaseUrl) -> Iterator[_Address]:
    named = target.parameters.get("hostaddr") or target.parameters.get("host") or ""
    for host in named.split(","):
        if host.startswith("/") or not host:
            continue
        with suppress(OSError, ValueError):
            for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
                yield ipaddress.ip_address(str(address[0]).partition("%")[0])


def _networks(shown: str) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    return [ipaddress.ip_network(one, strict=False) for one in shown.split()]


def _within(
    address: _Address, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]
) -> bool:
    return any(address in network for network in networks if network.version == address.version)
