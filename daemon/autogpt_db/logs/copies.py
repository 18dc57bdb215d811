"""Records copied to whoever looks at the log live: the admin listener, while its page is open.

A datagram each, of declared events only, without traceback: nothing of what users say is in them,
and no statement's text. Where nobody listens, nothing is rendered, and a second passes until the
next try; who listens and is slow misses some.
"""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.logs.declaration import EVENTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

SOCKET_NAME = "admin-log.sock"
"""Below the runtime directory; it is there while somebody listens."""
LARGEST = 8192
"""Bytes of a copy; a larger record isn't copied."""
RETRY = 1.0
"""Seconds between two tries to find somebody who listens."""
# What a program of others, or PostgreSQL itself, has written: it may be anything.
_RAW = frozenset({"output"})
_ALWAYS = (
    "timestamp", "level", "event", "process", "request_id", "trace_id", "span_id", "dropped_before"
)  # fmt: skip

_encoder = msgspec.json.Encoder(enc_hook=str)


class RecordCopies:
    """Send copies of records.

    Args:
        runtime: The runtime directory.
    """

    def __init__(self, runtime: Path) -> None:
        self._address = str(runtime / SOCKET_NAME)
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        )
        self._connected = False
        self._next_try = 0.0

    def emit(self, record: Mapping[str, Any]) -> None:
        """Copy a record, if anybody listens; it never waits and never fails."""
        name = record.get("event")
        declared = EVENTS.get(name) if isinstance(name, str) else None
        if declared is None or declared.name in _RAW or not self._find():
            return
        try:
            fields = [*_ALWAYS, *declared.fields]
            copied = {each: record[each] for each in fields if each in record}
            copied.pop("exc_info", None)
            content = _encoder.encode(copied)
            if len(content) <= LARGEST:
                self._socket.send(content)
        except BlockingIOError:
            return
        except Exception:  # noqa: BLE001 - a log line must never take its program down
            self._connected = False

    def close(self) -> None:
        """Copy no more."""
        self._socket.close()

    def _find(self) -> bool:
        """Tell whether somebody listens; look for them again once a second."""
        if not self._connected and time.monotonic() >= self._next_try:
            try:
                self._socket.connect(self._address)
            except OSError:
                self._next_try = time.monotonic() + RETRY
            else:
                self._connected = True
        return self._connected
