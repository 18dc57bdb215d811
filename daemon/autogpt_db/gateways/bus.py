"""AutoGPT's Redis, be it one server or a Cluster: publishing, reading values, forgetting keys.

AutoGPT's processes listen by SUBSCRIBE on one server, and by SSUBSCRIBE in a Cluster (from v0.6.58
on); a message of the other kind reaches nobody. So the server is asked which of the two it is.

A Cluster is spoken to node by node: there are few events, and the library's own client for it
would fetch the whole command table and all slots for each.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable

    from redis.asyncio import Redis

    from autogpt_db.settings import RedisSettings

    _Reach = Callable[["_Node"], Awaitable[Redis]]

ATTEMPTS = 3
"""Times that a lost connection is made, in all."""
MOST_HOPS = 5
"""Nodes that a command is sent on to, when each says that another one has its slot."""
SCANNED_AT_ONCE = 1000


class _Node(NamedTuple):
    host: str
    port: int


class Bus:
    """What speaks to AutoGPT's Redis, with connections for one piece of work each.

    Its methods raise `redis.RedisError` and `OSError`.

    Args:
        options: Where it is.
    """

    def __init__(self, options: RedisSettings) -> None:
        assert options.host is not None
        self._options = options
        self._seed = _Node(options.host, options.port)

    async def publish(self, channel: str, message: str) -> None:
        """Tell those who listen to a channel."""
        async with self._nodes() as at:
            redis = await at(self._seed)
            if await self._clustered(redis):
                await self._routed(at, redis, "SPUBLISH", channel, message)
            else:
                await redis.publish(channel, message)

    async def values(self, keys: Iterable[str]) -> list[bytes | None]:
        """Return what stands under keys, each asked for by itself: they lie in many slots."""
        async with self._nodes() as at:
            redis = await at(self._seed)
            return [await self._routed(at, redis, "GET", key) for key in keys]

    async def delete(self, key: str) -> None:
        """Delete a key."""
        async with self._nodes() as at:
            await self._routed(at, await at(self._seed), "DEL", key)

    async def forget(self, pattern: str) -> None:
        """Delete the keys that a glob pattern matches, each by itself: they lie in many slots."""
        async with self._nodes() as at:
            redis = await at(self._seed)
            if not await self._clustered(redis):
                await self._forget_on(at, redis, pattern)
                return
            for node in await self._primaries(redis):
                await self._forget_on(at, await at(node), pattern)

    async def _forget_on(self, at: _Reach, redis: Redis, pattern: str) -> None:
        async for key in redis.scan_iter(match=pattern, count=SCANNED_AT_ONCE):
            await self._routed(at, redis, "DEL", key)

    async def _routed(self, at: _Reach, redis: Redis, name: str, *arguments: str | bytes) -> Any:
        """Send a command, and again to whichever node is said to have its slot; return the reply.

        While a slot is moved its keys lie on both sides: its owner then says whom to ask about one
        that has gone over already, and that node answers only those who say that they were sent.
        """
        from redis.exceptions import AskError, MovedError, RedisError

        try:
            return await _send(redis, name, *arguments)
        except AskError as elsewhere:  # of which a MovedError is one
            told = elsewhere
        for _ in range(MOST_HOPS):
            node = await at(self._reachable(told.host, told.port))
            try:
                if not isinstance(told, MovedError):
                    await _send(node, "ASKING")
                return await _send(node, name, *arguments)
            except AskError as elsewhere:
                told = elsewhere
        raise RedisError(f"{MOST_HOPS} nodes of the Cluster sent {name} on to another one")

    async def _clustered(self, redis: Redis) -> bool:
        found: dict[str, Any] = await redis.info("cluster")
        return found.get("cluster_enabled") == 1

    async def _primaries(self, redis: Redis) -> list[_Node]:
        # Of each range: its first and last slot, the primary, and the replicas.
        ranges: list[list[Any]] = await _send(redis, "CLUSTER SLOTS")
        primaries = [self._reachable(*primary[:2]) for _, _, primary, *_ in ranges]
        return list(dict.fromkeys(primaries))

    def _reachable(self, host: str | bytes | None, port: int) -> _Node:
        """Return where a node is reached that names itself so; an unknown name is "" or "?"."""
        name = host.decode() if isinstance(host, bytes) else host
        if not self._options.use_announced_address or name in {None, "", "?"}:
            name = self._seed.host
        assert name is not None
        return _Node(name, int(port))

    @asynccontextmanager
    async def _nodes(self) -> AsyncIterator[_Reach]:
        """Yield what reaches nodes, by one connection to each as long as this lasts."""
        reached: dict[_Node, Redis] = {}
        async with AsyncExitStack() as connections:

            async def at(node: _Node) -> Redis:
                if node not in reached:
                    connection = self._connected(node)
                    reached[node] = await connections.enter_async_context(connection)
                return reached[node]

            yield at

    @asynccontextmanager
    async def _connected(self, node: _Node) -> AsyncIterator[Redis]:
        from redis.asyncio import Redis
        from redis.asyncio.retry import Retry
        from redis.backoff import ExponentialBackoff

        options = self._options
        # A connection for each: there are few events, and none is left open for nothing.
        async with Redis(
            host=node.host,
            port=node.port,
            password=options.password.reveal() if options.password else None,
            protocol=2,
            socket_connect_timeout=options.connect_timeout,
            socket_timeout=options.socket_timeout,
            single_connection_client=True,  # what is said by one command is so for the next
            retry=Retry(ExponentialBackoff(cap=1.0, base=0.1), ATTEMPTS - 1),
        ) as redis:
            yield redis


async def _send(redis: Redis, *command: str | bytes) -> Any:
    return await redis.execute_command(*command)
