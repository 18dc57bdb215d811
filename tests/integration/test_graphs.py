"""Graphs: who finds which, what stands below them, and what leaves in an export; and users."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from ages import OLD
from autogpt_db.errors import (
    CallError,
    GraphNotAccessibleError,
    GraphNotInLibraryError,
    InvalidValueError,
    RecordNotFoundError,
)
from service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator

EXECUTOR = "e189baac-8c20-45a1-94a7-55177ea42565"
INPUT = "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b"
PLAIN = "1ff065e9-88e8-4358-9d82-8dc91f622ba9"


@pytest.fixture
def service(seeded_database_url: str, seeded_template: str) -> Iterator[Service]:
    with Service(seeded_database_url, copy_of=seeded_template) as running:
        yield running


def graph(service: Service, key: str, version: int = 1, owner: str = "alice") -> None:
    service.rows(
        """INSERT INTO "AgentGraph" (id, version, "userId")
           VALUES (%(key)s, %(version)s, %(owner)s)""",
        key=key,
        version=version,
        owner=owner,
    )


def node(service: Service, key: str, of: str, constant: Any, **more: Any) -> None:
    service.rows(
        """INSERT INTO "AgentNode"
               (id, "agentBlockId", "agentGraphId", "agentGraphVersion", "constantInput", metadata)
           VALUES (%(key)s, %(block)s, %(of)s, %(version)s, %(constant)s::jsonb,
                   %(metadata)s::jsonb)""",
        key=key,
        of=of,
        version=more.get("version", 1),
        block=more.get("block", EXECUTOR),
        constant=json.dumps(constant),
        metadata=json.dumps(more.get("metadata", {})),
    )


def runs(key: str, version: Any = 1) -> dict[str, Any]:
    return {"graph_id": key, "graph_version": version}


def get(service: Service, key: str, version: int | None = None, **more: Any) -> Any:
    request = {"graph_id": key, "version": version, "user_id": "alice"} | more
    return service.call("get_graph", **request)


def below(service: Service, key: str) -> list[tuple[str, int]]:
    found = get(service, key, include_subgraphs=True)["sub_graphs"]
    assert service.statements == 1
    return [(each["id"], each["version"]) for each in found]


# Finding -------------------------------------------------------------------------------------


def approve(service: Service, version: str, graph_version: int, status: str = "APPROVED") -> None:
    service.rows(
        """INSERT INTO "StoreListingVersion"
               (id, version, "createdAt", "updatedAt", "agentGraphId", "agentGraphVersion", name,
                "subHeading", "imageUrls", description, categories, "storeListingId",
                "submissionStatus")
           VALUES (%(version)s, 100 + %(graph_version)s, now(), now(), 'g1', %(graph_version)s, 'n',
                   's', '{}', 'd', '{}', 'sl1', %(status)s::text::"SubmissionStatus")""",
        version=version,
        graph_version=graph_version,
        status=status,
    )


def test_the_marketplace_stands_behind_ones_own(service: Service) -> None:
    assert get(service, "g1")["version"] == 2
    assert get(service, "g1", 1)["version"] == 1
    assert get(service, "g1", 0) is None
    assert get(service, "g1", user_id="bob") is None
    approve(service, "s1", 1)
    assert get(service, "g1", user_id="bob")["version"] == 1
    assert get(service, "g1", user_id=None)["version"] == 1
    assert get(service, "g1", 2, user_id="bob") is None
    approve(service, "s2", 2, "PENDING")
    assert get(service, "g1", user_id="bob")["version"] == 1
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'APPROVED'""")
    assert get(service, "g1", user_id="bob")["version"] == 2
    service.rows("""UPDATE "StoreListingVersion" SET "isDeleted" = true WHERE id = 's2'""")
    assert get(service, "g1", user_id="bob")["version"] == 1
    assert get(service, "g1", user_id="alice")["version"] == 2, "one's own comes first"
    service.rows("""UPDATE "StoreListingVersion" SET "isDeleted" = true""")
    assert get(service, "g1", user_id="bob") is None
    assert get(service, "g1", user_id="bob", skip_access_check=True)["user_id"] == "alice"
    assert get(service, "g1", user_id=None, skip_access_check=True)["version"] == 2
    assert get(service, "g1", user_id="") is None


