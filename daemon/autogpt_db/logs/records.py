"""Records that were written, read again: from the journal's entries, or from lines of JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.logs.events import all_events
from autogpt_db.logs.events.processes import output

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = dict[str, Any]

LEVELS = ("debug", "info", "warning", "error", "critical")
"""From the least on."""
_LEVEL_OF_PRIORITY = {7: "debug", 6: "info", 5: "info", 4: "warning", 3: "error"}
_PRIORITY_OF_LEVEL = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
# What the journal adds or says in another way; and its own fields all begin with an underscore.
_OF_THE_JOURNAL = frozenset(
    {"MESSAGE", "MESSAGE_ID", "PRIORITY", "EVENT", "DURATION_MS", "AUTOGPT_DB_PROCESS"}
)
_OF_SYSLOG = ("SYSLOG_", "CODE_", "INVOCATION_ID", "JOB_", "UNIT", "TID", "CPU_USAGE")
_FIRST = ("timestamp", "level", "event", "process")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are wanted: those that have all of it.

    Attributes:
        fields: The values that a field may have, by its name in a record.
        level: The least level.
        since: The first moment.
    """

    fields: Mapping[str, tuple[str, ...]]
    level: str | None = None
    since: datetime | None = None

    def has(self, record: Record) -> bool:
        """Tell whether a record is wanted."""
        if self.level is not None and _rank(record) < LEVELS.index(self.level):
            return False
        if self.since is not None and not self._is_late_enough(record):
            return False
        return all(
            name in record and str(record[name]) in values for name, values in self.fields.items()
        )

    def may_have(self, line: bytes) -> bool:
        """Tell whether a line of JSON may be of a wanted record, without reading it."""
        # Letters, digits and the like stand in JSON as they are; others may be escaped.
        return all(
            any(not _is_plain(value) or value.encode() in line for value in values)
            for values in self.fields.values()
        )

    def _is_late_enough(self, record: Record) -> bool:
        moment = moment_of(record)
        return moment is not None and self.since is not None and moment >= self.since

    def journal_matches(self) -> list[str]:
        """Return what journalctl finds the same by."""
        found = [
            f"{'AUTOGPT_DB_PROCESS' if name == 'process' else name.upper()}={value}"
            for name, values in self.fields.items()
            for value in values
        ]
        if self.level is not None:
            found.append(f"--priority={_PRIORITY_OF_LEVEL[self.level]}")
        if self.since is not None:
            found.append(f"--since=@{self.since.timestamp():.6f}")
        return found


def record_of_line(line: bytes) -> Record:
    """Return the record that a line of JSON is; of any other line one that has it as its event."""
    try:
        found = json.loads(line)
    except ValueError:
        found = None
    if isinstance(found, dict) and isinstance(found.get("event"), str):
        return found
    return {"event": line.decode("utf-8", "replace").rstrip("\n")}


def record_of_entry(line: bytes) -> Record:
    """Return the record that an entry of the journal was made of, as `journalctl -o json` has it.

    What the journal has no types for gets its own again. What systemd says of the service, and
    what others have written, is the event itself.

    Raises:
        ValueError: The line is no entry.
    """
    entry: dict[str, Any] = json.loads(line)
    fields = {name: _text(value) for name, value in entry.items()}
    record: Record = {}
    if stamp := fields.get("__REALTIME_TIMESTAMP"):
        moment = datetime.fromtimestamp(int(stamp) / 1_000_000, UTC)
        record["timestamp"] = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    record["level"] = _LEVEL_OF_PRIORITY.get(int(fields.get("PRIORITY", "6")), "critical")
    record["event"] = fields.get("EVENT") or fields.get("MESSAGE", "")
    record["process"] = fields.get("AUTOGPT_DB_PROCESS") or fields.get("SYSLOG_IDENTIFIER", "")
    message = fields.get("MESSAGE", "")
    if record["event"] == output.name:
        record["line"] = message
    elif "EVENT" in fields and "\n" in message:
        record["exception"] = message.partition("\n")[2]
    types = _types(record["event"])
    told = {
        name.lower(): text
        for name, text in fields.items()
        if name not in _OF_THE_JOURNAL and not name.startswith(("_", *_OF_SYSLOG))
    }
    # journalctl has them in no order; the event's is the one that people know.
    for name in [*(name for name in types if name in told), *sorted(told.keys() - types.keys())]:
        record[name] = _typed(told[name], types.get(name, "str"))
    return record


def as_text(record: Record) -> str:
    """Return a record as a line for people, its exception below."""
    rest = {name: value for name, value in record.items() if name not in {*_FIRST, "exception"}}
    stamp = str(record.get("timestamp", ""))
    words = [stamp, f"{record.get('level', ''):<8}"] if stamp else []
    if process := record.get("process"):
        words.append(f"{process}:")
    words += [str(record.get("event", "")), *(f"{key}={_word(rest[key])}" for key in rest)]
    line = " ".join(words)
    return f"{line}\n{record['exception']}" if record.get("exception") else line


def as_json(record: Record) -> str:
    """Return a record as a line of JSON, its common fields first."""
    ordered = {name: record[name] for name in _FIRST if record.get(name) not in {None, ""}}
    rest = {name: value for name, value in record.items() if name not in _FIRST}
    return msgspec.json.encode(ordered | rest).decode()


def moment_of(record: Record) -> datetime | None:
    """Return when a record was written; None where it doesn't say."""
    try:
        moment = datetime.fromisoformat(str(record.get("timestamp")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _rank(record: Record) -> int:
    level = str(record.get("level", "info"))
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isprintable() and not {'"', "\\", "/"} & set(text)


def _text(value: Any) -> str:
    """Return a field's text: bytes that are no UTF-8 come as numbers, repeated fields as a list."""
    if isinstance(value, list):
        if value and all(isinstance(each, int) for each in value):
            return bytes(value).decode("utf-8", "replace")
        return " ".join(map(_text, value))
    return "" if value is None else str(value)


def _types(event: str) -> dict[str, str]:
    declared = all_events().get(event)
    return declared.types if declared is not None else {}


def _typed(text: str, kind: str) -> Any:
    """Return a field's value as the event has declared it, where that is a number or a truth."""
    kinds = {each.strip() for each in kind.split("|")}
    try:
        if "bool" in kinds or kind.startswith("Literal[True"):
            return {"True": True, "False": False}[text]
        if "int" in kinds:
            return int(text)
        if "float" in kinds:
            return float(text)
    except (KeyError, ValueError):
        pass
    return text


def _word(value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or "\n" in text else text
