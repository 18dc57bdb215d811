"""Executions that shared chats start are shared with them, with the files that they put out."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from lock_waits import await_lock
from releases.rows import insert, node

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

OUTPUT = "363ae599-353e-4804-937e-b2ee3cef3da4"
FILES = [f"aaaaaaaa-0000-4000-8000-00000000000{n}" for n in range(1, 6)]
LINKS = """
SELECT "sessionId", "executionId" FROM "ChatLinkedShare" ORDER BY "sessionId", "executionId"
"""
SHARED = """
SELECT "isShared", "shareToken", "sharedAt" > autogpt_db.now_v1() - interval '1 hour',
       "sharedVia"::text
  FROM "AgentGraphExecution" WHERE id = %(execution)s
"""
SHOWN = """
SELECT file."fileId", file."shareToken" = execution."shareToken"
  FROM "SharedExecutionFile" AS file
  JOIN "AgentGraphExecution" AS execution ON execution.id = file."executionId"
 WHERE file."executionId" = %(execution)s
 ORDER BY file."fileId"
"""
ROWS = """
SELECT (SELECT count(*) FROM "ChatLinkedShare"), (SELECT count(*) FROM "SharedExecutionFile"),
       (SELECT count(*) FROM "AgentGraphExecution" WHERE "isShared")
"""


@pytest.fixture(params=["v0.6.68", "v0.7.2"])
def service(request: pytest.FixtureRequest, service_in: Serve) -> Service:
    return service_in(request.param, seeded=True, pool_size=8)


def link(service: Service, session: str, execution: str) -> None:
    found = service.call(
        "link_new_execution_to_chat_share", session_id=session, execution_id=execution
    )
    assert found is None


def execution_with(service: Service, *outputs: Any, block: str = OUTPUT) -> str:
    """Make an execution of alice's whose nodes have put values out."""
    insert(service, "AgentGraphExecution", id="new", agentGraphId="g1", agentGraphVersion=2,
           userId="alice")  # fmt: skip
    node(service, "out", block, "g1", 2)
    for number, output in enumerate(outputs):
        put_out(service, f"n{number}", {"name": "o", "value": output})
    return "new"


def put_out(service: Service, key: str, data: Any) -> None:
    insert(service, "AgentNodeExecution", id=key, agentGraphExecutionId="new", agentNodeId="out")
    service.rows(
        """UPDATE "AgentNodeExecution" SET "executionData" = %(data)s WHERE id = %(key)s""",
        key=key,
        data=json.dumps(data),
    )


def shown(service: Service, execution: str = "new") -> list[str]:
    found = service.rows(SHOWN, execution=execution)
    assert all(token for _, token in found)
    return [file for file, _ in found]


def test_a_new_execution_is_shared_with_its_chat(service: Service) -> None:
    link(service, "cs8", execution_with(service))
    assert service.statements == 2
    ((is_shared, token, recently, via),) = service.rows(SHARED, execution="new")
    assert (is_shared, recently, via) == (True, True, "CHAT_LINK")
    assert len(token) == 36
    assert ("cs8", "new") in service.rows(LINKS)
    before = service.rows(ROWS)
    link(service, "cs8", "new")
    link(service, "cs5", "new")
    assert service.rows(SHARED, execution="new")[0][1] == token, "shared already"
    ((links, files, executions),) = before
    assert service.rows(ROWS) == [(links + 1, files, executions)]


@pytest.mark.parametrize(
    ("session", "execution"),
    [
        ("cs1", "e1"),  # not shared
        ("cs6", "e1"),  # shared without what it starts
        ("zz", "e1"),
        ("cs8", "zz"),
        ("cs8", "e4"),  # somebody else's
        ("cs8", "gone"),
        ("cs5", "e13"),  # linked already
    ],
)
def test_anything_else_is_passed_over(service: Service, session: str, execution: str) -> None:
    insert(service, "AgentGraphExecution", id="gone", agentGraphId="g1", agentGraphVersion=2,
           userId="alice", isDeleted=True)  # fmt: skip
    before = service.rows(ROWS)
    link(service, session, execution)
    assert service.statements == (2 if session in {"cs5", "cs8"} else 1)
    assert service.rows(ROWS) == before


