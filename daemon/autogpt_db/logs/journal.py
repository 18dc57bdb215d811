"""Native journald records: one datagram an event, its fields as the journal's own.

Protocol: systemd's "Native Journal Protocol" documentation.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from functools import cache
from typing import TYPE_CHECKING

from autogpt_db.logs.events import all_events
from autogpt_db.logs.events.processes import output
from autogpt_db.logs.render import exception_text
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from structlog.typing import EventDict

SOCKET_PATH = "/run/systemd/journal/socket"
_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
# Fields that have a name of their own in the journal; every other one is upper-cased.
_NAMES = {"process": "AUTOGPT_DB_PROCESS", "logger": "LOGGER"}
_SEALS = 0x000F  # F_SEAL_SEAL | SHRINK | GROW | WRITE: journald takes only sealed files


def journal_is_stderr() -> bool:
    """Tell whether stderr is the journal, by systemd's own sign ($JOURNAL_STREAM)."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    if not inode:
        return False
    try:
        status = os.fstat(2)
    except OSError:
        return False
    return (str(status.st_dev), str(status.st_ino)) == (device, inode)


class JournalSink:
    """Send events to journald; drop and count them when it does not take them at once."""

    def __init__(self, path: str = SOCKET_PATH) -> None:
        self._path = path
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8 << 20)
        self.dropped = 0

    def emit(self, event: EventDict) -> None:
        """Send `event`."""
        try:
            if self.dropped:
                event["dropped_before"] = self.dropped
            self._send(_encode(event))
            self.dropped = 0
        except Exception:  # noqa: BLE001 - a log line must never take its program down
            self.dropped += 1

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _send(self, record: bytes) -> None:
        try:
            self._socket.sendto(record, self._path)
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            descriptor = os.memfd_create("journal-record", os.MFD_ALLOW_SEALING)
            try:
                os.write(descriptor, record)
                fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
                socket.send_fds(self._socket, [b""], [descriptor], 0, self._path)
            finally:
                os.close(descriptor)


@cache
def _message_ids() -> dict[str, str]:
    return {name: found.entry.message_id for name, found in all_events().items() if found.entry}


def _encode(event: EventDict) -> bytes:
    text = exception_text(event)
    level = str(event.pop("level", "info"))
    event.pop("timestamp", None)  # the journal stamps records itself
    name = message = str(event.pop("event", ""))
    identifier = "autogpt-db"
    if name == output.name and "line" in event:
        # What a process wrote that knows nothing of events: as if it had written to the journal.
        identifier, message = str(event.get("process", identifier)), str(event.pop("line"))
    words = " ".join(
        f"{key}={value}" for key, value in event.items() if key not in {"process", "logger"}
    )
    if words:
        message = f"{message} {words}"
    # journalctl shows a message with control characters as so many bytes of nothing, and obeys the
    # others. The fields below stay as they are.
    message = printable(message)
    if text:
        message = f"{message}\n{printable(text, lines=True)}"
    fields = {
        "MESSAGE": message,
        "PRIORITY": str(_PRIORITIES.get(level, 6)),
        "SYSLOG_IDENTIFIER": identifier,
    }
    if "logger" not in event:
        fields["EVENT"] = name  # a library's is a sentence, not a name
    if name in _message_ids():
        fields["MESSAGE_ID"] = _message_ids()[name]
    if isinstance(event.get("seconds"), int | float):
        fields["DURATION_MS"] = f"{event['seconds'] * 1000:.3f}"
    for key, value in event.items():
        name = _NAMES.get(key) or "".join(c if c.isalnum() else "_" for c in key.upper())
        fields.setdefault(name.lstrip("_"), str(value))
    record = bytearray()
    for name, value in fields.items():
        data = value.encode("utf-8", "backslashreplace")
        if b"\n" in data:
            record += name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            record += name.encode() + b"=" + data + b"\n"
    return bytes(record)
