"""What a list of runs is asked for: read from the address, and refused where it makes no sense."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from autogpt_db.admin.problems import ProblemError
from autogpt_db.admin.runs import statements

if TYPE_CHECKING:
    from typing import LiteralString

    from starlette.datastructures import QueryParams

STATUSES = ("INCOMPLETE", "QUEUED", "RUNNING", "REVIEW", "COMPLETED", "FAILED", "TERMINATED")
DAYS = (1, 7, 30, 90, 3650)
"""How far back a list may go."""
LONGEST_ID = 256
_LATEST = "9999-12-31T00:00:00"


class Filters(NamedTuple):
    """Which runs.

    Attributes:
        status: Of this status alone.
        user: This user's alone.
        graph: Of this graph alone.
        days: Made within so many days.
        before: Made before this moment (ISO 8601), or at it with a smaller id; where a page ends.
        before_id: That id.
    """

    status: str | None
    user: str | None
    graph: str | None
    days: int
    before: str
    before_id: str

    @classmethod
    def of(cls, query: QueryParams) -> Filters:
        """Read them.

        Raises:
            ProblemError: 400, which names the parameter.
        """
        status = query.get("status") or None
        if status is not None and status not in STATUSES:
            raise _wrong("status", f"one of {', '.join(STATUSES)}")
        user, graph = _id(query, "user"), _id(query, "graph")
        days = query.get("days") or "7"
        if days not in {str(one) for one in DAYS}:
            raise _wrong("days", f"one of {', '.join(map(str, DAYS))}")
        before, _, before_id = (query.get("before") or f"{_LATEST}~").partition("~")
        try:
            dt.datetime.fromisoformat(before)
        except ValueError:
            raise _wrong("before", "what the link to the next page says") from None
        if len(before_id) > LONGEST_ID or "\0" in before_id:
            raise _wrong("before", "what the link to the next page says")
        return cls(status, user, graph, int(days), before, before_id)

    @property
    def statement(self) -> LiteralString:
        """Return the statement that has the right index for them."""
        if self.user is not None:
            return statements.LIST_BY_USER if self.graph is None else statements.LIST_BY_BOTH
        return statements.LIST if self.graph is None else statements.LIST_BY_GRAPH

    def parameters(self, *, content: bool) -> dict[str, Any]:
        """Return the statement's parameters; one run more than a page tells whether there are.

        Args:
            content: Whether users' content is shown.
        """
        given = self._asdict() | {"limit": statements.PAGE_SIZE + 1, "content": content}
        return {name: value for name, value in given.items() if f"%({name})s" in self.statement}

    def after(self, run: dict[str, Any]) -> str:
        """Return the address of the page that begins behind a run."""
        kept = {"status": self.status, "user": self.user, "graph": self.graph, "days": self.days}
        query = {name: str(value) for name, value in kept.items() if value is not None}
        return "/runs?" + urlencode(query | {"before": f"{run['made']}~{run['id']}"})


def _id(query: QueryParams, name: str) -> str | None:
    value = (query.get(name) or "").strip()
    if len(value) > LONGEST_ID or "\0" in value:
        raise _wrong(name, "an id")
    return value or None


def _wrong(name: str, expected: str) -> ProblemError:
    return ProblemError(400, "Bad Request", f"{name}: expected {expected}.")
