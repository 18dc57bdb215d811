"""Who sees and runs which graph: organizations, teams, libraries, in each age as it had them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import CallError
from releases.rows import graph, insert, listed, listing, node, user

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

WITHOUT_ORGS = ("v0.6.48", "v0.6.51", "master-2026-06-17")
WITH_ORGS = ("v0.6.68", "v0.7.2")


def seen(service: Service, key: str, user_id: str | None, **more: Any) -> int | None:
    """Return the version that a user gets to see."""
    found = service.call("get_graph", graph_id=key, user_id=user_id, **{"version": None} | more)
    assert service.statements == 1
    return None if found is None else int(found["version"])


@pytest.fixture(params=WITH_ORGS)
def teams(request: pytest.FixtureRequest, service_in: Callable[..., Service]) -> Service:
    service = service_in(request.param)
    user(service, "alice", "bob", "carol")
    for organization in ("acme", "other"):
        insert(service, "Organization", id=organization, name=organization, slug=organization)
    for team, organization in (("red", "acme"), ("blue", "acme"), ("green", "other")):
        insert(service, "Team", id=team, name=team, orgId=organization, createdByUserId="bob")
    for number, (team, status) in enumerate(
        (("red", "ACTIVE"), ("blue", "SUSPENDED"), ("green", "ACTIVE"))
    ):
        insert(service, "TeamMember", id=f"tm{number}", teamId=team, userId="alice", status=status)
    graph(service, "mine")
    graph(service, "mine in acme", organizationId="acme", teamId="blue")
    graph(service, "mine in other", organizationId="other")
    graph(service, "acme's", owner="bob", organizationId="acme")
    graph(service, "red's", owner="bob", organizationId="acme", teamId="red")
    graph(service, "blue's", owner="bob", organizationId="acme", teamId="blue")
    graph(service, "green's", owner="bob", organizationId="other", teamId="green")
    graph(service, "astray", owner="bob", organizationId="acme", teamId="green")
    graph(service, "bob's", owner="bob")
    return service


def all_seen(service: Service, user_id: str | None, **more: Any) -> list[str]:
    keys = [key for (key,) in service.rows('SELECT id FROM "AgentGraph" ORDER BY id')]
    return [key for key in keys if seen(service, key, user_id, **more) is not None]


def test_an_organization_shows_its_own_and_its_teams_graphs(teams: Service) -> None:
    mine = ["mine", "mine in acme", "mine in other"]
    assert all_seen(teams, "alice") == mine
    assert all_seen(teams, "alice", organization_id="acme") == [
        "acme's", "mine", "mine in acme", "red's",
    ]  # fmt: skip
    assert all_seen(teams, "alice", organization_id="other") == ["green's", "mine", "mine in other"]
    # An empty one is one that nobody has, and a stranger sees what has no team.
    assert all_seen(teams, "alice", organization_id="") == ["mine"]
    assert all_seen(teams, "carol", organization_id="acme") == ["acme's"]
    assert all_seen(teams, None, organization_id="acme") == []
    assert len(all_seen(teams, None, skip_access_check=True)) == 9


def test_a_team_narrows_and_without_a_user_decides_alone(teams: Service) -> None:
    assert all_seen(teams, "alice", team_id="blue") == ["mine in acme"]
    assert all_seen(teams, "alice", team_id="red") == []
    assert all_seen(teams, "alice", team_id="red", organization_id="acme") == ["red's"]
    assert all_seen(teams, None, team_id="blue") == ["blue's", "mine in acme"]
    assert all_seen(teams, "alice", team_id="") == []


def test_the_highest_version_that_is_seen_counts(teams: Service) -> None:
    graph(teams, "acme's", 2, owner="bob", organizationId="acme", teamId="blue")
    assert seen(teams, "acme's", "alice", organization_id="acme") == 1
    assert seen(teams, "acme's", "bob") == 2


def test_a_graph_tells_whose_it_is_but_not_in_an_export(teams: Service) -> None:
    found = teams.call("get_graph", graph_id="mine in acme", version=1, user_id="alice")
    assert (found["organization_id"], found["team_id"]) == ("acme", "blue")
    found = teams.call(
        "get_graph", graph_id="mine in acme", version=1, user_id="alice", for_export=True
    )
    assert (found["user_id"], found["organization_id"], found["team_id"]) == ("", None, None)


@pytest.mark.parametrize("state", WITHOUT_ORGS)
def test_without_teams_nothing_is_a_teams(service_in: Callable[..., Service], state: str) -> None:
    service = service_in(state)
    user(service, "alice", "bob")
    graph(service, "mine")
    graph(service, "bob's", owner="bob")
    for organization in ("acme", ""):
        assert all_seen(service, "alice", organization_id=organization) == ["mine"]
    assert all_seen(service, "alice", team_id="red") == []
    assert all_seen(service, None, team_id="red") == []
    assert all_seen(service, None, team_id="red", skip_access_check=True) == ["bob's", "mine"]
    found = service.call("get_graph", graph_id="mine", version=1, user_id="alice")
    assert (found["organization_id"], found["team_id"]) == (None, None)


@pytest.fixture
def shop(service_in: Callable[..., Service]) -> Callable[[str], Service]:
    """Return what starts a service with a graph of bob's in two versions, the first one listed."""

    def started(state: str) -> Service:
        service = service_in(state)
        user(service, "alice", "bob")
        graph(service, "g", 1, owner="bob")
        graph(service, "g", 2, owner="bob")
        listing(service, "l", "bob", "g")
        listed(service, "v", "l", "g")
        return service

    return started


