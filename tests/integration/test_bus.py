"""Events on real Redis servers: each kind hears what is published, and forgets what it should."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from autogpt_db.gateways.bus import Bus
from autogpt_db.operations import background
from autogpt_db.settings import CreditsSettings, RedisSettings, Secret, load_settings
from real_redis import PASSWORD, SERVER, RealRedis
from service import Service
from waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(SERVER is None, reason="redis-server (Debian's package) is missing")

KEY = "insufficient_funds_discord_notified"


@pytest.fixture(scope="module", params=[0, 1, 3], ids=["alone", "one node", "three nodes"])
def redis(request: pytest.FixtureRequest) -> Iterator[RealRedis]:
    with RealRedis(request.param) as running:
        yield running


@pytest.fixture(scope="module")
def cluster() -> Iterator[RealRedis]:
    with RealRedis(3) as running:
        yield running


def options(port: int, **more: Any) -> RedisSettings:
    return RedisSettings(host="127.0.0.1", port=port, password=Secret(PASSWORD), **more)


def service_on(url: str, port: int, **more: Any) -> Service:
    return Service(url, redis=options(port, **more), credits=CreditsSettings(enabled=True))


def test_whoever_listens_as_autogpt_does_hears_it(
    seeded_database_url: str, redis: RealRedis
) -> None:
    listener = redis.listener("notification_event/alice")
    for port in redis.ports:  # whichever node is named, the channel's own is found
        with service_on(seeded_database_url, port) as service:
            service.call("increment_onboarding_runs", user_id="alice")
            service.run(background.drain())
        assert json.loads(listener.hears() or "")["payload"] == {
            "user_id": "alice",
            "payload": {"type": "onboarding", "event": "increment_runs", "step": None},
        }


def test_keys_are_forgotten_wherever_they_lie(seeded_database_url: str, redis: RealRedis) -> None:
    told = {f"{KEY}:alice:{number}" for number in range(50)}
    others = {f"{KEY}:bob:1", "other:alice:1"}
    redis.put(told | others)
    assert redis.keys() == told | others
    with service_on(seeded_database_url, redis.ports[-1]) as service:
        assert service.call("get_credits", user_id="alice") == 1500
        service.run(background.drain())
    assert redis.keys() == others


def test_values_are_read_wherever_they_lie(redis: RealRedis) -> None:
    keys = [f"expert-spend:x{number}:2026-W48" for number in range(20)]
    for place, key in enumerate(keys):
        redis.owner(key).set(key, place)
    try:
        for port in redis.ports:
            found = asyncio.run(Bus(options(port)).values([*keys, "nothing"]))
            assert found == [*(str(place).encode() for place in range(20)), None]
            clients = redis.node(port).client_list()
            assert len(clients) == 1, "the one that asks now: nothing else is left open"
    finally:
        for key in keys:
            redis.owner(key).delete(key)


def test_a_value_is_read_while_its_slot_is_moved(cluster: RealRedis) -> None:
    gone_over, left_behind = "{spent}:1", "{spent}:2"
    cluster.put({gone_over, left_behind})
    with cluster.slot_under_way("{spent}", gone_over):
        bus = Bus(options(cluster.ports[-1]))
        found = asyncio.run(bus.values([left_behind, gone_over, "{spent}:3"]))
    assert found == [b"1", b"1", None]


def test_a_key_is_forgotten_while_its_slot_is_moved(cluster: RealRedis) -> None:
    gone_over, left_behind = f"{KEY}:{{moving}}:1", f"{KEY}:{{moving}}:2"
    cluster.put({gone_over, left_behind})
    with cluster.slot_under_way("{moving}", gone_over):
        assert {gone_over, left_behind} <= cluster.keys()
        asyncio.run(Bus(options(cluster.ports[-1])).forget(f"{KEY}:*moving*"))
        assert cluster.keys() & {gone_over, left_behind} == set()


def test_other_nodes_are_reached_where_they_say_or_at_the_same_host(
    seeded_database_url: str, cluster: RealRedis
) -> None:
    channel = "notification_event/alice"
    owner = cluster.owner(channel)
    port = owner.connection_pool.connection_kwargs["port"]
    seed = next(each for each in cluster.ports if each != port)
    node = cluster.node(seed)
    listener = cluster.listener(channel)
    owner.config_set("cluster-announce-hostname", "nowhere.invalid")
    node.config_set("cluster-preferred-endpoint-type", "hostname")
    try:
        wait_for(
            lambda: "nowhere.invalid" in str(node.execute_command("CLUSTER SLOTS")),
            what="the node's name to be known",
        )
        with service_on(seeded_database_url, seed) as service:
            service.call("increment_onboarding_runs", user_id="alice")
            service.run(background.drain())
        assert listener.hears()
        with (
            service_on(seeded_database_url, seed, use_announced_address=True) as service,
            structlog.testing.capture_logs() as logs,
        ):
            service.call("increment_onboarding_runs", user_id="alice")
            service.run(background.drain())
        (record,) = (each for each in logs if each["event"] == "event_not_published")
        assert "nowhere.invalid" in record["reason"]
    finally:
        node.config_set("cluster-preferred-endpoint-type", "ip")
        owner.config_set("cluster-announce-hostname", "")


def test_announced_addresses_are_used_when_told(
    seeded_database_url: str, cluster: RealRedis
) -> None:
    channel = "notification_event/alice"
    owner = cluster.owner(channel).connection_pool.connection_kwargs["port"]
    seed = next(port for port in cluster.ports if port != owner)
    listener = cluster.listener(channel)
    with service_on(seeded_database_url, seed, use_announced_address=True) as service:
        service.call("increment_onboarding_runs", user_id="alice")
        service.run(background.drain())
    assert listener.hears()


def test_a_wrong_password_is_a_warning(seeded_database_url: str, redis: RealRedis) -> None:
    wrong = RedisSettings(host="127.0.0.1", port=redis.ports[0], password=Secret("wrong"))
    with (
        Service(seeded_database_url, redis=wrong) as service,
        structlog.testing.capture_logs() as logs,
    ):
        service.call("increment_onboarding_runs", user_id="alice")
        service.run(background.drain())
    assert [record["event"] for record in logs] == ["event_not_published"]
    assert PASSWORD not in str(logs)


@pytest.mark.parametrize("seen", ["", "?", None, b""])
def test_a_node_that_does_not_know_its_name_is_at_the_same_host(seen: Any) -> None:
    bus = Bus(options(1, use_announced_address=True))
    assert bus._reachable(seen, 7) == ("127.0.0.1", 7)
    assert bus._reachable("there", 7) == ("there", 7)


def test_autogpts_names_are_understood() -> None:
    found = load_settings(
        environment={
            "REDIS_HOST": "old",
            "REDIS_PORT": "1",
            "REDIS_CLUSTER_HOST": "redis-0",
            "REDIS_CLUSTER_PORT": "17000",
            "REDIS_USE_ANNOUNCED_ADDRESS": "yes",
            "REDIS_SOCKET_TIMEOUT": "30",
            "REDIS_SOCKET_CONNECT_TIMEOUT": "5",
        }
    ).settings.redis
    assert (found.host, found.port, found.use_announced_address) == ("redis-0", 17000, True)
    assert (found.socket_timeout, found.connect_timeout) == (30, 5)
    found = load_settings(
        environment={"REDIS_HOST": "old", "REDIS_CLUSTER_HOST": ""}
    ).settings.redis
    assert (found.host, found.port, found.use_announced_address) == ("old", 6379, False)
