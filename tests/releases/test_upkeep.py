"""What AutoGPT's scheduler keeps in order: push subscriptions, link tokens, blocks' texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from autogpt_db.operations import cleaning
from releases.building import LATEST

if TYPE_CHECKING:
    from collections.abc import Callable

    from service import Service

    Serve = Callable[..., Service]

ANN = {"user_id": "ann", "endpoint": "https://push.example.com/1"}
SUBSCRIPTIONS = """
INSERT INTO "User" (id, email, "updatedAt") VALUES ('ann', 'ann@example.com', now()),
                                                   ('ben', 'ben@example.com', now());
INSERT INTO "PushSubscription" (id, "userId", endpoint, p256dh, auth, "failCount", "updatedAt")
SELECT person || n, person, 'https://push.example.com/' || n, 'p' || n, 'a' || n, n, '2026-01-01'
  FROM unnest(ARRAY['ann', 'ben']) AS person, generate_series(0, 6) AS n
"""
TOKENS = """
INSERT INTO "PlatformLinkToken" (id, token, platform, "platformUserId", "expiresAt")
SELECT 'pt' || n, 'token' || n, 'DISCORD', 'somebody',
       (now() AT TIME ZONE 'UTC') - n * interval '1 hour' + interval '1 minute'
  FROM generate_series(0, 40) AS n
"""
BLOCKS = """
INSERT INTO "AgentBlock" (id, name, "inputSchema", "outputSchema", description,
                          "optimizedDescription")
VALUES ('none', 'None', '{}', '{}', NULL, NULL), ('empty', 'Empty', '{}', '{}', '', NULL),
       ('new', 'New', '{}', '{}', 'Does it', NULL), ('done', 'Done', '{}', '{}', 'Did', 'x'),
       ('blank', 'Blank', '{}', '{}', 'Did', '')
"""


@pytest.fixture(params=["v0.6.58", "v0.6.68", LATEST])
def pushing(request: pytest.FixtureRequest, service_in: Serve) -> Service:
    service = service_in(request.param)
    for statement in SUBSCRIPTIONS.split(";"):
        service.rows(statement)
    return service


# Push subscriptions --------------------------------------------------------------------------


def test_a_user_has_subscriptions(pushing: Service) -> None:
    found = pushing.call("get_user_push_subscriptions", user_id="ann")
    assert len(found) == 7
    assert found[1] == ANN | {"p256dh": "p1", "auth": "a1"}
    assert pushing.call("get_user_push_subscriptions", user_id="nobody") == []


def test_one_is_forgotten_and_only_that_one(pushing: Service) -> None:
    assert pushing.call("delete_push_subscription", **ANN) is None
    assert pushing.call("delete_push_subscription", **ANN) is None
    assert pushing.call("delete_push_subscription", user_id="nobody", endpoint="x") is None
    assert pushing.value('SELECT count(*) FROM "PushSubscription"') == 13
    assert ANN["endpoint"] not in str(pushing.call("get_user_push_subscriptions", user_id="ann"))


FAILURES = """
SELECT "failCount", "lastFailedAt" = "updatedAt", "updatedAt" > '2026-01-02'
  FROM "PushSubscription" WHERE id = 'ann1'
"""


def test_every_failure_is_counted_also_at_once(pushing: Service) -> None:
    before = pushing.rows("""SELECT * FROM "PushSubscription" WHERE id <> 'ann1' ORDER BY id""")
    assert set(pushing.together([("increment_push_fail_count", ANN)] * 20)) == {None}
    assert pushing.rows(FAILURES) == [(21, True, True)]
    assert pushing.call("increment_push_fail_count", user_id="nobody", endpoint="x") is None
    assert before == pushing.rows(
        """SELECT * FROM "PushSubscription" WHERE id <> 'ann1' ORDER BY id"""
    )


def test_those_that_failed_too_often_are_forgotten(
    pushing: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cleaning, "BATCH", 3)
    assert pushing.call("cleanup_failed_push_subscriptions") == 4
    assert pushing.call("cleanup_failed_push_subscriptions") == 0
    assert pushing.value('SELECT max("failCount") FROM "PushSubscription"') == 4
    assert pushing.call("cleanup_failed_push_subscriptions", max_failures=0) == 10


def test_one_that_somebody_holds_is_left_to_the_next_run(pushing: Service) -> None:
    with psycopg.connect(pushing.url) as holder:
        holder.execute("""SELECT FROM platform."PushSubscription" WHERE id = 'ann6' FOR UPDATE""")
        assert pushing.call("cleanup_failed_push_subscriptions") == 3
    assert pushing.call("cleanup_failed_push_subscriptions") == 1


# Link tokens ---------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["v0.6.57", "v0.6.68", LATEST])
def test_tokens_that_expired_a_day_ago_are_deleted(
    service_in: Serve, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    service = service_in(state)
    service.rows(TOKENS)
    monkeypatch.setattr(cleaning, "BATCH", 5)
    assert service.call("cleanup_expired_platform_link_tokens") == 16
    left = {name for (name,) in service.rows('SELECT id FROM "PlatformLinkToken"')}
    assert left == {f"pt{n}" for n in range(25)}
    assert service.call("cleanup_expired_platform_link_tokens") == 0


# Blocks' texts -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["v0.6.51", "v0.6.68", LATEST])
def test_blocks_get_descriptions_for_language_models(service_in: Serve, state: str) -> None:
    service = service_in(state)
    service.rows(BLOCKS)

    def needing() -> Any:
        return service.call("get_blocks_needing_optimization")

    assert needing() == [
        {"id": "empty", "name": "Empty", "description": ""},
        {"id": "new", "name": "New", "description": "Does it"},
    ]
    texts = [{"block_id": name, "optimized_description": "It does"} for name in ("new", "other")]
    for text in texts:
        assert service.call("update_block_optimized_description", **text) is None
    assert [block["id"] for block in needing()] == ["empty"]
    changed = service.rows(
        """SELECT id, description FROM "AgentBlock" WHERE "optimizedDescription" = 'It does'"""
    )
    assert changed == [("new", "Does it")]