def test_only_the_arguments_with_a_default_may_be_left_out(service: Service) -> None:
    with pytest.raises(CallError):
        service.call("get_graph", graph_id="g1", user_id="alice")
    with pytest.raises(InvalidValueError):
        get(service, "g1", 2**31)


def test_metadata_is_anybodys(service: Service) -> None:
    assert service.call("get_graph_metadata", graph_id="g3")["name"] == "Bob graph"
    assert service.call("get_graph_metadata", graph_id="g1", version=0) is None
    assert service.call("get_graph_metadata", graph_id="?") is None


def test_a_node_is_read_loosely(service: Service) -> None:
    node(service, "odd", "g1", '{"a": 1}', metadata=[])
    found = service.call("get_node", node_id="odd")
    assert (found["input_default"], found["metadata"]) == ({"a": 1}, {})
    with pytest.raises(RecordNotFoundError):
        service.call("get_node", node_id="?")
    assert service.call("get_connected_output_nodes", node_id="?") == []


def test_links_that_leave_the_graph_are_its_links(service: Service) -> None:
    service.rows(
        """INSERT INTO "AgentNodeLink" VALUES ('l9', 'n-g2', 'a', 'n-out', 'b', true),
                                              ('l8', 'n-std', 'a', 'n-g2', 'b', true),
                                              ('l7', 'n-std', 'a', 'n-std', 'b', true)"""
    )
    keys = sorted(link["id"] for link in get(service, "g1")["links"])
    assert keys == ["l1", "l2", "l7", "l8", "l9"]
    assert len(service.call("get_connected_output_nodes", node_id="n-std")) == 3


# Sub-graphs ----------------------------------------------------------------------------------


def test_sub_graphs_come_level_by_level_each_once(service: Service) -> None:
    for key in ("top", "a", "b", "0"):
        graph(service, key)
    graph(service, "b", 2)
    graph(service, "foreign", owner="bob")
    node(service, "t1", "top", runs("a"))
    node(service, "t2", "top", runs("foreign"))
    node(service, "t3", "top", runs("missing"))
    node(service, "t4", "top", runs("a", 7))
    node(service, "t5", "top", runs("b"))
    node(service, "t6", "top", runs("b"), block=PLAIN)
    node(service, "t7", "top", {"graph_id": "0"})
    node(service, "t8", "top", {"graph_id": "0", "graph_version": 0})
    node(service, "a1", "a", runs("b", 2))  # the shallower version has the place
    node(service, "a2", "a", runs("top"))  # the top itself is left out
    node(service, "a3", "a", runs("a"))
    node(service, "b1", "b", json.dumps(runs("0")))
    node(service, "c1", "0", runs("a"))  # a circle
    assert below(service, "top") == [("a", 1), ("b", 1), ("0", 1)]
    assert get(service, "top")["sub_graphs"] == []


def test_of_two_versions_on_a_level_both_are_followed(service: Service) -> None:
    for key in ("top", "x", "y"):
        graph(service, key)
    graph(service, "v", 1)
    graph(service, "v", 2)
    node(service, "t2", "top", runs("v", 2))
    node(service, "t1", "top", runs("v", 1))
    node(service, "v1", "v", runs("x"), version=1)
    node(service, "v2", "v", runs("y"), version=2)
    found = below(service, "top")
    assert found[0] == ("v", 1), "the one read last"
    assert sorted(found[1:]) == [("x", 1), ("y", 1)]


@pytest.mark.parametrize("version", ["1", [1], True])
def test_a_sub_graphs_version_must_be_a_number(service: Service, version: Any) -> None:
    graph(service, "top")
    node(service, "t1", "top", runs("g2", version))
    status, answer = service.answer(
        "get_graph",
        {"graph_id": "top", "version": 1, "user_id": "alice", "include_subgraphs": True},
    )
    assert (status, answer["type"]) == (400, "FieldNotFoundError")
    assert get(service, "top")["id"] == "top"


