"""Whoever adds a method writes its function, a row of sample calls and its test.

One on tables that only later releases have does, too. In a copy of the tree, as CONTRIBUTING.md
says; what is missing is said by what fails without it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from checkout import ROOT
from stranger import Stranger, git_is_there

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not git_is_there(), reason="needs git"),
    pytest.mark.timeout(900),
]

# Those that look at all methods, or at what is made of them.
OF_ALL = [
    f"tests/unit/{path.name}"
    for path in sorted((ROOT / "tests/unit").glob("test_*.py"))
    if re.search(r"\b(load_operations|generated_files|describe)\b", path.read_text("utf-8"))
]
DERIVED = [f"tests/unit/test_{name}.py" for name in ("client", "reference", "sample_calls")]
OF_EACH = [
    f"tests/integration/test_{name}.py"
    for name in ("declarations", "plans", "statements", "timezones")
]
HEADING = re.compile(r"^_+ \S.* _+$", re.MULTILINE)
"""Of a failure, in what pytest says."""

OPERATIONS = '''
    """Where users are, as far as clocks go."""

    from __future__ import annotations

    from autogpt_db import models
    from autogpt_db.operations import Database, Reply, operation
    from autogpt_db.signatures.repeats import harmless

    CHOSEN = """
    SELECT json_build_object('user_id', "id", 'timezone', "timezone")
      FROM platform."User"
     WHERE "id" = %(user_id)s
    """

    CHOOSE = """
    UPDATE platform."User"
       SET "timezone" = %(timezone)s
     WHERE "id" = %(user_id)s
    """

    OF_TEAM = """
    SELECT coalesce(json_agg(DISTINCT member_user."timezone"), '[]')
      FROM platform."TeamMember" AS member
      JOIN platform."User" AS member_user ON member_user."id" = member."userId"
     WHERE member."teamId" = %(team_id)s
    """


    @operation(reads=True)
    async def get_user_timezone(database: Database, user_id: str) -> RETURNED:
        """Return the time zone that a user has chosen, or null.

        Args:
            user_id: The user.
        """
        return await database.json(CHOSEN, {"user_id": user_id})


    @operation(reads=False, repeat=harmless("Chooses the same again."))
    async def set_user_timezone(database: Database, user_id: str, timezone: str) -> None:
        """Choose a user's time zone; an unknown user is passed over.

        Args:
            user_id: The user.
            timezone: Its name in the IANA's database.
        """
        await database.execute(CHOOSE, {"user_id": user_id, "timezone": timezone})


    @operation(reads=True)
    async def get_team_timezones(database: Database, team_id: str) -> Reply[list[str]]:
        """Return the time zones that a team's members have chosen.

        Args:
            team_id: The team.
        """
        return await database.json(OF_TEAM, {"team_id": team_id})
'''
PLACE = "daemon/autogpt_db/operations/users/timezones.py"
MODEL = '''

    class UserTimezone(TypedDict):
        """Where a user is, as far as clocks go."""

        user_id: str
        timezone: str
'''
SAMPLES = """
    "get_team_timezones": [{"team_id": "team-1"}],
    "get_user_timezone": [{"user_id": USER}],
    "set_user_timezone": [{"user_id": USER, "timezone": "Europe/Vienna"}],
"""
ITS_TEST = '''
    """Users choose time zones."""

    from __future__ import annotations

    from typing import TYPE_CHECKING

    import pytest

    from releases.building import LATEST
    from service import Service

    if TYPE_CHECKING:
        from collections.abc import Callable, Iterator


    @pytest.fixture
    def service(seeded_database_url: str) -> Iterator[Service]:
        with Service(seeded_database_url) as running:
            yield running


    def test_a_users_timezone(service: Service) -> None:
        service.call("set_user_timezone", user_id="alice", timezone="Europe/Vienna")
        found = service.call("get_user_timezone", user_id="alice")
        assert found == {"user_id": "alice", "timezone": "Europe/Vienna"}
        assert service.call("get_user_timezone", user_id="nobody") is None


    def test_a_teams_timezones(release_database: Callable[..., str]) -> None:
        with Service(release_database(LATEST, seeded=True, ours=True)) as service:
            service.call("set_user_timezone", user_id="alice", timezone="Europe/Vienna")
            found = service.call("get_team_timezones", team_id="team-1")
            assert found == ["Europe/Vienna", "not-set"]
            assert service.call("get_team_timezones", team_id="none") == []
'''


@pytest.fixture
def stranger(tmp_path: Path) -> Stranger:
    return Stranger(tmp_path / "tree")


def test_a_read_and_a_write_with_a_model_and_one_on_later_tables(stranger: Stranger) -> None:
    stranger.writes(PLACE, OPERATIONS.replace("RETURNED", "Reply[models.UserTimezone | None]"))
    stranger.appends("daemon/autogpt_db/models/users.py", MODEL)

    said = stranger.cannot_make_reference()
    added = ("get_team_timezones", "get_user_timezone", "set_user_timezone")
    assert [each for each in added if f"{each} has no sample call: add a row" not in said] == []
    assert "tools/sample_calls/users.py" in said
    assert "Traceback" not in said

    stranger.inserts("tools/sample_calls/users.py", '    "get_user_by_id"', SAMPLES)
    failures = HEADING.split(stranger.fails(*DERIVED))[1:]
    needed = ("make reference", "write a test of ")
    assert [text for text in failures if not any(each in text for each in needed)] == []
    assert all(any(each in text for text in failures) for each in needed)

    stranger.writes("tests/integration/test_timezones.py", ITS_TEST)
    assert stranger.makes_reference() == {
        "daemon/autogpt_db/client/async_methods.py",
        "daemon/autogpt_db/client/methods.py",
        "daemon/autogpt_db/client/models.py",
        "daemon/autogpt_db/models/__init__.py",
        "daemon/autogpt_db/statements/methods.json",
        "daemon/autogpt_db/statements/needs.json",
        "docs/reference/methods.md",
        "docs/reference/models.md",
    }
    stranger.checks_style()
    stranger.checks_types(PLACE, "daemon/autogpt_db/client", "tests/integration/test_timezones.py")
    # By their names, and all in tests/unit: one process finds and runs them.
    said = stranger.tests("-vv", "-k", "unit or timezone or two_statements", *OF_ALL, *OF_EACH)
    assert re.search(r"test_timezones.py::test_a_users_timezone \S*PASSED", said)


# The last because there is no such model.
@pytest.mark.parametrize("annotation", ["bytes | None", "Reply[models.UserTimezone | None]"])
def test_a_method_that_does_not_say_what_it_returns(stranger: Stranger, annotation: str) -> None:
    stranger.writes(PLACE, OPERATIONS.replace("RETURNED", annotation))
    stranger.inserts("tools/sample_calls/users.py", '    "get_user_by_id"', SAMPLES)
    said = stranger.cannot_make_reference()
    assert "get_user_timezone" in said
    assert "-> Reply[models.X]" in said
    assert "Traceback" not in said
