"""Offers to change the protocol, which this server ignores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from httptools import HttpRequestParser

_OFFER = frozenset({b"upgrade", b"http2-settings"})


def without_offer(
    parser: HttpRequestParser, url: bytes, headers: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return a head as it would be had its client offered nothing.

    Args:
        parser: Has read the head.
        url: What the request line asks for.
        headers: Names in lower case, and values.
    """
    version = parser.get_http_version().encode()
    lines = [b"%b %b HTTP/%b" % (parser.get_method(), url, version)]
    for name, value in headers:
        if name == b"connection":
            kept = [one.strip() for one in value.split(b",")]
            value = b", ".join(one for one in kept if one.lower() not in _OFFER)  # noqa: PLW2901
            if not value:
                continue
        if name not in _OFFER:
            lines.append(name + b": " + value)
    return b"\r\n".join(lines) + b"\r\n\r\n"
