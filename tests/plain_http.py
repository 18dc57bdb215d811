"""HTTP without TLS, for tests.

What httpx makes for itself reads the certificates of all authorities in the world first, which
takes 20 ms of a processor: each client, and each `httpx.get` without one.
"""

from __future__ import annotations

import ssl
from typing import Any

import httpx

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def client(**options: Any) -> httpx.Client:
    """Return a client; the options are those of httpx."""
    return httpx.Client(verify=NO_TLS, **options)


def get(url: str, **options: Any) -> httpx.Response:
    """Send one GET over a connection of its own."""
    return httpx.get(url, verify=NO_TLS, **options)


def post(url: str, **options: Any) -> httpx.Response:
    """Send one POST over a connection of its own."""
    return httpx.post(url, verify=NO_TLS, **options)
