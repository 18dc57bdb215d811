"""What a client does: keys, credits, executions; and what it checks in each reply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos.history import OK, Write

if TYPE_CHECKING:
    from chaos.clients import Answer, Caller

USERS = 40
"""One of each client's own, the last eight shared by all."""
SHARED = 8
BALANCE = 1_000_000
GRAPH, NODE = "chaos-graph", "chaos-node"
RANK = {"INCOMPLETE": 0, "QUEUED": 1, "RUNNING": 2, "COMPLETED": 3}
REMEMBERED = 40
"""Keys that a client reads again."""


class Work:
    """One client's work."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.random = caller.random
        self.history = caller.history
        self.user = f"user-{caller.number % (USERS - SHARED)}"
        self.known: dict[str, Any] = {}
        self.execution: Execution | None = None

    async def step(self) -> None:
        """Do one thing."""
        step = self.random.choices(
            (self.set_key, self.get_key, self.spend, self.execute, self.look), (30, 15, 20, 30, 5)
        )[0]
        await step()

    async def finish(self) -> None:
        """Bring what was begun to its end."""
        if self.execution is not None:
            self.execution.last = True
            while self.execution is not None:
                await self.execute()

    def remember(
        self, kind: str, identity: str, answer: Answer, value: Any = None, *, keyed: bool = False
    ) -> None:
        """Keep what was told of a write."""
        self.history.writes.append(Write(kind, identity, answer.outcome, keyed, value))

    async def set_key(self) -> None:
        key = self.caller.name()
        data = {"key": key, "text": "x" * self.random.randrange(300)}
        keyed = self.random.random() < 0.2
        arguments = {"user_id": "chaos", "node_exec_id": key, "key": key, "data": data}
        if keyed:
            answer = await self.caller.insist("set_execution_kv_data", arguments, f"k-{key}")
        else:
            answer = await self.caller.call("set_execution_kv_data", arguments)
        self.remember("key_value", key, answer, data, keyed=keyed)
        if answer.outcome != OK:
            return
        if answer.value != data:
            self.history.broken(f"key {key}: the reply was {str(answer.value)[:200]}")
        self.known[key] = data
        if len(self.known) > REMEMBERED:
            del self.known[next(iter(self.known))]

    async def get_key(self) -> None:
        if not self.known:
            return
        key = self.random.choice(list(self.known))
        answer = await self.caller.call("get_execution_kv_data", {"user_id": "chaos", "key": key})
        if answer.outcome == OK and answer.value != self.known[key]:
            self.history.broken(f"key {key}: acknowledged, then read as {str(answer.value)[:200]}")

    async def spend(self) -> None:
        identity = self.caller.name()
        shared = self.random.random() < 0.3
        user = f"user-{USERS - 1 - self.random.randrange(SHARED)}" if shared else self.user
        cost = self.random.randrange(1, 4)
        arguments = {"user_id": user, "cost": cost, "metadata": {"graph_exec_id": identity}}
        keyed = self.random.random() < 0.6
        if keyed:
            answer = await self.caller.insist("spend_credits", arguments, f"s-{identity}")
        else:
            answer = await self.caller.call("spend_credits", arguments)
        self.remember("spend", identity, answer, [user, -cost, answer.value], keyed=keyed)

    async def execute(self) -> None:
        if self.execution is None:
            self.execution = await self._create()
            return
        if await self.execution.step():
            self.execution = None

    async def _create(self) -> Execution | None:
        identity = self.caller.name()
        arguments = {
            "graph_id": GRAPH,
            "graph_version": 1,
            "starting_nodes_input": [[NODE, {"in": identity}]],
            "inputs": {"in": identity},
            "user_id": self.user,
        }
        answer = await self.caller.insist("create_graph_execution", arguments, f"e-{identity}")
        if answer.outcome != OK:
            return None
        made = answer.value
        (node,) = made["node_executions"]
        if made["user_id"] != self.user or node["input_data"] != {"in": identity}:
            self.history.broken(f"execution {identity}: the reply was {str(made)[:300]}")
        value = [made["id"], node["node_exec_id"]]
        self.remember("execution", identity, answer, value, keyed=True)
        return Execution(self, made["id"], node["node_exec_id"])

    async def look(self) -> None:
        way = self.random.randrange(3)
        if way == 0 and self.execution is not None:
            await self.execution.look()
        elif way == 1:
            answer = await self.caller.call("get_user_email_by_id", {"user_id": self.user})
            if answer.outcome == OK and answer.value != f"{self.user}@example.com":
                self.history.broken(f"the address of {self.user} was {answer.value}")
        else:
            answer = await self.caller.call("get_credits", {"user_id": self.user})
            if answer.outcome == OK and not 0 < answer.value <= BALANCE:
                self.history.broken(f"the credits of {self.user} were {answer.value}")


class Execution:
    """An execution of a graph with one node, from its start to its last output.

    Attributes:
        last: Whether it should come to its end now.
    """

    def __init__(self, work: Work, identity: str, node: str) -> None:
        self.work = work
        self.identity = identity
        self.node = node
        self.last = False
        self._rank = RANK["QUEUED"]
        self._outputs = 0
        self._wanted = work.random.randrange(1, 9)
        self._keyed = work.random.random() < 0.5

    async def step(self) -> bool:
        """Do the next thing; tell whether all is done."""
        if self._rank == RANK["QUEUED"]:
            await self._move("RUNNING")
        elif self._outputs < self._wanted and not self.last:
            await self._put_out()
        elif self._rank == RANK["RUNNING"]:
            await self._move("COMPLETED")
        else:
            return True
        return False

    async def look(self) -> None:
        """Read the status: it is never behind what was acknowledged or read."""
        arguments = {"node_exec_id": self.node}
        self._see(await self.work.caller.call("get_node_execution", arguments))

    async def _move(self, status: str) -> None:
        answer = await self.work.caller.call(
            "update_node_execution_status", {"node_exec_id": self.node, "status": status}
        )
        if answer.outcome == OK and answer.value["status"] != status:
            self.work.history.broken(f"{self.node}: set to {status}, read {answer.value['status']}")
        self._see(answer)
        self.work.remember("status", self.node, answer, RANK[status])

    async def _put_out(self) -> None:
        self._outputs += 1
        identity = f"{self.node}/{self._outputs}"
        arguments = {
            "node_exec_id": self.node,
            "output_name": f"out-{self._outputs % 3}",
            "output_data": {"identity": identity, "number": self._outputs},
        }
        caller = self.work.caller
        if self._keyed:
            answer = await caller.insist("upsert_execution_output", arguments, f"o-{identity}")
        else:
            answer = await caller.call("upsert_execution_output", arguments)
        self.work.remember(
            "output", identity, answer, [self.node, self._outputs], keyed=self._keyed
        )

    def _see(self, answer: Answer) -> None:
        if answer.outcome != OK:
            return
        told = answer.value
        if told["node_exec_id"] != self.node or told["graph_exec_id"] != self.identity:
            self.work.history.broken(f"{self.node}: the reply was {str(told)[:300]}")
        rank = RANK.get(told["status"], -1)
        if rank < self._rank:
            self.work.history.broken(f"{self.node}: went back to {told['status']}")
        self._rank = max(self._rank, rank)