@pytest.mark.parametrize("version", [1.5, 1e30, -1, 2**31])
def test_no_graph_has_an_impossible_version(service: Service, version: Any) -> None:
    graph(service, "top")
    node(service, "t1", "top", runs("g2", version))
    assert below(service, "top") == []


# Exporting -----------------------------------------------------------------------------------


def test_an_export_has_no_secrets(service: Service) -> None:
    graph(service, "top")
    graph(service, "sub")
    service.rows(
        """UPDATE "AgentBlock" SET "inputSchema" = %(schema)s WHERE id = %(block)s""",
        schema=json.dumps({"properties": {"pin": {"secret": True}, "open": {"secret": False}}}),
        block=PLAIN,
    )
    node(
        service,
        "t1",
        "top",
        {
            "pin": 1234,
            "open": 1,
            "My_API_Key": "x",
            "token_limit": 5,
            "use_credentials": True,
            "nested": {"password": "x", "deep": {"secrets": [1], "kept": 1}, "pin": 1},
            "list": [{"password": "kept"}],
            "passwords": [1],
            "secret": None,
        },
        block=PLAIN,
    )
    node(service, "t2", "top", {"name": "a", "value": "v", "secret": True}, block=INPUT)
    node(service, "t3", "top", {"name": "a", "value": "v", "secret": False}, block=INPUT)
    node(service, "t4", "top", runs("sub"))
    node(service, "s1", "sub", {"token": "x", "value": 1}, block=PLAIN)
    service.rows(
        """INSERT INTO "IntegrationWebhook"
               (id, "userId", provider, "credentialsId", "webhookType", resource, events, config,
                secret, "providerWebhookId", "createdAt")
           VALUES ('w', 'alice', 'p', 'c', 't', 'r', '{}', '{}', 's', 'i', now())"""
    )
    service.rows("""UPDATE "AgentNode" SET "webhookId" = 'w' WHERE id IN ('t1', 's1')""")
    assert [each["webhook_id"] for each in get(service, "top")["nodes"]].count("w") == 1
    exported = get(service, "top", for_export=True)
    assert exported["user_id"] == ""
    nodes = {each["id"]: each for each in exported["nodes"]}
    assert nodes["t1"]["input_default"] == {
        "open": 1,
        "use_credentials": True,
        "nested": {"deep": {"kept": 1}, "pin": 1},
        "list": [{"password": "kept"}],
    }
    assert nodes["t2"]["input_default"] == {"name": "a", "secret": True}
    assert nodes["t3"]["input_default"] == {"name": "a", "value": "v", "secret": False}
    assert {each["webhook_id"] for each in nodes.values()} == {None}
    (sub_graph,) = exported["sub_graphs"]
    assert sub_graph["nodes"][0]["input_default"] == {"value": 1}
    assert "webhook_id" not in sub_graph["nodes"][0]
    assert not {"user_id", "created_at", "sub_graphs"} & set(sub_graph)


def test_a_block_without_a_readable_schema_has_none(service: Service) -> None:
    for schema in ("", "[]", "{", '{"properties": []}', '{"properties": {"data": 1}}'):
        service.rows(
            """UPDATE "AgentBlock" SET "inputSchema" = %(schema)s""",
            schema=schema,
        )
        nodes = {each["id"]: each for each in get(service, "g1", for_export=True)["nodes"]}
        assert nodes["n-std"]["input_default"] == {"data": "hi"}


# Running -------------------------------------------------------------------------------------