def test_the_files_that_outputs_name_are_shown(service: Service) -> None:
    one, two, three, bobs, deleted = FILES
    execution = execution_with(
        service,
        f"see workspace://{one}.",
        {"a": [1, None, {"b": f"x file_id={two}&workspace://{bobs}"}], three: "a key counts not"},
        ["workspace://wf1#text", "workspace://wf2/x", f"workspace://{deleted}"],
        'text {"file_id" : "' + three + '"}',
    )
    link(service, "cs8", execution)
    assert shown(service) == [one, two, three, "wf1", "wf2"]


@pytest.mark.parametrize(
    "output",
    [
        f"file_id={FILES[0]}0",  # no end of a word
        f"file_id={FILES[0].upper()}",
        f"file-id={FILES[0]}",
        f"workspace:/{FILES[0]}",
        f"workspace://x{FILES[0]}",
        {"file_id": FILES[0]},  # no text of the two is in one string
        FILES[0],
        None,
        5,
    ],
)
def test_what_names_no_file_shows_none(service_in: Serve, output: Any) -> None:
    service = service_in("v0.6.68", seeded=True)
    link(service, "cs8", execution_with(service, output))
    assert shown(service) == []


def test_only_named_values_of_output_blocks_count(service_in: Serve) -> None:
    service = service_in("v0.6.68", seeded=True)
    link(service, "cs8", execution_with(service, f"workspace://{FILES[0]}", block="other"))
    assert shown(service) == []
    service.rows("""DELETE FROM "AgentGraphExecution" WHERE id = 'new'""")
    service.rows("""DELETE FROM "AgentNode" WHERE id = 'out'""")
    execution_with(service)
    put_out(service, "unnamed", {"value": f"workspace://{FILES[0]}"})
    put_out(service, "rows", {})
    service.rows("""
        INSERT INTO "AgentNodeExecutionInputOutput" (id, name, data, "referencedByInputExecId")
        VALUES ('i1', 'name', '"o"', 'rows'), ('i2', 'value', '"workspace://wf1"', 'rows')""")
    link(service, "cs8", "new")
    assert shown(service) == ["wf1"]


def test_many_calls_at_once_link_once(service: Service) -> None:
    execution = execution_with(service, f"workspace://{FILES[0]}")
    given = {"session_id": "cs8", "execution_id": execution}
    answers = service.together([("link_new_execution_to_chat_share", given)] * 12)
    assert answers == [None] * 12
    assert service.rows(LINKS).count(("cs8", "new")) == 1
    assert shown(service) == [FILES[0]]


def test_a_chat_that_ceases_to_be_shared_takes_no_link(service: Service) -> None:
    execution = execution_with(service)
    before = service.rows(ROWS)
    with psycopg.connect(service.url) as other:
        other.execute("""UPDATE platform."ChatSession" SET "isShared" = false WHERE id = 'cs8'""")
        linking = threading.Thread(target=link, args=(service, "cs8", execution))
        linking.start()
        await_lock(service.url, what="the link to wait")
        other.commit()
        linking.join()
    assert service.rows(ROWS) == before


def test_an_execution_whose_last_chat_is_just_deleted_is_shared_anew(service: Service) -> None:
    with psycopg.connect(service.url) as other:
        other.execute(
            """UPDATE platform."AgentGraphExecution"
                  SET "isShared" = false, "shareToken" = NULL, "sharedAt" = NULL, "sharedVia" = NULL
                WHERE id = 'e13'"""
        )
        other.execute("""DELETE FROM platform."ChatSession" WHERE id = 'cs5'""")
        linking = threading.Thread(target=link, args=(service, "cs8", "e13"))
        linking.start()
        await_lock(service.url, what="the link to wait")
        other.commit()
        linking.join()
    assert ("cs8", "e13") in service.rows(LINKS)
    ((is_shared, token, recently, via),) = service.rows(SHARED, execution="e13")
    assert (is_shared, recently, via) == (True, True, "CHAT_LINK")
    assert len(token) == 36
