"""What a terminal would obey is written out, wherever text from outside is shown."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.cli.friendly import friendly
from autogpt_db.cli.tables import table
from autogpt_db.errors import ConfigurationError
from autogpt_db.logs.journal import _encode
from autogpt_db.logs.render import console_renderer, json_renderer
from autogpt_db.printable import printable, printable_json, printable_line
from autogpt_db.supervision import output
from autogpt_db.supervision.systemd import notify

OBEYED = [
    *map(chr, range(0x20)),
    *map(chr, range(0x7F, 0xA0)),
    *"\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
]
# Without a blank or a quote, with one, and where a value is no text.
HOSTILE = "".join(OBEYED)
hostile_text = st.text(st.sampled_from([*OBEYED, *"ab \"'=é\\"]), max_size=12)


def obeyed_in(text: str, *, but: str = "") -> set[str]:
    """Return what of a text a terminal would obey."""
    return set(text) & set(OBEYED) - set(but)


@pytest.mark.parametrize("character", OBEYED)
def test_each_is_written_out_as_json_writes_it(character: str) -> None:
    shown = printable(f"a{character}b")
    assert not obeyed_in(shown)
    assert json.loads(f'"{shown}"') == f"a{character}b"
    assert printable("é ü 中 🙂") == "é ü 中 🙂"


@given(hostile_text, hostile_text)
def test_the_console_shows_only_control_characters_of_its_own(event: str, value: str) -> None:
    class Odd:
        def __repr__(self) -> str:
            return value

    for shown in (value, f"{value} ", [value], Path(f"/{value}".replace("\0", "")), Odd(), 1.5):
        record: dict[str, Any] = {
            "timestamp": "2026-11-28T00:00:00.000000Z",
            "level": "info",
            "event": event,
            "process": value,
            "logger": value,
            "path": shown,
        }
        line = console_renderer(colours=False)(dict(record)).decode()
        assert line.endswith("\n")
        assert not obeyed_in(line[:-1]), line
        coloured = console_renderer()(dict(record)).removesuffix(b"\n")
        assert printable_line(coloured) == coloured, "main passes on a child's colours as they are"


def test_an_exception_s_text_moves_no_cursor() -> None:
    try:
        raise ValueError(f"from outside: {HOSTILE}")
    except ValueError as error:
        line = console_renderer(colours=False)({"event": "failed", "exc_info": error}).decode()
    assert "ValueError: from outside" in line
    assert not obeyed_in(line, but="\n\t")


@given(hostile_text)
def test_json_means_what_it_meant_and_moves_no_cursor(value: str) -> None:
    line = json_renderer({"event": "request", "path": value}).decode()
    assert not obeyed_in(line[:-1])
    assert json.loads(line)["path"] == value
    document = json.dumps({"a": value}, ensure_ascii=False).encode()
    assert json.loads(printable_json(document)) == {"a": value}


def test_the_journal_keeps_fields_as_they_were_and_a_message_that_can_be_read() -> None:
    fields = _encode({"event": "method_unknown", "method": "a\x1b[2J\u202eb", "reason": "x\ny"})
    lines = fields.split(b"\n")
    assert rb"MESSAGE=method_unknown method=a\u001b[2J\u202eb reason=x\ny" in lines
    assert "METHOD=a\x1b[2J\u202eb".encode() in lines


def test_a_child_s_raw_lines_keep_colours_and_nothing_else() -> None:
    line = (
        b"\x1b[32m\x1b[1minfo\x1b[0m \x1b[2J\x1b[8mhidden \xc2\x9b1A \xe2\x80\xae \r \x9b\xff\x07"
    )
    shown = printable_line(line).decode()
    assert shown.startswith("\x1b[32m\x1b[1minfo\x1b[0m \\u001b[2J\\u001b[8mhidden \\u009b1A")
    assert obeyed_in(shown) == {"\x1b"}
    assert shown.count("\x1b") == 3


def test_what_main_passes_on_of_a_child_moves_no_cursor(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(output, "write_line", written.append)
    given_lines = output.ChildOutput(finished=True)
    given_lines.feed("api_00", "stdout", b"\x1b[31mred\x1b[0m\x1b[5A \xc2\x9b", finished=True)
    given_lines.feed("api_00", "stdout", b"1A\nhalf", finished=True)
    assert written == [b"\x1b[31mred\x1b[0m\\u001b[5A \\u009b1A\n"]


def test_what_tail_shows_is_utf_8_whatever_a_child_writes_and_wherever_it_is_cut() -> None:
    class Kept:
        data = b""

        def info(self, data: bytes) -> None:
            assert isinstance(data.decode(), str), "each piece is whole"
            self.data += data

    written = "é€🙂 ü\n".encode() + b"\xff\xc2\x9b1A\r\n\x1b[31mred\x1b[0m" + "中".encode()
    for size in range(1, len(written) + 1):
        kept = Kept()
        log = output.PlainLog(kept)
        for start in range(0, len(written), size):
            log.info(written[start : start + size])
        text = kept.data.decode()
        assert text.startswith("é€🙂 ü\n\ufffd\\u009b1A\n")
        assert not obeyed_in(text, but="\n\t")
        assert text.endswith("中")


def test_a_person_s_tables_and_errors_show_no_control_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = list(table(["id", "user"], [[HOSTILE, "u"], ["e", HOSTILE]]))
    assert len(lines) == 3
    assert not obeyed_in("".join(lines))
    with pytest.raises(SystemExit), friendly():
        raise ConfigurationError(f"the server said {HOSTILE}")
    said = capsys.readouterr().err
    assert "the server said" in said
    assert not obeyed_in(said, but="\n\t")


def test_words_for_systemd_cannot_become_another_assignment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = os.path.relpath(tmp_path / "notify")  # a socket's path may not be long
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(path)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notify("STATUS=waiting: the server said\nREADY=1\x1b[2J", "WATCHDOG=1")
        assert systemd.recv(4096).decode().split("\n") == [
            r"STATUS=waiting: the server said\nREADY=1\u001b[2J",
            "WATCHDOG=1",
        ]


def test_only_a_terminal_changes_what_a_script_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from autogpt_db.cli.printing import say

    say("a\x9bb", exact=True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    say("a\x9bb", exact=True)
    assert capsys.readouterr().out == "a\x9bb\na\\u009bb\n"


def test_an_output_that_cannot_be_written_is_told_of_in_a_sentence() -> None:
    code = "from autogpt_db.cli.printing import say\nsay('a' * 100_000)\nsay('b')"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr == ("autogpt-db: the output cannot be written: No space left on device.\n")