def test_who_may_run_a_graph(service: Service) -> None:
    def check(user: str, key: str, version: int, **more: Any) -> None:
        request = {"user_id": user, "graph_id": key, "graph_version": version}
        assert service.call("validate_graph_execution_permissions", **request, **more) is None

    check("alice", "g1", 1)  # any version in the library will do
    for user, key, version in (("alice", "g1", 3), ("bob", "g1", 2), ("alice", "g3", 2)):
        with pytest.raises(GraphNotAccessibleError):
            check(user, key, version, is_sub_graph=True)
    with pytest.raises(GraphNotInLibraryError):
        check("alice", "g3", 1)
    check("alice", "g3", 1, is_sub_graph=True)
    for gone in (
        """ "isDeleted" = true """,
        """ "isDeleted" = false, "submissionStatus" = 'DRAFT' """,
    ):
        service.rows(f'UPDATE "StoreListingVersion" SET {gone}')
        with pytest.raises(GraphNotAccessibleError):
            check("alice", "g3", 1, is_sub_graph=True)
    for flag in ("isDeleted", "isArchived"):
        service.rows('UPDATE "LibraryAgent" SET "isDeleted" = false, "isArchived" = false')
        check("alice", "g1", 2)
        service.rows(f'UPDATE "LibraryAgent" SET "{flag}" = true')
        with pytest.raises(GraphNotInLibraryError):
            check("alice", "g1", 2)


def test_settings_are_those_of_the_highest_version_in_the_library(service: Service) -> None:
    def found() -> dict[str, bool | None]:
        settings: dict[str, bool | None] = service.call(
            "get_graph_settings", user_id="alice", graph_id="g1"
        )
        return settings

    safe = {
        "human_in_the_loop_safe_mode": True,
        "sensitive_action_safe_mode": False,
        "builder_chat_session_id": None,
    }
    service.rows(
        """INSERT INTO "LibraryAgent" (id, "userId", "agentGraphId", "agentGraphVersion", settings)
           VALUES ('low', 'alice', 'g1', 1, '{"human_in_the_loop_safe_mode": "no"}')"""
    )
    assert found()["sensitive_action_safe_mode"]
    service.rows("""UPDATE "LibraryAgent" SET "isArchived" = true WHERE id = 'la1'""")
    assert found() == safe | {"human_in_the_loop_safe_mode": False}
    for malformed in ('"{}"', "[]", "null", '{"human_in_the_loop_safe_mode": "perhaps"}'):
        service.rows("""UPDATE "LibraryAgent" SET settings = %(it)s::jsonb""", it=malformed)
        assert found() == safe
    service.rows("""UPDATE "LibraryAgent" SET "isDeleted" = true""")
    assert found() == safe


# Users ---------------------------------------------------------------------------------------


def test_a_user_looks_as_autogpt_shows_one(service: Service) -> None:
    service.rows(
        """UPDATE "User"
              SET email = ' bob@example.com ', name = E'\\u2003', integrations = ' x ',
                  "stripeCustomerId" = ' c ', "emailVerified" = false,
                  "notifyOnDailySummary" = false, metadata = '"{\\"a\\": 1}"',
                  "topUpConfig" = '{"amount": "5", "threshold": 1.0, "more": 1}'
            WHERE id = 'bob'"""
    )
    found = service.call("get_user_by_id", user_id="bob")
    assert len(found) == (20 if OLD else 21), "later users have a tier"
    assert (
        found
        | {
            "email": "bob@example.com",
            "name": "",
            "integrations": "x",
            "stripe_customer_id": "c",
            "email_verified": True,
            "notify_on_daily_summary": True,
            "max_emails_per_day": 3,
            "metadata": {"a": 1},
            "top_up_config": {"amount": 5, "threshold": 1},
        }
        == found
    )
    assert service.call("get_user_email_by_id", user_id="bob") == " bob@example.com "
    assert service.call("get_user_email_by_id", user_id="?") is None
    service.rows(
        """UPDATE "User" SET metadata = '[1]', "topUpConfig" = '{"amount": 1.5}',
                  "maxEmailsPerDay" = 7, timezone = 'not-set'
            WHERE id = 'bob'"""
    )
    found = service.call("get_user_by_id", user_id="bob")
    assert (found["metadata"], found["top_up_config"]) == ({}, None)
    assert (found["max_emails_per_day"], found["timezone"]) == (7, "not-set")
    with pytest.raises(InvalidValueError):
        service.call("get_user_email_by_id", user_id="a\0")
