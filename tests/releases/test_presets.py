"""Presets: made, read and listed, with their credentials and webhooks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from autogpt_db.errors import (
    ArgumentsInvalidError,
    ArgumentsNotHonouredError,
    ForeignKeyViolationError,
    InvalidInputError,
    NotFoundError,
)
from autogpt_db.settings import IntegrationsSettings
from releases.building import LATEST
from releases.library_rows import started
from releases.rows import graph, insert, listed, listing, user

if TYPE_CHECKING:
    from releases.library_rows import Start
    from service import Service

STATES = ("v0.6.50", "v0.6.68", LATEST)
REFERENCE = {"id": "c", "provider": "ProviderName.OPENAI", "type": "api_key"}


def wanted(key: str = "g", version: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "graph_id": key, "graph_version": version, "inputs": {}, "credentials": {}, "name": "P",
        "description": "D",
    } | more  # fmt: skip


def make(service: Service, owner: str = "alice", **more: Any) -> Any:
    return service.call("create_preset", **{"user_id": owner, "preset": wanted()} | more)


def webhook(service: Service, key: str, owner: str = "alice") -> None:
    insert(
        service, "IntegrationWebhook", id=key, userId=owner, provider="github", credentialsId="c",
        webhookType="repo", resource="a/b", events=["created"], config={"k": 1}, secret="S",
        providerWebhookId="at github",
    )  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_a_preset_is_read_as_it_was_made(service_in: Start, state: str) -> None:
    settings = IntegrationsSettings(platform_base_url="https://agents.example.com")
    service = started(service_in, state, integrations=settings)
    webhook(service, "w")
    inputs = {"n": 1, "nothing": None, "text": "a\0b", "credentials": 1, "deep": {"a": [1]}}
    made = make(
        service, preset=wanted(
            inputs=inputs, credentials={"credentials": REFERENCE, "x_credentials": REFERENCE},
            is_active=False,
        ), webhook_id="w",
    )  # fmt: skip
    assert service.statements == 1
    assert made["inputs"] == {"n": 1, "nothing": None, "text": "ab", "deep": {"a": [1]}}
    reference = {"id": "c", "title": None, "provider": "openai", "type": "api_key"}
    assert made["credentials"] == {"credentials": reference, "x_credentials": reference}
    assert (made["name"], made["description"], made["is_active"]) == ("P", "D", False)
    hook = made["webhook"]
    assert (hook["secret"], hook["provider_webhook_id"]) == ("", ""), "hidden, but there"
    assert hook["url"] == "https://agents.example.com/api/integrations/github/webhooks/w/ingress"
    assert (hook["events"], hook["config"]) == (["created"], {"k": 1})
    assert service.call("get_preset", user_id="alice", preset_id=made["id"]) == made
    assert service.statements == 1
    page = service.call("list_presets", user_id="alice", page=1, page_size=5)
    assert service.statements == 1
    assert page["presets"] == [made]
    assert make(service)["id"] != made["id"], "another one"


@pytest.mark.parametrize("state", STATES)
def test_only_the_users_own_that_are_not_deleted_are_found(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    key = make(service)["id"]
    assert service.call("get_preset", user_id="bob", preset_id=key) is None
    assert service.call("get_preset", user_id="alice", preset_id="none") is None
    service.rows('UPDATE "AgentPreset" SET "isDeleted" = true')
    assert service.call("get_preset", user_id="alice", preset_id=key) is None
    assert service.call("list_presets", user_id="alice", page=1, page_size=5)["presets"] == []


@pytest.mark.parametrize("state", STATES)
def test_the_graph_must_be_readable_and_the_webhook_ones_own(service_in: Start, state: str) -> None:
    service = started(service_in, state)
    graph(service, "bobs", owner="bob")
    webhook(service, "his", "bob")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"preset": wanted("none")}, "Graph #none v1 not found or not accessible"),
        ({"preset": wanted("g", 3)}, "Graph #g v3 not found or not accessible"),
        ({"preset": wanted("bobs"), "webhook_id": "his"}, "Graph #bobs v1 not found or not"),
        ({"webhook_id": "his"}, "Webhook #his not found"),
        ({"webhook_id": "none"}, "Webhook #none not found"),
    ]
    for call, words in refused:
        with pytest.raises(NotFoundError, match=f"^{words}") as failure:
            make(service, **call)
        assert failure.value.status == (404 if state == LATEST else 400)
    listing(service, "s", "bob", "bobs")
    listed(service, "sv", "s", "bobs")
    assert make(service, preset=wanted("bobs"), webhook_id="")["webhook"] is None
    with pytest.raises(ForeignKeyViolationError, match=r"AgentPreset_userId_fkey"):
        make(service, "nobody", preset=wanted("bobs"))
    with pytest.raises(ArgumentsInvalidError):
        make(service, preset=wanted(credentials={"credentials": {"id": "c"}}))
    assert service.value('SELECT count(*) FROM "AgentPreset"') == 1


def test_pages_are_in_order_and_complete(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    for number in range(5):
        insert(
            service, "AgentPreset", id=f"p{number}", userId="alice", name="", description="",
            agentGraphId="g", agentGraphVersion=1 + number % 2, createdAt=f"2026-01-0{5 - number}",
            isActive=number > 2,
        )  # fmt: skip
    user(service, "carol")
    graph(service, "other")

    def page(number: int, **more: Any) -> tuple[list[str], dict[str, int]]:
        found = service.call("list_presets", user_id="alice", page=number, page_size=2, **more)
        return [each["id"] for each in found["presets"]], found["pagination"]

    assert [page(number)[0] for number in (1, 2, 3, 4)] == [["p4", "p3"], ["p2", "p1"], ["p0"], []]
    assert page(4)[1] == {
        "total_items": 5, "total_pages": 3, "current_page": 4, "page_size": 2,
    }  # fmt: skip
    assert page(1, graph_id="")[1]["total_items"] == 5
    assert page(1, graph_id="other")[1]["total_pages"] == 0
    for bad in ({"page": 0, "page_size": 1}, {"page": 1, "page_size": 0}):
        with pytest.raises(InvalidInputError, match=r"^Invalid pagination parameters$"):
            service.call("list_presets", user_id="alice", **bad)


def test_a_reference_that_makes_no_sense_is_left_out(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    made = make(service, preset=wanted(credentials={"credentials": REFERENCE}))
    odd: list[Any] = [None, 1, {"id": "c"}, {**REFERENCE, "type": "x"}, {**REFERENCE, "title": 1}]
    for number, value in enumerate(odd):
        insert(
            service, "AgentNodeExecutionInputOutput", id=f"odd{number}", agentPresetId=made["id"],
            name=f"{number}_credentials", data=json.dumps(value),
        )  # fmt: skip
    insert(
        service, "AgentNodeExecutionInputOutput", id="null", agentPresetId=made["id"], name="empty",
        data=None,
    )  # fmt: skip
    found = service.call("get_preset", user_id="alice", preset_id=made["id"])
    assert found == made | {"inputs": {"empty": None}}
    page = service.call("list_presets", user_id="alice", page=1, page_size=5)
    assert page["presets"] == [found]


# Experts -------------------------------------------------------------------------------------


def expert(service: Service, key: str, owner: str = "alice", **more: Any) -> None:
    insert(
        service, "Expert", id=key, ownerUserId=owner, name="X", role="r", identity="I am", **more
    )


def test_an_experts_preset_belongs_to_its_owners_organization(service_in: Start) -> None:
    service = started(service_in, LATEST)
    expert(service, "x")
    made = make(service, expert_id="x")
    own = service.rows('SELECT "orgId", id FROM "Team"')
    assert [(made["organization_id"], made["team_id"])] == own, "which was made for it"
    assert made["expert_id"] == "x"
    assert make(service, expert_id="x")["organization_id"] == own[0][0]
    assert service.statements == 1
    plain = make(service, expert_id="")
    assert (plain["organization_id"], plain["expert_id"]) == (None, None)
    expert(service, "archived", isArchived=True)
    expert(service, "team's", visibility="TEAM")
    expert(service, "his", "bob")
    for odd in ("archived", "team's", "his", "none"):
        with pytest.raises(NotFoundError, match=f"^Expert #{odd} not found$"):
            make(service, expert_id=odd)
    by_expert = {"user_id": "alice", "page": 1, "page_size": 5, "filter_by_expert": True}
    assert len(service.call("list_presets", **by_expert, expert_id="x")["presets"]) == 2
    assert service.call("list_presets", **by_expert)["presets"] == [plain]
    everyones = service.call("list_presets", user_id="alice", page=1, page_size=5, expert_id="x")
    assert len(everyones["presets"]) == 3


def test_a_database_without_experts_drops_none(service_in: Start) -> None:
    service = started(service_in, "v0.6.68")
    with pytest.raises(ArgumentsNotHonouredError):
        make(service, expert_id="x")
    made = make(service, expert_id="")
    assert "expert_id" not in made
    asked = {"user_id": "alice", "page": 1, "page_size": 5, "filter_by_expert": True}
    assert service.call("list_presets", **asked)["presets"] == [made]
    assert service.call("list_presets", **asked, expert_id="x")["presets"] == []
