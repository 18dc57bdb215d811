"""By which names the admin listener may be called.

A name that an attacker owns and lets point at 127.0.0.1 makes a browser take their page for ours
(DNS rebinding); the Host header still has their name.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from autogpt_db.admin.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from autogpt_db.settings import AdminSettings

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)


class AllowedHosts:
    """The names that are answered to.

    Args:
        admin: Where the listener is, and how else it is called.
    """

    def __init__(self, admin: AdminSettings) -> None:
        named = {_name_of(each) for each in admin.allowed_hosts.split(",")}
        self._names = (named | {"localhost", _name_of(admin.host)}) - {""}

    def verify(self, request: Request) -> None:
        """Refuse a request that calls us by another name.

        Raises:
            ProblemError: 421.
        """
        given = request.headers.getlist("host")
        if len(given) != 1 or not (_HOST.fullmatch(given[0]) and self._allows(_name_of(given[0]))):
            raise ProblemError(
                421,
                "Misdirected Request",
                "The admin listener is not called so. Names that it shall answer to stand in "
                "admin.allowed_hosts.",
            )

    def _allows(self, name: str) -> bool:
        if name in self._names:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _name_of(host: str) -> str:
    """Return a host's name or address without its port, written as it is compared."""
    found = _HOST.fullmatch(host.strip())  # an IPv6 address by itself doesn't look so
    name = (found[1] if found else host.strip()).strip("[]").lower().removesuffix(".")
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