def keep(service: Service, version: int, user_id: str = "alice") -> None:
    insert(
        service, "LibraryAgent", id=f"{user_id} {version}", userId=user_id, agentGraphId="g",
        agentGraphVersion=version,
    )  # fmt: skip


@pytest.mark.parametrize("state", ["v0.6.51", "v0.6.68", "v0.7.2"])
def test_what_is_in_the_library_is_found_when_its_listing_is_gone(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    keep(service, 2)
    assert seen(service, "g", "alice") == 1, "the marketplace's stands before the library's"
    assert seen(service, "g", "alice", version=2) == 2
    service.rows("""UPDATE "StoreListingVersion" SET "submissionStatus" = 'REJECTED'""")
    assert seen(service, "g", "alice") == 2
    assert seen(service, "g", "alice", version=1) is None
    assert seen(service, "g", None) is None
    for flag in ("isDeleted", "isArchived"):
        service.rows('UPDATE "LibraryAgent" SET "isDeleted" = false, "isArchived" = false')
        assert seen(service, "g", "alice", team_id="red") == 2
        service.rows(f'UPDATE "LibraryAgent" SET "{flag}" = true')
        assert seen(service, "g", "alice") is None


def test_before_that_a_library_opened_nothing(shop: Callable[[str], Service]) -> None:
    service = shop("v0.6.48")
    keep(service, 2)
    assert seen(service, "g", "alice", version=2) is None


def refused(service: Service, user_id: str, version: int, **more: Any) -> str | None:
    """Return the class of error that running the graph is refused with."""
    try:
        service.call(
            "validate_graph_execution_permissions",
            user_id=user_id,
            graph_id="g",
            graph_version=version,
            **more,
        )
    except CallError as error:
        return error.wire_type
    assert service.statements == 1
    return None


INACCESSIBLE, NOT_KEPT = "GraphNotAccessibleError", "GraphNotInLibraryError"


@pytest.mark.parametrize("state", ["v0.6.51", "v0.6.68", "v0.7.2"])
def test_a_library_entry_alone_lets_exactly_its_version_run(
    shop: Callable[[str], Service], state: str
) -> None:
    service = shop(state)
    assert refused(service, "alice", 1) == NOT_KEPT
    assert refused(service, "alice", 1, is_sub_graph=True) is None
    assert refused(service, "alice", 2, is_sub_graph=True) == INACCESSIBLE
    keep(service, 2)
    assert refused(service, "alice", 1) == NOT_KEPT, "another version is in the library"
    assert refused(service, "alice", 2) is None
    service.rows('UPDATE "StoreListingVersion" SET "isDeleted" = true')
    assert refused(service, "alice", 2) is None
    assert refused(service, "alice", 1) == INACCESSIBLE
    # One's own may run in any version, once one is in the library.
    assert refused(service, "bob", 1) == NOT_KEPT
    keep(service, 1, "bob")
    assert refused(service, "bob", 2) is None
    assert refused(service, "bob", 3) == INACCESSIBLE
    service.rows('UPDATE "LibraryAgent" SET "isArchived" = true')
    assert refused(service, "alice", 2) == INACCESSIBLE
    assert refused(service, "bob", 2) == NOT_KEPT


def test_before_that_the_listing_decided(shop: Callable[[str], Service]) -> None:
    service = shop("v0.6.48")
    keep(service, 2)
    assert refused(service, "alice", 1) is None
    assert refused(service, "alice", 2) == INACCESSIBLE


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.68"])
def test_settings_tell_the_builders_chat(shop: Callable[[str], Service], state: str) -> None:
    service = shop(state)
    safe = {"human_in_the_loop_safe_mode": True, "sensitive_action_safe_mode": False}

    def settings() -> Any:
        return service.call("get_graph_settings", user_id="alice", graph_id="g")

    assert settings() == safe | {"builder_chat_session_id": None}
    keep(service, 1)
    for stored, shown in (
        ('{"builder_chat_session_id": "c"}', {"builder_chat_session_id": "c"}),
        (
            '{"builder_chat_session_id": null, "sensitive_action_safe_mode": true}',
            {"builder_chat_session_id": None, "sensitive_action_safe_mode": True},
        ),
        ('{"builder_chat_session_id": 5, "sensitive_action_safe_mode": true}', {}),
    ):
        service.rows('UPDATE "LibraryAgent" SET settings = %(it)s::jsonb', it=stored)
        assert settings() == safe | {"builder_chat_session_id": None} | shown


@pytest.mark.parametrize("state", ["v0.6.48", "v0.6.68"])
def test_an_export_keeps_no_secret_in_any_age(shop: Callable[[str], Service], state: str) -> None:
    service = shop(state)
    node(service, "n", "some block", "g", 1, api_key="k", credentials={"id": "c"}, text="t")
    found = service.call("get_graph", graph_id="g", version=1, user_id="bob", for_export=True)
    assert found["nodes"][0]["input_default"] == {"text": "t"}
