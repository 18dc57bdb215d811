"""Real Redis servers, one by itself or a Cluster of some, for tests on a machine that has them."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.crc import key_slot

from daemon_process import free_port
from waiting import BUSY, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SERVER = shutil.which("redis-server")
SLOTS = 16384
PASSWORD = "hunter2"


class RealRedis:
    """A running Redis.

    Args:
        nodes: How many primaries a Cluster has; 0 for one server by itself.

    Attributes:
        ports: The servers' ports on the loopback address.
    """

    def __init__(self, nodes: int = 0) -> None:
        self._clustered = nodes > 0
        self.ports = [free_port() for _ in range(max(nodes, 1))]
        self._bus_ports = [free_port() for _ in self.ports]

    def __enter__(self) -> Self:
        with ExitStack() as resources:
            directory = Path(resources.enter_context(tempfile.TemporaryDirectory()))
            for port, bus_port in zip(self.ports, self._bus_ports, strict=True):
                resources.enter_context(
                    _process(directory / str(port), self._options(port, bus_port))
                )
            for port in self.ports:
                node = self.node(port)
                wait_for(lambda node=node: _answers(node), what=f"redis-server at {port}")
            if self._clustered:
                self._join()
            self._resources = resources.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._resources.close()

    def node(self, port: int) -> redis.Redis:
        """Return a client of one server."""
        return redis.Redis(host="127.0.0.1", port=port, password=PASSWORD, decode_responses=True)

    def owner(self, key: str) -> redis.Redis:
        """Return a client of the server that has a key's or a channel's slot."""
        slot = key_slot(key.encode()) if self._clustered else 0
        return self.node(self.ports[slot * len(self.ports) // SLOTS])

    def listener(self, channel: str) -> Listener:
        """Return what hears a channel as AutoGPT's processes do."""
        return Listener(self.owner(channel), channel, sharded=self._clustered)

    def keys(self) -> set[str]:
        """Return the keys of all servers."""
        return {key for port in self.ports for key in self.node(port).scan_iter()}

    def put(self, keys: Iterable[str]) -> None:
        """Set keys, each where it belongs."""
        for key in keys:
            self.owner(key).set(key, "1")

    @contextmanager
    def slot_under_way(self, key: str, *moved: str) -> Iterator[None]:
        """Have a key's slot on the way to another server, some of its keys there already."""
        slot = key_slot(key.encode())
        source = self.owner(key)
        port = next(
            port for port in self.ports if port != source.connection_pool.connection_kwargs["port"]
        )
        target = self.node(port)
        for node, state, other in (
            (target, "IMPORTING", source), (source, "MIGRATING", target),
        ):  # fmt: skip
            node.execute_command(
                "CLUSTER SETSLOT", slot, state, other.execute_command("CLUSTER MYID")
            )
        for name in moved:
            source.execute_command("MIGRATE", "127.0.0.1", port, name, 0, 5000, "AUTH", PASSWORD)
        try:
            yield
        finally:
            for node in (source, target):
                node.execute_command("CLUSTER SETSLOT", slot, "STABLE")

    def _options(self, port: int, bus_port: int) -> dict[str, Any]:
        own = {"port": port, "bind": "127.0.0.1", "save": "", "requirepass": PASSWORD}
        if self._clustered:
            own |= {"cluster-enabled": "yes", "cluster-port": bus_port}
        return own

    def _join(self) -> None:
        first = self.node(self.ports[0])
        for number, (port, bus_port) in enumerate(zip(self.ports, self._bus_ports, strict=True)):
            start, end = (-(-SLOTS * place // len(self.ports)) for place in (number, number + 1))
            self.node(port).execute_command("CLUSTER", "ADDSLOTSRANGE", start, end - 1)
            self.node(port).execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number:
                first.execute_command("CLUSTER", "MEET", "127.0.0.1", port, bus_port)
        for port in self.ports:
            node = self.node(port)
            wait_for(lambda node=node: self._complete(node), what="the Cluster to be one")

    def _complete(self, node: redis.Redis) -> bool:
        found = node.execute_command("CLUSTER INFO")
        joined = found["cluster_known_nodes"] == str(len(self.ports))
        return bool(joined and found["cluster_state"] == "ok")


class Listener:
    """Somebody who listens to a channel."""

    def __init__(self, node: redis.Redis, channel: str, *, sharded: bool) -> None:
        self._node = node  # whose end would close the connection
        self._messages = node.pubsub(ignore_subscribe_messages=True)
        self._sharded = sharded
        (self._messages.ssubscribe if sharded else self._messages.subscribe)(channel)

    def hears(self) -> str | None:
        """Return the next message, if one comes within five seconds."""
        found: list[str] = []

        def come() -> bool:
            message = self._messages.get_message(timeout=0.1)
            if message is not None and message["type"] in {"message", "smessage"}:
                found.append(message["data"])
            return bool(found)

        wait_for(come, what="a message", seconds=5 * BUSY)
        return found[0]


@contextmanager
def _process(directory: Path, options: dict[str, Any]) -> Iterator[None]:
    """Run a server in a directory of its own."""
    directory.mkdir()
    assert SERVER is not None
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    with subprocess.Popen(
        [SERVER, "--dir", str(directory), *words], stdout=subprocess.DEVNULL
    ) as running:
        try:
            yield
        finally:
            running.kill()


def _answers(node: redis.Redis) -> bool:
    try:
        return bool(node.ping())
    except redis.RedisError:
        return False
