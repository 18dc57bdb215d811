"""Logs are text for `supervisorctl tail`, wherever in them it begins to read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from supervisor.http import NOT_DONE_YET

from autogpt_db.supervision import output
from autogpt_db.supervision.log_reading import FollowedLog, read_log, tail_log
from autogpt_db.supervision.output import _LONGEST_LINE, ChildOutput

TEXT = "aé€🙂\nü中文b\n" * 2
SIZE = len(TEXT.encode())


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log"
    path.write_text(TEXT, "utf-8")
    return path


def test_every_tail_begins_with_a_whole_character_and_lacks_none(log: Path) -> None:
    for count in range(1, SIZE + 3):
        shown = read_log(log, -count, 0)
        assert TEXT.endswith(shown)
        assert count - 3 <= len(shown.encode()) or count > SIZE
        assert len(shown.encode()) <= count


@pytest.mark.parametrize("size", range(1, 12))
def test_pieces_put_together_are_the_log(log: Path, size: int) -> None:
    assert "".join(read_log(log, place, size) for place in range(0, SIZE, size)) == TEXT
    assert read_log(log, 0, 0) == TEXT
    assert read_log(log, SIZE + 5, 0) == read_log(log, SIZE + 5, 5) == ""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=40), st.integers(-50, 50), st.integers(0, 20))
def test_any_bytes_are_text_that_xml_can_carry(
    tmp_path: Path, data: bytes, offset: int, length: int
) -> None:
    path = tmp_path / "any"
    path.write_bytes(data + "\uffff\ufffe".encode())
    shown = read_log(path, offset, 0 if offset < 0 else length)
    assert not set(shown) & {*map(chr, {*range(32)} - {9, 10}), "\ufffe", "\uffff"}


def test_bounds_that_do_not_go_together_are_refused(log: Path) -> None:
    for offset, length in ((-5, 5), (0, -1)):
        with pytest.raises(ValueError, match="3"):  # Supervisor's BAD_ARGUMENTS
            read_log(log, offset, length)


def test_a_tail_that_goes_on_says_where_it_is_and_what_it_left_out(log: Path) -> None:
    assert tail_log(log, 0, SIZE) == (TEXT, SIZE, False)
    shown, offset, overflow = tail_log(log, 0, 4)
    assert (offset, overflow) == (SIZE, True)
    assert shown == "b\n"  # the fourth byte from the end is within a character
    assert tail_log(log, SIZE, 100) == ("", SIZE, False)
    assert tail_log(log.parent / "missing", 7, 100) == ("", 7, False)


def test_following_begins_with_a_whole_character_and_goes_on_with_what_is_new(log: Path) -> None:
    request = Path  # anything: it is only held weakly
    for head in range(1, SIZE + 3):
        log.write_text(TEXT, "utf-8")
        followed = FollowedLog(request, str(log), head)
        first: Any = followed.more()
        shown = "" if first is NOT_DONE_YET else first.decode()
        assert TEXT.endswith(shown)
        with log.open("a", encoding="utf-8") as file:
            file.write("中\x1b[2J\n")
        more: Any = followed.more()
        assert more.decode() == "中\\u001b[2J\n"
        assert followed.more() is NOT_DONE_YET


def test_a_line_that_is_too_long_is_cut_between_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    monkeypatch.setattr(output, "write_line", written.append)
    given_lines = ChildOutput(finished=True)
    text = "a" + "中" * _LONGEST_LINE
    data = text.encode()
    for start in range(0, len(data), 20_000):
        given_lines.feed("api_00", "stdout", data[start : start + 20_000], finished=True)
    given_lines.feed("api_00", "stdout", b"\n", finished=True)
    assert len(written) > 1
    assert "".join(line.decode().removesuffix("\n") for line in written) == text
