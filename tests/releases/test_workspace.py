"""Users' workspaces: one for each, and the records of single files in it."""

from __future__ import annotations

import asyncio
import re
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg
import pytest

from autogpt_db.errors import (
    ForeignKeyViolationError,
    ServiceUnavailableError,
    UniqueViolationError,
)
from lock_waits import lock_awaited
from releases.building import LATEST
from releases.workspace_files import file, paths, put, started, workspace_of
from service import Service

if TYPE_CHECKING:
    from releases.workspace_files import Serve

STATES = ("v0.6.48", "v0.6.59", "v0.6.68", LATEST)


# Workspaces ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_user_has_one_workspace_which_stays_as_it_is(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    made = service.call("get_or_create_workspace", user_id="ann")
    assert made["user_id"] == "ann"
    assert made["created_at"] == made["updated_at"]
    assert service.statements == 2
    assert service.call("get_or_create_workspace", user_id="ann") == made
    assert service.statements == 1, "a read, once it is there"
    assert workspace_of(service, "ben") != made["id"]
    with pytest.raises(ForeignKeyViolationError, match="UserWorkspace_userId_fkey"):
        service.call("get_or_create_workspace", user_id="nobody")
    assert service.value('SELECT count(*) FROM "UserWorkspace"') == 2


def test_of_many_callers_one_makes_it(service_in: Serve) -> None:
    service = started(service_in, pool_size=8)
    users = ("ann", "ben") * 32
    found = service.together([("get_or_create_workspace", {"user_id": user}) for user in users])
    assert {each["user_id"] for each in found} == {"ann", "ben"}
    assert len({each["id"] for each in found}) == 2
    assert service.value('SELECT count(*) FROM "UserWorkspace"') == 2


def test_calls_that_come_together_find_what_each_asks_for(service_in: Serve) -> None:
    service = started(service_in)
    wanted = {user: workspace_of(service, user) for user in ("ann", "ben")}
    users = [("ann", "ben", "nobody")[n % 3] for n in range(30)]
    found = service.together([("get_or_create_workspace", {"user_id": user}) for user in users])
    for user, answer in zip(users, found, strict=True):
        if user == "nobody":
            assert isinstance(answer, ForeignKeyViolationError)
        else:
            assert (answer["user_id"], answer["id"]) == (user, wanted[user])
    (merger,) = service.mergers()
    assert merger.figures.batches < merger.figures.calls, "they share statements"


def test_a_workspace_that_another_is_just_making_is_returned_unchanged(service_in: Serve) -> None:
    service = started(service_in)
    with psycopg.connect(service.url) as other:
        other.execute(
            """INSERT INTO platform."UserWorkspace" (id, "userId", "createdAt", "updatedAt")
               VALUES ('theirs', 'ann', '2026-01-01', '2026-01-02')"""
        )

        async def main() -> bytes:
            call = asyncio.ensure_future(
                service.started("get_or_create_workspace", b'{"user_id": "ann"}')
            )
            await lock_awaited(service.url)
            other.commit()
            return await call

        assert b'"theirs"' in service.run(main())
    assert service.rows('SELECT id, "updatedAt"::text FROM "UserWorkspace"') == [
        ("theirs", "2026-01-02 00:00:00")
    ]


def test_a_workspace_is_found_while_the_database_takes_no_writes(service_in: Serve) -> None:
    service = started(service_in)
    made = workspace_of(service)
    service.rows(f"ALTER DATABASE {service.value('SELECT current_database()')}"
                 " SET default_transaction_read_only = on")  # fmt: skip
    with Service(service.url) as reading:
        assert workspace_of(reading) == made
        with pytest.raises(ServiceUnavailableError):
            workspace_of(reading, "ben")


# Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_a_file_is_recorded_found_and_deleted(service_in: Serve, state: str) -> None:
    service = started(service_in, state)
    workspace = workspace_of(service)
    made = put(
        service, workspace, "docs/a.txt", size_bytes=2**62, checksum="c",
        metadata={"a": {"b": [1, None, "x\0y"]}},
    )  # fmt: skip
    assert service.statements == 1
    assert (made["path"], made["size_bytes"], made["checksum"]) == ("/docs/a.txt", 2**62, "c")
    assert made["metadata"] == {"a": {"b": [1, None, "xy"]}}
    assert (made["is_deleted"], made["deleted_at"], made["folder_id"]) == (False, None, None)
    identified = {"file_id": made["id"], "workspace_id": workspace}
    assert service.call("get_workspace_file", **identified) == made
    by_path = {"workspace_id": workspace, "path": "docs/a.txt"}
    assert service.call("get_workspace_file_by_path", **by_path) == made
    other = workspace_of(service, "ben")
    assert service.call("get_workspace_file", file_id=made["id"], workspace_id=other) is None
    service.let_a_millisecond_pass()
    deleted = service.call("soft_delete_workspace_file", **identified)
    assert service.statements == 1
    assert re.fullmatch(r"/docs/a\.txt__deleted__\d{10}", deleted["path"])
    assert deleted["is_deleted"]
    assert deleted["deleted_at"] == deleted["updated_at"]
    before, after = (datetime.fromisoformat(each["updated_at"]) for each in (made, deleted))
    assert after > before
    assert deleted["created_at"] == made["created_at"]
    assert service.call("soft_delete_workspace_file", **identified) is None
    assert service.call("get_workspace_file", **identified) is None
    assert service.call("get_workspace_file_by_path", **by_path) is None
    gone = {"workspace_id": workspace, "path": deleted["path"]}
    assert service.call("get_workspace_file_by_path", **gone) is None


