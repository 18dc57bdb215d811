"""What a caller says of its trace: read where it is sensible, ignored where not, never a fault."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autogpt_db.traces.context import LONGEST_STATE, parent_of, state_of

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"


def test_a_parent_is_read() -> None:
    parent = parent_of(b"00-%b-%b-01" % (TRACE, SPAN))
    assert parent == (int(TRACE, 16), int(SPAN, 16), True)
    for flags, sampled in ((b"00", False), (b"02", False), (b"03", True), (b"ff", True)):
        found = parent_of(b"00-%b-%b-%b" % (TRACE, SPAN, flags))
        assert found is not None
        assert found.sampled is sampled
    for later in (b"cc-%b-%b-01", b"01-%b-%b-01-what-comes-later"):
        assert parent_of(later % (TRACE, SPAN)) == parent


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"00",
        b"00-%b-%b-01-more" % (TRACE, SPAN),
        b"ff-%b-%b-01" % (TRACE, SPAN),
        b"00-%b-%b-01" % (b"0" * 32, SPAN),
        b"00-%b-%b-01" % (TRACE, b"0" * 16),
        b"00-%b-%b-01" % (TRACE.upper(), SPAN),
        b"00-%b-%b-1" % (TRACE, SPAN),
        b"00-%b-%b-0g" % (TRACE, SPAN),
        b"00-%b-%b-01\n" % (TRACE, SPAN),
        b"00_%b_%b_01" % (TRACE, SPAN),
        b"00-%b-01" % TRACE,
    ],
)
def test_a_broken_parent_is_none(header: bytes) -> None:
    assert parent_of(header) is None


@given(st.binary(max_size=120))
def test_whatever_comes_is_read_or_not(header: bytes) -> None:
    parent = parent_of(header)
    assert parent is None or (0 < parent.trace_id < 2**128 and 0 < parent.span_id < 2**64)
    assert len(state_of(header)) <= LONGEST_STATE


def test_a_state_goes_on_as_it_came_within_bounds() -> None:
    assert state_of(b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE") == (
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"
    )
    assert state_of(b"a=1 , b=2,, 3x@vendor=x y") == "a=1,b=2,3x@vendor=x y"
    for broken in (b"a", b"=1", b"A=1", b"a=1,a=2", b"a=\xff", b"a=b=c", b"a=1\nb=2"):
        assert state_of(broken) == ""
    assert state_of(b"a=" + b"x" * LONGEST_STATE) == ""
    assert state_of(b",".join(b"k%d=1" % number for number in range(32)))
    assert state_of(b",".join(b"k%d=1" % number for number in range(33))) == ""
