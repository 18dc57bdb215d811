"""What blocks cost the platform: logged once for each call, however many come together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from api_process import ApiProcess
from autogpt_db.errors import ForeignKeyViolationError, InvalidValueError
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

PEOPLE = """
INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now()),
                                                   ('ben', 'ben@example.com', now())
"""
ENTRY = {
    "user_id": "ann",
    "provider": "OpenAI",
    "graph_exec_id": "e",
    "node_exec_id": "n",
    "graph_id": "g",
    "node_id": "no",
    "block_id": "b",
    "block_name": "Block\x07",
    "credential_id": "c",
    "cost_microdollars": 2**62,
    "input_tokens": 2**31 - 1,
    "output_tokens": 0,
    "cache_read_tokens": 3,
    "cache_creation_tokens": 4,
    "data_size": 5,
    "duration": 1.25,
    "model": "gpt",
    "tracking_type": "tokens",
    "tracking_amount": 30.5,
    "metadata": {"a": [1, None], "z": "x\0y", "_sa_x": 1},
}
ROW = """SELECT to_jsonb(cost) - 'id' - 'createdAt' FROM "PlatformCostLog" AS cost"""


def log(service: Service, **members: Any) -> None:
    assert (
        service.call("log_platform_cost", entry={"user_id": "ann", "provider": "p", **members})
        is None
    )


@pytest.mark.parametrize("state", ["v0.6.54", "v0.6.55", "v0.6.68", LATEST])
def test_all_of_an_entry_is_logged(service_in: Serve, state: str) -> None:
    service = service_in(state)
    service.rows(PEOPLE)
    service.call("log_platform_cost", entry=ENTRY)
    assert service.statements == 1
    wanted = {
        "userId": "ann", "provider": "openai", "graphExecId": "e", "nodeExecId": "n",
        "graphId": "g", "nodeId": "no", "blockId": "b", "blockName": "Block\x07",
        "credentialId": "c", "costMicrodollars": 2**62, "inputTokens": 2**31 - 1,
        "outputTokens": 0, "dataSize": 5, "duration": 1.25, "model": "gpt",
        "trackingType": "tokens", "trackingAmount": 30.5, "metadata": {"a": [1, None], "z": "xy"},
    }  # fmt: skip
    if state != "v0.6.54":
        wanted |= {"cacheReadTokens": 3, "cacheCreationTokens": 4}
    assert service.rows(ROW) == [(wanted,)]
    service.rows('DELETE FROM "User" WHERE id = %(id)s', id="ann")
    assert service.rows(ROW) == [(wanted | {"userId": None},)]


def test_what_is_left_out_is_null_and_metadata_are_an_object(service_in: Serve) -> None:
    service = service_in(LATEST)
    service.rows(PEOPLE)
    log(service)
    log(service, metadata=None, cost_microdollars=None, model=None)
    log(service, metadata={}, provider="")
    for (row,), provider in zip(service.rows(ROW), ("p", "p", ""), strict=True):
        assert {name: value for name, value in row.items() if value is not None} == {
            "userId": "ann", "provider": provider, "metadata": {},
        }  # fmt: skip


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"input_tokens": 2**31}, "refused"),
        ({"cost_microdollars": 2**63}, "refused"),
        ({"duration": float("1e400")}, "duration|entry"),
        ({"model": "x\0y"}, r"entry\.model holds the character U\+0000"),
        ({"user_id": "an\0n"}, r"entry\.user_id holds the character U\+0000"),
        ({"graph_exec_id": "".join(map(chr, range(1000, 9000)))}, "refused"),
    ],
)
def test_what_no_column_can_hold_is_refused(
    service_in: Serve, members: dict[str, Any], said: str
) -> None:
    service = service_in(LATEST)
    service.rows(PEOPLE)
    with pytest.raises(InvalidValueError, match=said):
        log(service, **members)
    assert service.rows(ROW) == []


def test_entries_that_come_together_share_statements_and_fail_alone(service_in: Serve) -> None:
    service = service_in(LATEST)
    service.rows(PEOPLE)
    entries = [
        {
            "user_id": ("ann", "ben", "nobody")[n % 3],
            "provider": "p",
            "graph_exec_id": f"e{n}",
            "input_tokens": 2**31 if n == 30 else n,
        }
        for n in range(90)
    ]
    answers = service.together([("log_platform_cost", {"entry": each}) for each in entries])
    for entry, answer in zip(entries, answers, strict=True):
        if entry["user_id"] == "nobody":
            assert isinstance(answer, ForeignKeyViolationError)
            assert "PlatformCostLog_userId_fkey" in str(answer)
        elif entry["input_tokens"] == 2**31:
            assert isinstance(answer, InvalidValueError)
        else:
            assert answer is None
    logged = {
        name: (user, tokens)
        for name, user, tokens in service.rows(
            'SELECT "graphExecId", "userId", "inputTokens" FROM "PlatformCostLog"'
        )
    }
    assert len(logged) == service.value('SELECT count(*) FROM "PlatformCostLog"')
    assert logged == {
        each["graph_exec_id"]: (each["user_id"], each["input_tokens"])
        for each, answer in zip(entries, answers, strict=True)
        if answer is None
    }
    (merger,) = service.mergers()
    assert merger.figures.calls == len(entries)
    good = [{"user_id": "ann", "provider": "p"}] * 50
    before = merger.figures.batches
    service.together([("log_platform_cost", {"entry": each}) for each in good])
    assert merger.figures.batches - before < len(good) / 2, "a user's own share them as well"


def test_a_repeat_with_a_key_logs_nothing_more(release_database: Callable[..., str]) -> None:
    url = release_database(LATEST, ours=True)
    with psycopg.connect(url, autocommit=True) as outside:
        outside.execute("SET search_path TO platform")
        outside.execute(PEOPLE)
        with ApiProcess(url, modules=()) as api:
            for key in ("one", "one", "two"):
                reply = api.client.post(
                    "/log_platform_cost", json={"entry": ENTRY}, headers={"idempotency-key": key}
                )
                assert (reply.status_code, json.loads(reply.content)) == (200, None)
            reply = api.client.post(
                "/log_platform_cost",
                json={"entry": {**ENTRY, "user_id": "nobody"}},
                headers={"idempotency-key": "three"},
            )
            assert (reply.status_code, reply.json()["type"]) == (400, "ForeignKeyViolationError")
        assert outside.execute('SELECT count(*) FROM "PlatformCostLog"').fetchone() == (2,)
