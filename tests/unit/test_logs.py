"""Logging: held until configured, never blocking, never raising."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
from http import HTTPStatus
from pathlib import Path

import pytest

from autogpt_db.logs.events.processes import process_exited
from autogpt_db.logs.journal import JournalSink, _encode
from autogpt_db.logs.render import console_renderer, json_renderer
from autogpt_db.logs.stream import StreamSink

PROGRAM = """
import logging, structlog, warnings
from autogpt_db.logs import bind_process, configure_logging, hold_records, release_held
from autogpt_db.settings import LoggingSettings
hold_records()
log = structlog.get_logger("tests")
log.debug("too fine"); log.info("early", number=1)
logging.getLogger("library").warning("from %s", "elsewhere")
{configure}
bind_process("api_00")
log.info("late", text="ü\\nline")
try:
    raise RuntimeError("cause")
except RuntimeError:
    log.exception("failed")
release_held()
"""


def run(configure: str) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(configure=configure)],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return done.stdout, done.stderr


def test_early_records_are_replayed_in_order_once_logging_is_configured() -> None:
    out, err = run('configure_logging(LoggingSettings(format="json"))')
    records = [json.loads(line) for line in err.splitlines()]
    assert out == ""
    assert [record["event"] for record in records] == ["early", "from elsewhere", "late", "failed"]
    assert records[0]["number"] == 1
    assert records[1]["logger"] == "library"
    assert records[2]["process"] == "api_00"
    assert records[2]["text"] == "ü\nline"
    assert "RuntimeError: cause" in records[3]["exception"]
    assert all(record["timestamp"].endswith("Z") for record in records)


def test_piped_output_is_json_by_default_and_the_level_is_kept() -> None:
    _, err = run('configure_logging(LoggingSettings(level="error"))')
    assert [json.loads(line)["event"] for line in err.splitlines()] == ["failed"]


def test_a_program_that_fails_before_logging_is_configured_still_says_why() -> None:
    _, err = run("")
    assert "early" in err
    assert "RuntimeError: cause" in err


def test_a_reader_that_is_slow_costs_lines_not_time() -> None:
    reader, writer = os.pipe()
    try:
        sink = StreamSink(writer, json_renderer)
        for number in range(2000):
            sink.emit({"event": "x" * 200, "number": number})
        assert sink.dropped > 0
        lost = sink.dropped
        while len(os.read(reader, 65536)) == 65536:
            pass
        sink.emit({"event": "after"})
        assert sink.dropped == 0
        assert json.loads(os.read(reader, 65536).splitlines()[-1])["dropped_before"] == lost
    finally:
        os.close(reader)
        os.close(writer)


def test_a_reader_that_is_gone_raises_nothing() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        sink = StreamSink(writer, json_renderer)
        sink.emit({"event": "nobody reads"})
        assert sink.dropped == 1
    finally:
        os.close(writer)


def test_values_of_any_kind_are_logged() -> None:
    line = json.loads(json_renderer({"event": "odd", "value": object(), "path": Path("/x")}))
    assert line["path"] == "/x"
    assert line["value"].startswith("<object object")


def fields_of(record: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while record:
        line, _, record = record.partition(b"\n")
        name, separator, value = line.partition(b"=")
        if not separator:
            (length,) = struct.unpack("<Q", record[:8])
            value, record = record[8 : 8 + length], record[9 + length :]
        found[name.decode()] = value.decode()
    return found


def test_the_journal_gets_one_datagram_an_event_with_fields_of_its_own(
    request: pytest.FixtureRequest,
) -> None:
    with tempfile.TemporaryDirectory(prefix="adb-", dir="/tmp") as directory:
        path = f"{directory}/journal"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.bind(path)
            journal.settimeout(5)
            sink = JournalSink(path)
            request.addfinalizer(sink.close)
            sink.emit(
                {"event": "request", "level": "warning", "process": "api_00", "method": "get_node"}
            )
            fields = fields_of(journal.recv(65536))
            assert fields["PRIORITY"] == "4"
            assert fields["AUTOGPT_DB_PROCESS"] == "api_00"
            assert fields["METHOD"] == "get_node"
            assert fields["SYSLOG_IDENTIFIER"] == "autogpt-db"
            cause = ValueError("two\nlines")
            sink.emit({"event": "failed", "level": "error", "exc_info": cause})
            assert "two\nlines" in fields_of(journal.recv(65536))["MESSAGE"]


def test_a_journal_that_is_gone_is_counted_not_raised() -> None:
    sink = JournalSink("/nonexistent/journal")
    sink.emit({"event": "lost"})
    sink.emit({"event": "lost"})
    assert sink.dropped == 2
    sink.close()


def test_a_journal_record_has_its_event_its_duration_and_the_help_for_it() -> None:
    fields = fields_of(_encode({"event": "process_exited", "child": "api_00", "seconds": 0.25}))
    assert fields["EVENT"] == "process_exited"
    assert fields["DURATION_MS"] == "250.000"
    assert process_exited.entry is not None
    assert fields["MESSAGE_ID"] == process_exited.entry.message_id
    sentence = fields_of(_encode({"event": "a library says so", "logger": "some.library"}))
    assert "EVENT" not in sentence


def test_a_program_s_line_stands_in_the_journal_as_if_it_had_written_it_itself() -> None:
    fields = fields_of(_encode({"event": "output", "process": "executor", "line": "hello = 1"}))
    assert fields["MESSAGE"] == "hello = 1"
    assert fields["SYSLOG_IDENTIFIER"] == fields["AUTOGPT_DB_PROCESS"] == "executor"
    assert fields["EVENT"] == "output"
    assert "LINE" not in fields


def test_the_console_shows_a_status_as_its_number() -> None:
    line = console_renderer(colours=False)({"event": "request", "status": HTTPStatus.NOT_FOUND})
    assert b"status=404" in line


@pytest.mark.parametrize(("closed", "told"), [(">&-", True), ("2>&-", False)])
def test_a_commands_warnings_go_to_stderr_where_there_is_one(closed: str, told: bool) -> None:
    code = (
        "from autogpt_db.logs import records_on_stderr\n"
        "from autogpt_db.logs.events import methods\n"
        "with records_on_stderr():\n"
        "    methods.schedules_unknown(reason='\\x1b[2J', pause=1.0)\n"
    )
    words = ["sh", "-c", f'exec "$0" -c "$1" {closed}', sys.executable, code]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert ("schedules_unknown" in done.stderr) == told
    assert ("\\u001b[2J" in done.stderr) == told
