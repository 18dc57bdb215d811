"""The reference page of what PostgreSQL refuses, from the tables that replies and log use."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from tools.reference import NOTICE

from autogpt_db.database.causes import REFUSALS
from autogpt_db.database.sqlstates import CAUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.database.sqlstates import Cause

_HEAD = """
# When PostgreSQL refuses

What PostgreSQL's SQLSTATEs stand for here: what is the matter, what the caller gets, and what an
operator does about it. The log's `database_refuses` and `writes_refused` and the metric
`autogpt_db_database_faults_total` name the cause; a failed request's line has the `sqlstate`.

- A statement that was refused has written nothing, and its caller is told so. Only where the
  connection went with it, a write may or may not have been applied.
- 503 comes with `Retry-After`; where no repeat helps, the status is 400.
- A code of two characters stands for the rest of its class.

| cause | SQLSTATE | what is the matter | status | repeat after | what to do |
|---|---|---|---|---|---|
"""

_CONNECTIONS = """
## When no connection can be opened

What `/ready`, `STATUS` and a call's reply say after "the database cannot be reached". The log's
`connections_refused` has PostgreSQL's own words beside it.

"""


def refusals_page() -> str:
    """Return the page's text."""
    rows = "\n".join(_row(cause) for cause in CAUSES)
    reasons = "\n".join(f"- {refusal.words}" for refusal in REFUSALS)
    return f"{NOTICE}\n{_HEAD}{rows}\n{_CONNECTIONS}{reasons}\n"


def _row(cause: Cause) -> str:
    return f"| {' | '.join(_cells(cause))} |"


def _cells(cause: Cause) -> Iterator[str]:
    yield f"`{cause.name}`"
    yield " ".join(f"`{state}`" for state in cause.states if state) or (
        "any other" if cause.failure is None else "`42…`, `3F000` of statements on it alone"
    )
    yield cause.matter + (" (no write can succeed until it has passed)" * cause.stops_writes)
    status = HTTPStatus.INTERNAL_SERVER_ERROR if cause.failure is None else cause.failure.status
    yield str(int(status))
    yield f"{cause.retry_after:g} s" if cause.retry_after is not None else "none helps"
    yield cause.remedy or ("report it" if cause.failure is None else "")
