"""The admin listener's answers where something stands in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import structlog
from starlette.requests import ClientDisconnect

from admin_pages import Pages
from autogpt_db.admin.guard import Guard
from autogpt_db.admin.overview import actions
from autogpt_db.errors import DatabaseUnavailableError
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import Receive, Scope, Send


@pytest.fixture
def service(database_url: str) -> Iterator[Service]:
    # As behind a transaction pooler: its sessions are not ours to set.
    with Service(database_url, through=f"{database_url}&pgbouncer=true") as running:
        yield running


def test_an_action_that_the_database_does_not_take_in_time_is_given_up(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "LONGEST", 0.5)
    pages = Pages(service, tmp_path)
    with psycopg.connect(service.url) as holder:
        holder.execute("LOCK TABLE autogpt_db.job_pause")
        refused = pages.post("/jobs/retain/pause")
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    monkeypatch.undo()
    # Nobody knows whether the server has heard of the end, and nobody has to wait for that.
    assert pages.post("/jobs/retain/pause").json()["message"].startswith("retain is paused")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("a bug"), True),
        (ExceptionGroup("several", [RuntimeError("a bug"), OSError()]), True),
        (ClientDisconnect(), False),
        (DatabaseUnavailableError("It rests."), False),
        (ExceptionGroup("several", [DatabaseUnavailableError("It rests.")]), False),
    ],
)
def test_a_bug_in_the_middle_of_an_answer_is_told_of(
    service: Service, tmp_path: Path, error: Exception, told: bool
) -> None:
    async def breaks(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise error

    sent: list[Any] = []

    async def ask() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        scope = {
            "type": "http", "method": "GET", "path": "/healthz", "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }  # fmt: skip
        await Guard(breaks, Pages(service, tmp_path).state)(scope, receive, send)

    with structlog.testing.capture_logs() as logs:
        service.run(ask())
    assert [each["type"] for each in sent] == ["http.response.start"]
    assert [each["event"] for each in logs if each["event"] == "admin_error"] == (
        ["admin_error"] if told else []
    )
