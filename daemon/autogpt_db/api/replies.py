"""The transport as a request sees it: a head waits for its body, and one packet carries both."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

JOINED = 65_536
"""Bytes of a body up to which it is copied to its head."""


class Replies:
    """A transport of which only what a reply needs is left.

    Args:
        transport: Where the bytes go.
        close: Called when a reply ends its connection.
    """

    __slots__ = ("_begun", "_close", "_head", "_write", "is_closing")

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._close = close
        self._write = transport.write
        self._head = b""
        self._begun = b""
        self.is_closing = transport.is_closing

    def begin(self, beginning: bytes) -> None:
        """Write the beginning of the next reply already.

        Args:
            beginning: What that one begins with.
        """
        if not self._head:
            self._begun = beginning
            self._write(beginning)

    def write(self, data: bytes) -> None:
        """Write a reply's head or body."""
        if self._begun:
            data = data.removeprefix(self._begun)
            self._begun = b""
            self._head = data
            return
        head = self._head
        if head:
            self._head = b""
            if len(data) < JOINED:
                self._write(head + data)
            else:
                self._write(head)
                self._write(data)
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100 "):
            self._head = data
        else:
            self._write(data)

    def flush(self) -> None:
        """Let go of a head that has no body."""
        if self._head:
            self.write(b"")

    def close(self) -> None:
        """End the connection once everything is written."""
        self.flush()
        self._close()