def test_what_is_there_is_never_overwritten(service_in: Serve) -> None:
    service = started(service_in)
    workspace = workspace_of(service)
    first = put(service, workspace, "/a")
    with pytest.raises(UniqueViolationError, match="`workspaceId`,`path`"):
        put(service, workspace, "a")
    with pytest.raises(UniqueViolationError, match=r"\(`id`\)"):
        put(service, workspace, "/b", file_id=first["id"])
    with pytest.raises(ForeignKeyViolationError, match="UserWorkspaceFile_workspaceId_fkey"):
        put(service, "none", "/b")
    assert (
        service.answer("create_workspace_file", file(workspace, "/b", size_bytes=2**63))[0] == 400
    )
    assert put(service, workspace_of(service, "ben"), "/a")["id"] != first["id"]
    assert service.call("list_workspace_files", workspace_id=workspace) == [first]


def test_a_repeat_whose_answer_was_lost_gets_the_file(service_in: Serve) -> None:
    service = started(service_in)
    workspace = workspace_of(service)
    arguments = file(workspace, "/a")
    first = service.call("create_workspace_file", **arguments)
    assert service.call("create_workspace_file", **{**arguments, "path": "a"}) == first
    assert service.statements == 2
    with pytest.raises(UniqueViolationError, match=r"\(`id`\)"):
        service.call("create_workspace_file", **{**arguments, "storage_path": "elsewhere"})
    other = {**arguments, "workspace_id": workspace_of(service, "ben")}
    with pytest.raises(UniqueViolationError, match=r"\(`id`\)"):
        service.call("create_workspace_file", **other)
    service.call("soft_delete_workspace_file", file_id=first["id"], workspace_id=workspace)
    with pytest.raises(UniqueViolationError, match=r"\(`id`\)"):
        service.call("create_workspace_file", **arguments)
    answers = service.together([("create_workspace_file", file(workspace, "/b", file_id="b"))] * 16)
    assert {each["id"] for each in answers} == {"b"}
    assert service.value('SELECT count(*) FROM "UserWorkspaceFile"') == 2


def test_of_many_files_at_one_path_one_is_recorded(service_in: Serve) -> None:
    service = started(service_in, pool_size=8)
    workspace = workspace_of(service)
    answers = service.together(
        [("create_workspace_file", file(workspace, "/same")) for _ in range(16)]
    )
    assert sum(isinstance(each, dict) for each in answers) == 1
    assert sum(isinstance(each, UniqueViolationError) for each in answers) == 15


def test_deleted_files_of_one_path_and_second_get_paths_of_their_own(service_in: Serve) -> None:
    service = started(service_in)
    workspace = workspace_of(service)
    for _ in range(6):
        made = put(service, workspace, "/a")
        service.call("soft_delete_workspace_file", file_id=made["id"], workspace_id=workspace)
    found = paths(service, workspace, include_deleted=True)
    assert len(found) == 6
    assert all(re.fullmatch(r"/a__deleted__\d{10}(_[0-9a-f-]{36})?", path) for path in found)


def test_of_many_that_delete_a_file_one_does(service_in: Serve) -> None:
    service = started(service_in, pool_size=8)
    workspace = workspace_of(service)
    made = put(service, workspace, "/a")
    identified = {"file_id": made["id"], "workspace_id": workspace}
    answers = service.together([("soft_delete_workspace_file", identified)] * 16)
    assert [each is None for each in answers].count(False) == 1
    (path,) = paths(service, workspace, include_deleted=True)
    assert path.count("__deleted__") == 1


def test_a_deleted_files_path_that_another_is_just_taking_is_given_way_to(
    service_in: Serve,
) -> None:
    service = started(service_in)
    workspace = workspace_of(service)
    made = put(service, workspace, "/a")
    with psycopg.connect(service.url) as other:
        # Whichever second it is when the file is deleted.
        other.execute(
            """INSERT INTO platform."UserWorkspaceFile"
                      (id, "workspaceId", name, path, "storagePath", "mimeType", "sizeBytes",
                       "updatedAt")
               SELECT 'taken' || n, %s, 'a',
                      '/a__deleted__' || floor(extract(epoch FROM now())) + n, '', '', 0, now()
                 FROM generate_series(0, 300) AS n""",
            [workspace],
        )

        async def main() -> bytes:
            call = asyncio.ensure_future(
                service.started(
                    "soft_delete_workspace_file",
                    f'{{"file_id": "{made["id"]}", "workspace_id": "{workspace}"}}'.encode(),
                )
            )
            await lock_awaited(service.url)
            other.commit()
            return await call

        assert re.search(rb'"/a__deleted__\d{10}_[0-9a-f-]{36}"', service.run(main()))
