"""Lists of a workspace's files, held against the contract's words, and their bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autogpt_db.errors import InvalidValueError, ResultTooLargeError
from autogpt_db.settings import LimitsSettings
from releases.building import LATEST
from releases.workspace_files import file, numbers, paths, put, started, workspace_of
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from releases.building import ReleaseDatabases
    from releases.workspace_files import Serve


@pytest.fixture(scope="module")
def listing(releases: ReleaseDatabases) -> Iterator[Service]:
    """Yield the operations on one database for many workspaces."""
    url = releases.fresh(LATEST, ours=True)
    with Service(url) as running:
        yield running
    releases.drop(url)


TEXTS = st.text("aB_%\\/é", max_size=4)
METADATA = st.sampled_from([{}, {"a": 1}, {"a": "1"}, {"a": 1, "b": None}])
FILES = st.lists(st.tuples(TEXTS, TEXTS, METADATA, st.booleans(), st.booleans()), max_size=8)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "path_prefix": TEXTS | st.none(),
        "path_not_starts_with": TEXTS | st.none(),
        "name_contains": TEXTS | st.none(),
        "metadata_equals": METADATA | st.none(),
        "metadata_not_equals": METADATA | st.none(),
        "include_deleted": st.booleans(),
        "folder_id": st.sampled_from(["folder", "none", "", None]),
        "root_only": st.booleans(),
    },
)


def matches(each: dict[str, Any], query: dict[str, Any]) -> bool:
    """Tell whether a file is to be listed, as the contract's words have it."""

    def absolute(path: str) -> str:
        return path if path.startswith("/") else "/" + path

    prefix, other = query.get("path_prefix"), query.get("path_not_starts_with")
    equal, unequal = query.get("metadata_equals"), query.get("metadata_not_equals")
    folder = query.get("folder_id")
    return (
        (query.get("include_deleted", False) or not each["is_deleted"])
        and (not prefix or each["path"].startswith(absolute(prefix)))
        and (not other or not each["path"].startswith(absolute(other)))
        and (query.get("name_contains") or "").lower() in each["name"].lower()
        and (equal is None or each["metadata"] == equal)
        and (unequal is None or each["metadata"] != unequal)
        and (not folder or each["folder_id"] == folder)
        and (bool(folder) or not query.get("root_only") or each["folder_id"] is None)
    )


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(files=FILES, queries=st.lists(QUERIES, min_size=1, max_size=6), limit=st.integers(-9, 9),
       offset=st.integers(0, 4))  # fmt: skip
def test_lists_are_what_the_contract_says(
    listing: Service, files: list[Any], queries: list[Any], limit: int, offset: int
) -> None:
    user = f"user{next(numbers)}"
    listing.rows(
        """INSERT INTO "User" (id, email, "updatedAt") VALUES (%(id)s, %(id)s, now())""", id=user
    )
    workspace = workspace_of(listing, user)
    folder = f"folder{user}"
    listing.rows(
        """INSERT INTO "UserWorkspaceFolder" (id, "workspaceId", name, "updatedAt")
           VALUES (%(id)s, %(workspace)s, 'f', now())""",
        id=folder,
        workspace=workspace,
    )
    known: dict[str, dict[str, Any]] = {}
    for path, name, metadata, deleted, in_folder in files:
        arguments = file(workspace, path, name=name, metadata=metadata)
        status, made = listing.answer("create_workspace_file", arguments)
        absolute = path if path.startswith("/") else "/" + path
        taken = absolute in {each["path"] for each in known.values()}
        assert status == (400 if taken else 200), made
        if taken:
            continue
        identified = {"file_id": made["id"], "workspace_id": workspace}
        if in_folder:
            listing.rows(
                'UPDATE "UserWorkspaceFile" SET "folderId" = %(folder)s WHERE id = %(id)s',
                folder=folder,
                id=made["id"],
            )
        if deleted:
            made = listing.call("soft_delete_workspace_file", **identified)
        known[made["id"]] = made | {"folder_id": "folder" if in_folder else None}
        listing.let_a_millisecond_pass()  # of one moment, files have no order
    for query in queries:
        sent = query | ({"folder_id": folder} if query.get("folder_id") == "folder" else {})
        found = listing.call("list_workspace_files", workspace_id=workspace, **sent)
        assert listing.statements == 1
        wanted = {id_ for id_, each in known.items() if matches(each, query)}
        assert {each["id"] for each in found} == wanted
        assert [each["created_at"] for each in found] == sorted(
            (each["created_at"] for each in found), reverse=True
        )
        some = listing.call(
            "list_workspace_files", workspace_id=workspace, limit=limit, offset=offset, **sent
        )
        rest = found[offset:] if limit >= 0 else found[: max(len(found) - offset, 0)]
        assert some == (rest[:limit] if limit >= 0 else rest[limit:])
        counted = {name: sent[name] for name in ("path_prefix", "include_deleted") if name in sent}
        assert listing.call("count_workspace_files", workspace_id=workspace, **counted) == sum(
            matches(each, counted) for each in known.values()
        )
    assert listing.call("get_workspace_total_size", workspace_id=workspace) == sum(
        not each["is_deleted"] for each in known.values()
    )


def test_a_list_is_bounded(service_in: Serve) -> None:
    service = started(service_in, limits=LimitsSettings(rows=3))
    workspace = workspace_of(service)
    for name in "abc":
        put(service, workspace, name)
    assert len(paths(service, workspace)) == 3
    put(service, workspace, "d")
    with pytest.raises(ResultTooLargeError, match=r"limits\.rows"):
        paths(service, workspace)
    assert len(paths(service, workspace, limit=3)) == 3
    assert len(paths(service, workspace, path_prefix="/a")) == 1
    with pytest.raises(InvalidValueError, match="offset is -1"):
        paths(service, workspace, offset=-1)


def test_where_there_are_no_folders_every_file_lies_outside(service_in: Serve) -> None:
    service = started(service_in, "v0.6.59")
    workspace = workspace_of(service)
    made = put(service, workspace, "/a")
    assert made["folder_id"] is None
    assert paths(service, workspace, root_only=True) == {"/a"}
    assert paths(service, workspace, folder_id="f") == set()
    assert paths(service, workspace, folder_id="", root_only=False) == {"/a"}


def test_sizes_beyond_one_integer_are_added_up(service_in: Serve) -> None:
    service = started(service_in)
    workspace = workspace_of(service)
    for name in "abc":
        put(service, workspace, name, size_bytes=2**63 - 1)
    total = {"workspace_id": workspace}
    assert service.call("get_workspace_total_size", **total) == 3 * (2**63 - 1)
    assert service.call("get_workspace_total_size", workspace_id="none") == 0
    assert service.statements == 1
