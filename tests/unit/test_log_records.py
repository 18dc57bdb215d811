"""`autogpt-db logs`: what the service has written comes back, and is found by its fields."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from autogpt_db.cli.commands import commands
from autogpt_db.cli.log_sources import from_file, journal_command
from autogpt_db.logs.journal import JournalSink
from autogpt_db.logs.records import Wanted, as_json, as_text, record_of_entry, record_of_line
from autogpt_db.logs.render import json_renderer
from daemon_process import PROGRAM
from waiting import PATIENCE, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def written(minute: int, event: str, process: str = "api_00", **fields: Any) -> dict[str, Any]:
    moment = NOW + timedelta(minutes=minute)
    stamp = moment.isoformat().replace("+00:00", "Z")
    return {"timestamp": stamp, "level": "info", "event": event, "process": process, **fields}


def request(minute: int, method: str, status: int, request_id: str, **more: Any) -> dict[str, Any]:
    return written(
        minute, "request", method=method, status=status, seconds=0.25, pool_wait=0.0, rows=1,
        request_id=request_id, **more,
    )  # fmt: skip


RECORDS = [
    written(0, "listening", address="127.0.0.1:8005", methods=3, connections=1),
    request(1, "get_credits", 200, "r1"),
    request(2, "spend_credits", 503, "r2", level="warning", failure="PoolExhaustedError"),
    written(3, "auto_top_up", "api_01", user_id="alice", amount=5, payment="p", request_id="r2"),
    written(4, "auto_top_up", "api_01", user_id="bob", amount=7, payment="p"),
    written(5, "output", "postgresql", line="spend_credits is no word of ours"),
    written(6, "job_failed", "worker_00", level="error", job="x", exception="Traceback\n  x"),
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    lines = [json_renderer(dict(record)) for record in RECORDS]
    path.write_bytes(b"".join([*lines[:3], b"Traceback of nobody\n", *lines[3:]]))
    return path


def shown(log: Path, *words: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(commands, ["logs", "--file", str(log), "--json", *words])
    assert done.exit_code == 0, done.output
    return [json.loads(line) for line in done.output.splitlines()]


@pytest.mark.parametrize(
    ("words", "places"),
    [
        ((), range(7)),
        (("--method", "spend_credits"), [2]),
        (("--method", "spend_credits", "--method", "get_credits"), [1, 2]),
        (("--user", "alice"), [3]),
        (("--request", "r2"), [2, 3]),
        (("--request", "r2", "--process", "api_01"), [3]),
        (("--process", "postgresql", "--process", "worker_00"), [5, 6]),
        (("--event", "auto_top_up"), [3, 4]),
        (("--level", "warning"), [2, 6]),
        (("--since", "2026-05-01T12:04"), [4, 5, 6]),
        (("--since", "2026-05-01T14:04+02:00"), [4, 5, 6]),
        (("--since", "2026-05-01T12:04", "-n", "1"), [6]),
        (("-n", "2", "--process", "api_00"), [1, 2]),
        (("-n", "0"), []),
        (("--since", "today"), []),
        (("--since", "15m"), []),
        (("--user", "alice", "--method", "spend_credits"), []),
    ],
)
def test_records_are_found_by_what_they_are_about(
    log: Path, words: tuple[str, ...], places: Any
) -> None:
    found = [record for record in shown(log, *words) if "Traceback of" not in record["event"]]
    assert found == [RECORDS[place] for place in places]


def test_a_line_that_is_no_record_is_shown_where_nothing_is_asked_for(log: Path) -> None:
    assert {"event": "Traceback of nobody"} in shown(log)
    assert {"event": "Traceback of nobody"} not in shown(log, "--process", "api_00")


def test_people_get_a_line_and_the_exception_below(log: Path) -> None:
    done = CliRunner().invoke(commands, ["logs", "--file", str(log)])
    lines = done.output.splitlines()
    assert "2026-05-01T12:01:00Z info     api_00: request method=get_credits status=200" in lines[1]
    assert lines[-3].endswith("worker_00: job_failed job=x")
    assert lines[-2:] == ["Traceback", "  x"]


def test_a_terminal_obeys_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(json.dumps({"event": "evil \x1b]0;title\x07", "level": "info"}) + "\n")
    done = CliRunner().invoke(commands, ["logs", "--file", str(path)])
    assert "\x1b" not in done.output
    assert "evil" in done.output


@pytest.mark.parametrize("when", ["yesterday", "15", "2026-13-01", "99999999999d", ""])
def test_a_moment_that_is_none_is_refused(log: Path, when: str) -> None:
    done = CliRunner().invoke(commands, ["logs", "--file", str(log), "--since", when])
    assert done.exit_code == 2
    assert "is neither" in done.output


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, ["logs", "--file", str(tmp_path / "none")])
    assert done.exit_code == 78
    assert "No such file" in done.output


def test_it_reads_a_pipe(log: Path) -> None:
    done = subprocess.run(
        [str(PROGRAM), "logs", "--file", "-", "--method", "get_credits"],
        input=log.read_bytes(), capture_output=True, check=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.stdout.decode().splitlines()[0].endswith("request_id=r1")


class Following:
    """A file that is followed, and what has been seen of it."""

    def __init__(self, path: Path, wanted: Wanted, lines: int) -> None:
        self.seen: list[str] = []
        self._records = from_file(path, wanted, lines=lines, follow=True)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for record in self._records:
            self.seen.append(record["event"])

    def wait(self, *events: str) -> None:
        wait_for(lambda: self.seen == list(events), what=f"{events}, and not {self.seen}")


def test_a_file_is_followed_when_it_grows_is_replaced_or_emptied(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def line(event: str, process: str = "api_00") -> str:
        return json.dumps({"event": event, "process": process}) + "\n"

    path.write_text(line("first") + line("second") + line("other", "api_01"))
    following = Following(path, Wanted({"process": ("api_00",)}), lines=1)
    following.wait("second")
    with path.open("a") as file:
        half = line("third")
        file.write(half[:9])
        file.flush()
        file.write(half[9:] + line("other", "api_01"))
        file.flush()
        following.wait("second", "third")
        path.rename(tmp_path / "log.1")
        file.write(line("late"))  # the writer has not heard of it yet
        file.flush()
        path.write_text(line("fourth"))
        following.wait("second", "third", "late", "fourth")
    path.write_text("")
    wait_for(lambda: path.stat().st_size == 0, what="it is empty")
    path.write_text(line("5"))
    following.wait("second", "third", "late", "fourth", "5")


# The journal -----------------------------------------------------------------------------------


@pytest.fixture
def journal() -> Iterator[tuple[JournalSink, socket.socket]]:
    """Yield a sink, and what its datagrams arrive at."""
    with (
        tempfile.TemporaryDirectory() as directory,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journald,
    ):
        journald.bind(f"{directory}/socket")
        sink = JournalSink(f"{directory}/socket")
        yield sink, journald
        sink.close()


def entry(datagram: bytes) -> dict[str, Any]:
    """Return a datagram's fields, as journalctl shows an entry's."""
    fields: dict[str, Any] = {"_PID": "1", "__REALTIME_TIMESTAMP": "1777636800250000"}
    while datagram:
        head, _, rest = datagram.partition(b"\n")
        name, equals, value = head.partition(b"=")
        if not equals:
            size = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + size], rest[8 + size + 1 :]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record["event"])
def test_what_goes_to_the_journal_comes_back_as_it_was(
    journal: tuple[JournalSink, socket.socket], record: dict[str, Any]
) -> None:
    sink, journald = journal
    expected = {key: value for key, value in record.items() if key != "timestamp"}
    sink.emit(dict(expected))
    fields = entry(journald.recv(1 << 16))
    back = record_of_entry(json.dumps(dict(sorted(fields.items(), reverse=True))).encode())
    assert back.pop("timestamp") == "2026-05-01T12:00:00.250000Z"
    assert back == expected
    assert [type(back[key]) for key in expected] == [type(expected[key]) for key in expected]
    if record["event"] == "request":
        assert list(back)[3:6] == ["method", "status", "seconds"], "as it is declared"


def test_an_exception_comes_back_from_the_journal(
    journal: tuple[JournalSink, socket.socket],
) -> None:
    sink, journald = journal
    error = LookupError("first line\nsecond line")
    sink.emit({"event": "internal_error", "level": "error", "method": "m", "exc_info": error})
    back = record_of_entry(json.dumps(entry(journald.recv(1 << 16))).encode())
    assert back["exception"] == "LookupError: first line\nsecond line"
    assert as_text(back).endswith(" method=m\nLookupError: first line\nsecond line")


def test_what_others_say_in_the_journal_is_shown_as_it_is() -> None:
    said = {
        "__REALTIME_TIMESTAMP": "1777636800250000",
        "PRIORITY": "4",
        "MESSAGE": "autogpt-db.service: State 'stop-sigterm' timed out.",
        "SYSLOG_IDENTIFIER": "systemd",
        "UNIT": "autogpt-db.service",
        "CODE_LINE": "1",
        "INVOCATION_ID": "x",
    }
    record = record_of_entry(json.dumps(said).encode())
    text = "2026-05-01T12:00:00.250000Z warning  systemd: autogpt-db.service: State"
    assert as_text(record).startswith(text)
    assert json.loads(as_json(record)).keys() == {"timestamp", "level", "event", "process"}
    raw = record_of_entry(json.dumps({"MESSAGE": [102, 111, 255], "PRIORITY": "6"}).encode())
    assert raw["event"] == "fo\N{REPLACEMENT CHARACTER}"


def test_the_journal_is_asked_for_the_fields() -> None:
    wanted = Wanted(
        {"method": ("get_credits", "spend_credits"), "process": ("api_00",), "user_id": ("a b",)},
        level="warning",
        since=NOW,
    )
    assert journal_command("autogpt-db.service", wanted, lines=5, follow=True) == [
        "journalctl",
        "--unit=autogpt-db.service",
        "--output=json",
        "--all",
        "--no-pager",
        "--quiet",
        "--lines=5",
        "--follow",
        "METHOD=get_credits",
        "METHOD=spend_credits",
        "AUTOGPT_DB_PROCESS=api_00",
        "USER_ID=a b",
        "--priority=4",
        "--since=@1777636800.000000",
    ]


def test_without_a_journal_the_file_is_asked_for(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(PROGRAM), "logs"],
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True, text=True, check=False, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 78
    assert "--file FILE" in done.stderr


def test_a_value_that_json_escapes_is_found_all_the_same() -> None:
    line = json_renderer({"event": "request", "method": 'a"b\\c/é'})
    wanted = Wanted({"method": ('a"b\\c/é',)})
    assert wanted.may_have(line)
    assert wanted.has(record_of_line(line))
    assert not Wanted({"method": ("other",)}).may_have(line)
