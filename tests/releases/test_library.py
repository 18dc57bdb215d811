"""Libraries in each age: what they hold, what narrows them, what comes in from the marketplace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import ArgumentsInvalidError, CallError, NotFoundError, RecordNotFoundError
from releases.rows import graph, insert, listed, listing, node, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Start = Callable[..., Service]

OUTPUT = "363ae599-353e-4804-937e-b2ee3cef3da4"
INPUT = "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b"
TELEGRAM = "4435e4e0-df6e-4301-8f35-ad70b12fc9ec"
NOTHING = {"type": "object", "properties": {}, "required": []}
SAFE = {
    "human_in_the_loop_safe_mode": True,
    "sensitive_action_safe_mode": False,
    "builder_chat_session_id": None,
}


def page(service: Service, **options: Any) -> list[Any]:
    found = service.call("list_library_agents", **{"user_id": "alice"} | options)
    assert service.statements == 1
    assert found["pagination"]["total_items"] == len(found["agents"])
    agents: list[Any] = found["agents"]
    return agents


def names(service: Service, **options: Any) -> list[str]:
    return [agent["id"] for agent in page(service, **options)]


def entry(service: Service, key: str, of: str = "g", version: int = 1, **columns: Any) -> None:
    insert(
        service, "LibraryAgent", id=key, agentGraphId=of, agentGraphVersion=version,
        **{"userId": "alice"} | columns,
    )  # fmt: skip


def library(service: Service, **entries: dict[str, Any]) -> None:
    """Give alice a graph for each entry, called as it is, the last one updated last."""
    user(service, "alice", "bob")
    for number, (key, columns) in enumerate(entries.items(), 1):
        graph(service, key, name=f"Graph {key}", description=f"About {key}")
        moment = {"updatedAt": f"2026-01-0{number}"}
        entry(service, key, key, **moment | columns)


@pytest.mark.parametrize("state", ["v0.6.50", "v0.6.68", "v0.7.2"])
def test_folders_narrow_unless_something_is_searched(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(service, root={}, filed={}, gone={})
    insert(service, "LibraryFolder", id="f", userId="alice", name="Work")
    insert(service, "LibraryFolder", id="g", userId="alice", name="Old", isDeleted=True)
    service.rows("""UPDATE "LibraryAgent" SET "folderId" = 'f' WHERE id = 'filed'""")
    service.rows("""UPDATE "LibraryAgent" SET "folderId" = 'g' WHERE id = 'gone'""")
    assert [(agent["id"], agent["folder_id"], agent["folder_name"]) for agent in page(service)] == [
        ("gone", "g", "Old"),
        ("filed", "f", "Work"),
        ("root", None, None),
    ]
    assert names(service, folder_id="f") == ["filed"]
    assert names(service, folder_id="?") == []
    assert names(service, include_root_only=True) == ["root"]
    assert names(service, include_root_only=True, folder_id="f") == ["filed"]
    assert names(service, folder_id="") == ["gone", "filed", "root"]
    everywhere = {"search_term": "about", "folder_id": "f", "include_root_only": True}
    assert names(service, **everywhere) == ["gone", "filed", "root"]


@pytest.mark.parametrize("state", ["master-2026-05-20", "v0.6.68"])
def test_hidden_agents_are_told_apart(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(service, shown={}, hidden={"isHidden": True})
    assert [(agent["id"], agent["is_hidden"]) for agent in page(service)] == [
        ("hidden", True), ("shown", False),
    ]  # fmt: skip
    assert names(service, is_hidden=False) == ["shown"]
    assert names(service, is_hidden=True) == ["hidden"]


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.2"])
def test_an_organization_narrows_to_its_own_and_to_nobodys(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(service, free={}, acme={"organizationId": "acme"}, other={"organizationId": "other"})
    assert names(service, organization_id="acme") == ["acme", "free"]
    assert names(service, organization_id="") == ["free"]
    assert names(service, organization_id=None) == ["other", "acme", "free"]


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.59"])
def test_what_a_database_knows_nothing_of_nothing_has(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(service, only={})
    (agent,) = page(service)
    told = {name: agent[name] for name in ("folder_id", "folder_name", "is_hidden")}
    assert told == {"folder_id": None, "folder_name": None, "is_hidden": False}
    assert "last_run_at" not in agent
    assert names(service, folder_id="f") == []
    assert names(service, is_hidden=True) == []
    for given in (
        {"include_root_only": True}, {"is_hidden": False}, {"organization_id": "acme"},
        {"organization_id": ""}, {"include_nodes": True},
    ):  # fmt: skip
        assert names(service, **given) == ["only"], given


def run(service: Service, key: str, of: str, version: int = 1, **columns: Any) -> None:
    insert(
        service, "AgentGraphExecution", id=key, agentGraphId=of, agentGraphVersion=version,
        **{"userId": "alice", "executionStatus": "COMPLETED"} | columns,
    )  # fmt: skip


@pytest.mark.parametrize(("state", "counted"), [("v0.6.48", 0), ("v0.6.57", 13), ("v0.7.2", 13)])
def test_all_executions_of_a_graph_are_counted(service_in: Start, state: str, counted: int) -> None:
    service = service_in(state)
    library(service, busy={}, idle={})
    graph(service, "busy", 2)
    for number in range(12):
        run(service, f"e{number}", "busy", createdAt=f"2026-01-01 00:00:{number:02}")
    run(service, "other version", "busy", 2)
    run(service, "deleted", "busy", isDeleted=True, executionStatus="FAILED")
    run(service, "bob's", "busy", userId="bob")
    idle, busy = page(service)
    assert (idle["execution_count"], busy["execution_count"]) == (0, counted)
    assert (busy["success_rate"], busy["recent_executions"]) == (None, [])
    # The rate is one of those that are looked at: with AutoGPT 9 of 13 would be 69 %.
    _, busy = page(service, include_executions=True)
    assert (busy["execution_count"], busy["success_rate"]) == (counted or 10, 90.0)
    assert len(busy["recent_executions"]) == 10


@pytest.mark.parametrize("state", ["v0.6.70", "v0.7.2"])
def test_agents_have_names_and_a_last_run_of_their_own(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(
        service,
        never={},
        long_ago={"lastRunAt": "2026-01-01", "name": "", "description": "My words"},
        lately={"lastRunAt": "2026-01-09", "name": "My name"},
        never_either={},
    )
    shown = {agent["id"]: agent for agent in page(service)}
    assert {
        key: (agent["name"], agent["description"], agent["last_run_at"])
        for key, agent in shown.items()
        if "never" not in key
    } == {
        "long_ago": ("", "My words", "2026-01-01T00:00:00Z"),
        "lately": ("My name", "About lately", "2026-01-09T00:00:00Z"),
    }
    assert shown["never"]["last_run_at"] is None
    assert names(service, sort_by="lastRunAt") == ["lately", "long_ago", "never_either", "never"]
    assert names(service, search_term="MY ") == ["lately", "long_ago"]
    assert names(service, search_term="graph l") == ["lately", "long_ago"]
    assert names(service, search_term="Graph never") == ["never_either", "never"]


def test_the_last_run_is_no_order_before_it_is_known(service_in: Start) -> None:
    service = service_in("v0.6.68")
    user(service, "alice")
    with pytest.raises(ArgumentsInvalidError) as refused:
        page(service, sort_by="lastRunAt")
    assert refused.value.status == 422
    assert refused.value.detail[0]["loc"] == ["body", "sort_by"]


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.68"])
def test_nodes_tell_what_an_agent_takes_and_gives(service_in: Start, state: str) -> None:
    service = service_in(state)
    library(service, plain={}, rich={})
    node(service, "n1", OUTPUT, "rich", 1, name="o")
    node(service, "n2", INPUT, "rich", 1, name="i", value=5, description="Say", advanced=True)
    node(service, "n3", TELEGRAM, "rich", 1)
    node(service, "n4", "any other block", "rich", 1, name="not shown")
    service.rows(
        """UPDATE "AgentBlock" SET "inputSchema" = %(schema)s WHERE id = %(block)s""",
        block=INPUT,
        schema=json.dumps(
            {"properties": {"value": {"type": "integer", "default": 1, "description": "d"}}}
        ),
    )
    rich, plain = page(service, include_nodes=True)
    assert rich["input_schema"] == {
        "type": "object",
        "properties": {
            "i": {
                "type": "integer", "secret": False, "advanced": True, "title": "i",
                "description": "Say", "default": 5,
            }
        },
        "required": [],
    }  # fmt: skip
    assert rich["output_schema"] == {
        "type": "object",
        "properties": {"o": {"secret": False, "advanced": False, "title": "o"}},
        "required": ["o"],
    }
    assert rich["has_external_trigger"] is True
    assert rich["trigger_setup_info"]["provider"] == "telegram"
    assert (plain["input_schema"], plain["output_schema"]) == (NOTHING, NOTHING)
    assert [agent["input_schema"] for agent in page(service)] == [NOTHING, NOTHING]
    assert set(rich) == set(page(service)[0])


# From the marketplace ------------------------------------------------------------------------


@pytest.fixture
def shop(service_in: Start) -> Callable[[str], Service]:
    """Return what starts a service with a listed graph of bob's."""

    def started(state: str) -> Service:
        service = service_in(state)
        user(service, "alice", "bob")
        graph(service, "g", 1, owner="bob", name="Bob's", description="of bob")
        listing(service, "l", "bob", "g")
        listed(
            service, "v1", "l", "g", name="Listed", description="to be had",
            imageUrls=["http://i/1", "http://i/2"],
        )  # fmt: skip
        return service

    return started


