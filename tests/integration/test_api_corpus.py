"""Odd requests get the answers that are written down: `odd_answers.json`, a line for each case.

Where an answer changes on purpose, `AUTOGPT_DB_TEST_RECORD=1` writes the file anew; its diff is
then what to look at.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import defaultdict
from http import HTTPStatus
from pathlib import Path

from api_process import ApiProcess
from odd_requests import LIMITS, answers, corpus

ANSWERS = Path(__file__).with_name("odd_answers.json")


def test_every_odd_request_gets_its_answer(database_url: str) -> None:
    cases = corpus()
    with ApiProcess(database_url, *LIMITS) as api:
        given = asyncio.run(answers(api.port, cases))
        assert api.call("echo", text="x")[0] == "x"
        assert {one["method"] for one in api.events("internal_error")} == {"fail_with_a_bug"}
    found: defaultdict[str, list[str]] = defaultdict(list)
    for case, answer in zip(cases, given, strict=True):
        if answer not in found[case.name]:
            found[case.name].append(answer)
    several = {name: each for name, each in found.items() if len(each) > 1}
    if os.environ.get("AUTOGPT_DB_TEST_RECORD"):
        write({name: each[0] for name, each in found.items()})
    assert not several, "the way its bytes were cut, or that its head was known, shows"
    assert {name: each[0] for name, each in found.items()} == written()


def written() -> dict[str, str]:
    """Return the answers that are written down, their first lines in this Python's words.

    Python 3.13 calls what was `Unprocessable Entity` `Unprocessable Content`, as RFC 9110 does.
    """

    def line(found: re.Match[str]) -> str:
        return f"{found[1]} {found[2]} {HTTPStatus(int(found[2])).phrase}\r\n"

    answers: dict[str, str] = json.loads(ANSWERS.read_text())
    return {
        name: re.sub(r"(HTTP/1\.[01]) (\d{3}) [^\r]*\r\n", line, answer)
        for name, answer in answers.items()
    }


def write(found: dict[str, str]) -> None:
    """Write the answers down."""
    ANSWERS.write_text(json.dumps(found, indent=0, ensure_ascii=True) + "\n", "ascii")
