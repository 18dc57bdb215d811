"""Whatever is set, missing or forbidden: never READY where calls fail, never 70, never a 500.

What an operator is told mends it: every statement and command is taken from what was printed, and
carried out as it stands.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from autogpt_db.database import troubles
from autogpt_db.database.troubles import TROUBLES
from matrix.case import Case, Verdict
from matrix.cases import CASES, KINDS
from matrix.ground import Answer, Ground, MatrixServer, same, settled
from matrix.remedies import Remedies, carry_out
from pgbouncer import PGBOUNCER
from typed_commands import typed
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE = os.environ.get("AUTOGPT_DB_TEST_MATRIX") == "all"
ROUTES, TIMES = ("direct", "pooled"), ("start", "running")
PATIENCE = 120.0
"""Seconds for what takes three on a machine with nothing else to do."""

TESTS = Path(__file__).parents[1]
ELSEWHERE = {
    troubles.STANDBY: "acceptance/test_awaited_ends.py::recovery",
    troubles.HOST_SILENT: "matrix/test_ways_in.py::test_a_host_that_is_silent_is_taken_out",
    troubles.HOST_BASED_ACCESS: "matrix/test_ways_in.py::test_a_line_for_us_lets_us_in",
    troubles.NO_ROLE: "matrix/test_ways_in.py::test_a_role_that_was_renamed_is_named_back",
    troubles.POOLER_UNNAMED: "matrix/test_ways_in.py::test_a_pooler_that_was_not_named_is_named",
    troubles.POOLER_LOGIN: "matrix/test_matrix.py::heard",
    troubles.POOLER_LIMIT: "acceptance/test_pooler_limit.py::"
    "test_a_start_waits_for_a_place_at_the_pooler",
}  # fmt: skip
"""Where the remedy of a trouble is carried out that takes more than statements."""

Cell = tuple[Case, str, str]


def whole() -> list[Cell]:
    """Return every case on both routes at both times, where it can come to that."""
    return [
        (case, route, time)
        for case in CASES
        for route in ROUTES
        for time in TIMES
        if verdict_of(case, route, time) is not None
    ]


def verdict_of(case: Case, route: str, time: str) -> Verdict | None:
    """Return how the service takes a case there and then."""
    pair: tuple[Verdict | None, Verdict | None] = getattr(case, route)
    return pair[TIMES.index(time)]


def pairwise() -> list[Cell]:
    """Return two cells of each kind, so that each two of kind, route and time come together."""
    cells: list[Cell] = []
    for place, kind in enumerate(KINDS):
        times = TIMES if place % 2 == 0 else TIMES[::-1]
        # Those that are not merely borne, and of them two that differ.
        first, other = (
            [cell for cell in whole() if cell[0].kind == kind and cell[0].said and cell[1:] == way]
            for way in zip(ROUTES, times, strict=True)
        )
        cells += [first[0], other[len(other) // 2]]
    return cells


def test_the_small_matrix_has_every_pair() -> None:
    cells = pairwise()
    assert {(case.kind, route) for case, route, _ in cells} == {
        (kind, route) for kind in KINDS for route in ROUTES
    }
    assert {(case.kind, time) for case, _, time in cells} == {
        (kind, time) for kind in KINDS for time in TIMES
    }
    assert {(route, time) for _, route, time in cells} == {
        (route, time) for route in ROUTES for time in TIMES
    }
    assert len({case.name for case in CASES}) == len(CASES) >= 40


def test_each_trouble_is_tried_here_or_elsewhere() -> None:
    here = {case.proves for case in CASES if case.proves is not None}
    assert not here & ELSEWHERE.keys()
    assert here | ELSEWHERE.keys() == set(TROUBLES)
    for place in ELSEWHERE.values():
        path, _, name = place.partition("::")
        assert f"def {name}(" in (TESTS / path).read_text("utf-8"), place


@pytest.fixture(scope="module")
def server() -> Iterator[MatrixServer]:
    with MatrixServer() as running:
        yield running


@pytest.fixture(scope="module")
def usual(server: MatrixServer) -> list[Answer]:
    """Return what every call answers on a sound database."""
    with Ground(server, pooled=False) as ground:
        ground.daemon.start(seconds=PATIENCE)
        answers = ground.answers()
        assert {answer.status for answer in answers} == {200}, answers
        assert same(ground.answers(), answers), "the answers vary by themselves"
        return answers


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("case", "route", "time"),
    [
        pytest.param(*cell, id=f"{cell[0].name}, {cell[1]}, {cell[2]}")
        for cell in (whole() if WHOLE else pairwise())
    ],
)
def test_a_case_is_borne_or_told_and_what_is_told_mends_it(
    server: MatrixServer, usual: list[Answer], case: Case, route: str, time: str
) -> None:
    if route == "pooled" and PGBOUNCER is None:
        pytest.skip("pgbouncer (Debian: pgbouncer) is missing")
    verdict = verdict_of(case, route, time)
    assert verdict is not None
    with Ground(server, pooled=route == "pooled") as ground:
        if time == "start":
            broken(ground, case)
            ground.daemon.launch()
            as_at_a_start(ground, verdict, usual)
            as_checked_before_a_start(ground, case, verdict)
        else:
            ground.daemon.start(seconds=PATIENCE)
            assert same(ground.answers(), usual)
            broken(ground, case)
            ground.end_sessions()
            as_while_running(ground, verdict, usual)
        if verdict is Verdict.MENDED:
            assert re.search(case.said, ground.daemon.log()), ground.daemon.log()
        borne = verdict is Verdict.BORNE and (not case.said or case.kind in {"setting", "room"})
        if borne or verdict is Verdict.MENDED:
            sound(ground, case)
            return
        said = heard(ground)
        assert re.search(case.said, said), said
        if case.proves is not None:
            assert re.search(f"^{case.proves.check}: ", said, re.MULTILINE), said
        mended(ground, case, said)
        if verdict is Verdict.REFUSED:
            ground.daemon.launch()
            ground.daemon.wait_notified("READY=1", seconds=PATIENCE)
        elif verdict is Verdict.AWAITED:
            ground.daemon.wait_notified("READY=1", seconds=PATIENCE)
        settled(ground, usual, seconds=PATIENCE)
        sound(ground, case)


def heard(ground: Ground) -> str:
    """Return what an operator is told; a pooler has to be restarted to say what its server says."""
    said = ground.said()
    if "cannot log in to its server" in said:
        remedies = Remedies.printed_in(said)
        assert remedies.pooler, said
        carry_out(ground, remedies)
        said = ground.said()
    return said


def broken(ground: Ground, case: Case) -> None:
    """Break the database as the case says."""
    if case.elsewhere:
        ground.close_database()
    if case.encoding:
        ground.encode(case.encoding)
    if case.breaks:
        ground.execute(case.breaks, elsewhere=case.elsewhere)
    if case.places is not None:
        ground.crowd(case.places)
    ground.database = case.renamed.replace("{database}", ground.database)
    if case.renamed != "{database}":
        ground.open_database()


def as_at_a_start(ground: Ground, verdict: Verdict, usual: list[Answer]) -> None:
    """See that a start takes it as it should."""
    daemon = ground.daemon
    if verdict is Verdict.REFUSED:
        assert daemon.exit_code(seconds=PATIENCE) == 78, daemon.log()
        assert not [words for words in daemon.read_notifications() if "READY" in words]
    elif verdict is Verdict.AWAITED:
        daemon.wait_notified("STATUS=waiting for", seconds=PATIENCE)
        assert not [words for words in daemon.read_notifications() if "READY" in words]
    else:
        daemon.wait_notified("READY=1", seconds=PATIENCE)
        as_while_running(ground, verdict, usual)


def as_checked_before_a_start(ground: Ground, case: Case, verdict: Verdict) -> None:
    """See that `check` says beforehand what a start finds."""
    done = typed(ground.daemon, "check")
    code = {Verdict.REFUSED: 78, Verdict.AWAITED: 69}.get(verdict, 0)
    assert done.returncode == code, (done.stdout, done.stderr)
    if code:
        assert re.search(case.said, done.stderr), done.stderr
    elif verdict is Verdict.NARROWED:
        assert "not served: " in done.stdout


def as_while_running(ground: Ground, verdict: Verdict, usual: list[Answer]) -> None:
    """See that a running service comes to take it as it should, and how calls end meanwhile."""
    if verdict in {Verdict.BORNE, Verdict.MENDED}:
        settled(ground, usual, seconds=PATIENCE)
        return

    def states() -> set[int]:
        answers = ground.answers(at_once=verdict is Verdict.TROUBLED)
        assert 500 not in {answer.status for answer in answers}, answers
        return {answer.status for answer in answers}

    states()  # while nobody has noticed
    if verdict is Verdict.TROUBLED:
        wait_for(lambda: not ground.ready(), seconds=PATIENCE, what=verdict.value)
        states()
    else:
        wait_for(
            lambda: ground.ready() and states() == {200, 404}, seconds=PATIENCE, what=verdict.value
        )


def mended(ground: Ground, case: Case, said: str) -> None:
    """Carry out what was printed; where that is AutoGPT's to do, do it in its place."""
    remedies = Remedies.printed_in(said, meant=case.meant.replace("{database}", ground.known_as))
    if case.theirs:
        assert "AutoGPT's own migrations" in said, said
        ground.execute(case.theirs)
        return
    assert remedies.statements or remedies.commands, said
    if case.renamed != "{database}":
        ground.close_database()
    carry_out(ground, remedies)
    ground.database = ground.known_as
    if case.elsewhere:
        ground.open_database()


def sound(ground: Ground, case: Case) -> None:
    """See that nothing went wrong in an improper way, and that nothing is left to mend."""
    log = ground.daemon.log()
    assert "Traceback" not in log, log
    assert not [event for event in ground.daemon.events() if event.get("level") == "critical"]
    if not case.said:
        return
    if case.kind == "setting" and case.direct[0] is Verdict.BORNE:
        return  # it stays, and does no harm
    # Each process says in its own time that it has seen the end of it.
    wait_for(
        lambda: not [one for one in ground.examined() if re.search(case.said, one)],
        seconds=PATIENCE,
        what="nothing left to mend",
    )