def add(service: Service, user_id: str = "alice", version: str = "v1") -> Any:
    return service.call(
        "add_store_agent_to_library", store_listing_version_id=version, user_id=user_id
    )


def row(service: Service, columns: str, user_id: str = "alice") -> Any:
    ((found,),) = service.rows(
        f"""SELECT json_build_array({columns}) FROM "LibraryAgent" WHERE "userId" = %(it)s""",
        it=user_id,
    )
    return found


@pytest.mark.parametrize("state", ["v0.6.51", "v0.6.68", "v0.6.70", "v0.7.2"])
def test_an_agent_comes_back_as_it_is_now_with_what_the_user_set(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    settings = {"human_in_the_loop_safe_mode": False, "sensitive_action_safe_mode": True}
    entry(
        service, "mine", isDeleted=True, isArchived=True, isFavorite=True, settings=settings,
        updatedAt="2026-01-01",
    )  # fmt: skip
    agent = add(service)
    assert (agent["id"], agent["is_favorite"]) == ("mine", True)
    assert agent["settings"] == SAFE | settings
    assert agent["updated_at"] > "2026-01-02"
    assert row(service, '"isDeleted", "isArchived", settings') == [False, False, settings]
    assert add(service)["id"] == "mine"
    assert service.statements == 1


@pytest.mark.parametrize("state", ["v0.6.51", "v0.6.68"])
def test_until_agents_have_names_they_are_called_as_their_graph(
    shop: Callable[[str], Service], state: str
) -> None:
    agent = add(shop(state))
    assert (agent["name"], agent["description"], agent["image_url"]) == ("Bob's", "of bob", None)
    assert agent["settings"] == SAFE


@pytest.mark.parametrize("state", ["v0.6.70", "v0.7.2"])
def test_from_then_on_they_are_called_as_their_listing(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    called = ("Listed", "to be had", "http://i/1")
    agent = add(service)
    assert (agent["name"], agent["description"], agent["image_url"]) == called
    service.rows("""UPDATE "LibraryAgent" SET name = 'x', description = 'x', "imageUrl" = 'x'""")
    agent = add(service)
    assert (agent["name"], agent["description"], agent["image_url"]) == called
    service.rows("""UPDATE "StoreListingVersion" SET "imageUrls" = '{}'""")
    assert add(service)["image_url"] is None


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.1", "v0.7.2"])
def test_a_new_entry_belongs_to_the_users_organization(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    for key, personal, deleted in (
        ("deleted", True, "2026-01-01"), ("home", True, None), ("later", True, None),
        ("work", False, None),
    ):  # fmt: skip
        insert(
            service, "Organization", id=key, name=key, slug=key, isPersonal=personal,
            deletedAt=deleted,
        )  # fmt: skip
        moment = "2026-01-02" if key == "later" else "2026-01-01"
        insert(
            service, "OrgMember", id=key, orgId=key, userId="alice", isOwner=True,
            createdAt=moment,
        )  # fmt: skip
    insert(service, "Team", id="t1", name="t1", orgId="home", createdByUserId="alice")
    insert(
        service, "Team", id="t2", name="t2", orgId="home", createdByUserId="alice", isDefault=True
    )
    add(service)
    assert service.statements == 1
    belongs = [None, None] if state == "v0.6.68" else ["home", "t2"]
    assert row(service, '"organizationId", "teamId"') == belongs


@pytest.mark.parametrize("state", ["v0.6.68", "v0.7.1", "v0.7.2"])
def test_who_has_no_organization_gets_one_with_a_new_entry(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    organizations = 'SELECT id FROM "Organization"'
    with pytest.raises(NotFoundError):
        add(service, "bob", version="?")
    assert service.rows(organizations) == [], "for what is not to be had none is made"
    replies = service.together(
        [("add_store_agent_to_library", {"user_id": "bob", "store_listing_version_id": "v1"})] * 8
    )
    assert len({reply["id"] for reply in replies}) == 1
    if state == "v0.6.68":
        assert service.rows(organizations) == []
        return
    ((made,),) = service.rows(organizations)
    team = service.value('SELECT id FROM "Team"')
    assert row(service, '"organizationId", "teamId"', "bob") == [made, team]
    add(service, "bob")
    assert service.statements == 1
    assert service.rows(organizations) == [(made,)]


@pytest.mark.parametrize("state", ["v0.7.1", "v0.7.2"])
def test_what_is_there_already_makes_no_organization(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    entry(service, "mine", isDeleted=True)
    assert add(service)["id"] == "mine"
    assert service.statements == 1
    assert service.rows('SELECT id FROM "Organization"') == []


@pytest.mark.parametrize(("state", "status"), [("v0.6.51", 400), ("v0.6.68", 400), ("v0.7.2", 404)])
def test_what_is_not_to_be_had_is_not_found(
    shop: Callable[[str], Service], state: str, status: int
) -> None:
    service = shop(state)
    with pytest.raises(NotFoundError) as refused:
        add(service, version="?")
    assert (refused.value.status, refused.value.wire_type) == (status, "NotFoundError")
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'PENDING'""")
    with pytest.raises(NotFoundError):
        add(service)
    with pytest.raises(RecordNotFoundError):
        service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'APPROVED'""")
        add(service, "nobody")


def test_until_v0_7_1_owners_and_those_who_have_it_may_take_it_again(
    shop: Callable[[str], Service],
) -> None:
    service = shop("v0.6.68")
    entry(service, "mine")
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'REJECTED'""")
    assert add(service)["id"] == "mine"
    assert add(service, "bob")["can_access_graph"] is True


@pytest.mark.parametrize(
    "withdrawn",
    [
        """UPDATE "StoreListingVersion" SET "submissionStatus" = 'PENDING' """,
        """UPDATE "StoreListingVersion" SET "isDeleted" = true""",
        """UPDATE "StoreListingVersion" SET "isAvailable" = false""",
        """UPDATE "StoreListing" SET "isDeleted" = true""",
    ],
)
def test_from_v0_7_2_only_what_is_offered_can_be_taken(
    shop: Callable[[str], Service], withdrawn: str
) -> None:
    service = shop("v0.7.2")
    assert add(service)["store_listing_version_id"] == "v1"
    (agent,) = page(service)
    assert agent["store_listing_version_id"] == "v1"
    listed(service, "v2", "l", "g", version=2, createdAt="2099-01-01")
    assert page(service)[0]["store_listing_version_id"] == "v2"
    service.rows(withdrawn)
    assert page(service)[0]["store_listing_version_id"] is None
    for user_id in ("alice", "bob"):
        with pytest.raises(CallError) as refused:
            add(service, user_id)
        assert refused.value.wire_type == "NotFoundError"
