"""AutoGPT's scheduler and executor of v0.6.68, call by call in the order that they make them.

They know the service by its client alone. What AutoGPT keeps in Redis or in RabbitMQ is a queue or
a lock here; what its REST server writes itself, a person's decision, is the test's to write.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from autogpt_db.client import UniqueViolationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from autogpt_db.client import Client

INPUT, OUTPUT = "c0a8e994-ebf1-4a9c-a4d8-89d09c86741b", "363ae599-353e-4804-937e-b2ee3cef3da4"
MODEL, REVIEWED = "1f292d4a-41a4-4977-9684-7c8d560b9f91", "8b2a7b3c-6e9d-4a5f-8c1b-2e3f4a5b6c7d"
STORING, AGENT = "44d5e3f1-2b6a-4c8d-9e0f-1a2b3c4d5e6f", "e189baac-8c20-45a1-94a7-55177ea42565"
COSTS = {MODEL: 20}
"""What a block costs before it runs, in credits."""
PRICED_AFTERWARDS = {MODEL: 3}
"""What it turns out to have cost more."""
PROVIDERS = {MODEL: "openai", REVIEWED: "github"}
"""Whose credentials a block is given."""
UNDER_WAY = ["RUNNING", "QUEUED", "TERMINATED", "REVIEW"]


@dataclass
class Done:
    """What the processes have been told is done, to hold against the database.

    Attributes:
        calls: How often each method was called.
        charged: Credits, by organization.
        charges: How many charges that were, by organization.
        runs: Executions that ended, by status.
        files: Ids of files that were stored, the last in the place of those before it.
        refreshed: How often credentials were written.
        logged: How many costs were logged.
        onboarded: How many runs were counted.
    """

    calls: Counter[str] = field(default_factory=Counter)
    charged: Counter[str] = field(default_factory=Counter)
    charges: Counter[str] = field(default_factory=Counter)
    runs: dict[str, list[str]] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    refreshed: int = 0
    logged: int = 0
    onboarded: int = 0


class Tenancy(NamedTuple):
    """Who runs something, and for whom."""

    user_id: str
    organization_id: str | None
    team_id: str | None


class Processes:
    """A scheduler and an executor.

    Several threads may run them, as AutoGPT runs several of each.

    Args:
        client: Calls the service.
        before_call: Is called before each call, and may hold it up.

    Attributes:
        done: What they were told is done.
    """

    def __init__(self, client: Client, *, before_call: Callable[[], None] = lambda: None) -> None:
        self._client = client
        self._before_call = before_call
        self._lock = threading.Lock()
        self._credentials_lock = threading.Lock()  # AutoGPT holds one of Redis's for each user
        self.done = Done()

    def call(self, method: str, /, **arguments: Any) -> Any:
        """Call a method; the client repeats what broke or was put off."""
        with self._lock:
            self.done.calls[method] += 1
        self._before_call()
        return getattr(self._client, method)(**arguments)

    # Starting -----------------------------------------------------------------------------------

    def start(
        self,
        tenancy: Tenancy,
        graph_id: str,
        version: int,
        inputs: dict[str, Any],
        *,
        dry_run: bool = False,
        parent: str | None = None,
    ) -> str:
        """Start a run and return its id.

        Args:
            tenancy: Whose.
            graph_id: The graph.
            version: Its version.
            inputs: By the names of its input nodes.
            dry_run: Whether nothing is really to be done.
            parent: The run of the agent that runs this one; its context comes with the call.
        """
        user_id, organization_id, team_id = tenancy
        assert self.call("get_user_by_id", user_id=user_id)["id"] == user_id
        graph = self.call(
            "get_graph", graph_id=graph_id, version=version, user_id=user_id,
            include_subgraphs=True, skip_access_check=True,
        )  # fmt: skip
        self.call(
            "validate_graph_execution_permissions", user_id=user_id, graph_id=graph_id,
            graph_version=version, is_sub_graph=parent is not None,
        )  # fmt: skip
        for node in graph["nodes"]:
            if node["block_id"] in PROVIDERS:
                self.credentials(user_id, PROVIDERS[node["block_id"]], refresh=False)
        starting = [
            [node["id"], {"name": name, "value": inputs[name]}]
            for node in graph["nodes"]
            for name in [node["input_default"].get("name")]
            if node["block_id"] == INPUT
        ]
        run = self.call(
            "create_graph_execution", graph_id=graph_id, graph_version=version,
            starting_nodes_input=starting, inputs=inputs, user_id=user_id,
            parent_graph_exec_id=parent, is_dry_run=dry_run, organization_id=organization_id,
            team_id=team_id,
        )  # fmt: skip
        assert (run["organization_id"], run["team_id"]) == (organization_id, team_id)
        assert run["is_dry_run"] is dry_run
        self._enqueue(tenancy, run["id"], graph_id, with_context=parent is not None)
        return str(run["id"])

    def resume(self, user_id: str, run_id: str) -> Tenancy:
        """Start a run again that waited for a person; return whose it is, as its row says."""
        run = self.call(
            "get_graph_execution", user_id=user_id, execution_id=run_id,
            include_node_executions=True,
        )  # fmt: skip
        assert run["status"] == "REVIEW"
        tenancy = Tenancy(user_id, run["organization_id"], run["team_id"])
        self._enqueue(tenancy, run_id, run["graph_id"], with_context=False)
        return tenancy

    def _enqueue(self, tenancy: Tenancy, run_id: str, graph_id: str, *, with_context: bool) -> None:
        user_id = tenancy.user_id
        if not with_context:
            self.call("get_user_by_id", user_id=user_id)
            self.call("get_graph_settings", user_id=user_id, graph_id=graph_id)
            assert self.call("get_or_create_workspace", user_id=user_id)["user_id"] == user_id
        queued = self.call("update_graph_execution_stats", graph_exec_id=run_id, status="QUEUED")
        assert queued["status"] == "QUEUED"
        self.count_a_run(user_id)

    def count_a_run(self, user_id: str) -> None:
        """Count a run for onboarding."""
        self.call("increment_onboarding_runs", user_id=user_id)
        with self._lock:
            self.done.onboarded += 1

    # A run --------------------------------------------------------------------------------------

    def execute(self, user_id: str, run_id: str) -> str:
        """Execute a run as it was queued, and return the status that it ends with."""
        meta = self.call("get_graph_execution_meta", user_id=user_id, execution_id=run_id)
        tenancy = Tenancy(user_id, meta["organization_id"], meta["team_id"])
        if meta["status"] in {"QUEUED", "INCOMPLETE"}:
            self.call("update_graph_execution_start_time", graph_exec_id=run_id)
        else:
            self.call("update_graph_execution_stats", graph_exec_id=run_id, status="RUNNING")
        if not meta["is_dry_run"]:
            self.call("get_credits", user_id=user_id)
        steps = deque(self.call("get_node_executions", graph_exec_id=run_id, statuses=UNDER_WAY))
        while steps:
            steps.extend(_Node(self, tenancy, meta, steps.popleft()).execute())
        waits = self.call("has_pending_reviews_for_graph_exec", graph_exec_id=run_id)
        self.call("get_node_executions", graph_exec_id=run_id)  # for the summary
        self.call("get_graph_metadata", graph_id=meta["graph_id"], version=meta["graph_version"])
        self.call("get_node_executions", graph_exec_id=run_id, block_ids=[OUTPUT])
        status = "REVIEW" if waits else "COMPLETED"
        ended = self.call(
            "update_graph_execution_stats", graph_exec_id=run_id, status=status,
            stats={"walltime": 1.5, "node_count": 2, "is_dry_run": meta["is_dry_run"]},
        )  # fmt: skip
        assert ended["status"] == status
        with self._lock:
            self.done.runs.setdefault(status, []).append(run_id)
        self._push(user_id)
        return status

    def _push(self, user_id: str) -> None:
        """Tell the user's browsers; one of them doesn't answer any more."""
        for one in self.call("get_user_push_subscriptions", user_id=user_id):
            if one["endpoint"].endswith("a2"):
                self.call("increment_push_fail_count", user_id=user_id, endpoint=one["endpoint"])

    # What nodes share ---------------------------------------------------------------------------

    def credentials(self, user_id: str, provider: str, *, refresh: bool) -> dict[str, Any]:
        """Return the user's credentials of a provider.

        Args:
            user_id: The user.
            provider: The provider.
            refresh: Whether a token is refreshed, and written.
        """
        with self._credentials_lock:
            every = self.call("get_user_credentials", user_id=user_id)
            (found,) = (one for one in every if one["provider"] == provider)
            if refresh and found["type"] == "oauth2":
                found["access_token"] = f"{found['access_token']}+"
                self.call("set_user_credentials", user_id=user_id, credentials=every)
                with self._lock:
                    self.done.refreshed += 1
        return dict(found)

    def charge(
        self, tenancy: Tenancy, cost: int, metadata: dict[str, Any], *, force: bool = False
    ) -> None:
        """Charge the run's organization."""
        assert tenancy.organization_id is not None
        self.call(
            "spend_org_credits", org_id=tenancy.organization_id, user_id=tenancy.user_id,
            cost=cost, metadata=metadata, team_id=tenancy.team_id,
            fail_insufficient_credits=not force,
        )  # fmt: skip
        with self._lock:
            self.done.charged[tenancy.organization_id] += cost
            self.done.charges[tenancy.organization_id] += 1

    def store(self, user_id: str, file_id: str, path: str) -> Any:
        """Store a file as the executor does, in the place of one that is there."""
        workspace = self.call("get_or_create_workspace", user_id=user_id)["id"]
        self.call("get_workspace_total_size", workspace_id=workspace)
        new = {
            "workspace_id": workspace, "file_id": file_id, "name": path.rpartition("/")[2],
            "path": path, "storage_path": f"local://{file_id}", "mime_type": "text/plain",
            "size_bytes": 11, "metadata": {"origin": "agent"},
        }  # fmt: skip
        try:
            stored = self.call("create_workspace_file", **new)
        except UniqueViolationError:
            old = self.call("get_workspace_file_by_path", workspace_id=workspace, path=path)
            self.call("soft_delete_workspace_file", file_id=old["id"], workspace_id=workspace)
            stored = self.call("create_workspace_file", **new)
        with self._lock:
            self.done.files.append(file_id)
        return self.call("get_workspace_file", file_id=stored["id"], workspace_id=workspace)

    def log_cost(self, entry: dict[str, Any]) -> None:
        """Log what a block with the system's credentials cost."""
        self.call("log_platform_cost", entry=entry)
        with self._lock:
            self.done.logged += 1


class _Node:
    """One execution of a node."""

    def __init__(
        self, processes: Processes, tenancy: Tenancy, run: dict[str, Any], step: dict[str, Any]
    ) -> None:
        self._processes = processes
        self._call = processes.call
        self._tenancy = tenancy
        self._run = run
        self._key: str = step["node_exec_id"]
        self._node_id: str = step["node_id"]
        self._block: str = step["block_id"]
        self._inputs: dict[str, Any] = step["input_data"]

    def execute(self) -> Iterable[dict[str, Any]]:
        """Execute it; yield the executions of the nodes after it that have all they need."""
        self._set("QUEUED", execution_data=self._inputs)
        about = {
            "graph_exec_id": self._run["id"], "graph_id": self._run["graph_id"],
            "node_exec_id": self._key, "node_id": self._node_id, "block_id": self._block,
        }  # fmt: skip
        real = not self._run["is_dry_run"]
        if real and self._block in COSTS:
            self._processes.charge(self._tenancy, COSTS[self._block], about)
        node = self._call("get_node", node_id=self._node_id)
        self._set("RUNNING")
        if self._block in PROVIDERS:
            provider = PROVIDERS[self._block]
            self._processes.credentials(self._tenancy.user_id, provider, refresh=True)
        outputs = self._outputs()
        if outputs is None:
            self._set("REVIEW")
            return
        for name, data in outputs.items():
            self._call(
                "upsert_execution_output", node_exec_id=self._key, output_name=name,
                output_data=data,
            )  # fmt: skip
            shown = self._call("get_node_execution", node_exec_id=self._key)
            assert shown["output_data"][name] == [data]
        if real and self._block in COSTS:
            self._processes.log_cost(
                {
                    **about,
                    "user_id": self._tenancy.user_id, "provider": PROVIDERS[self._block],
                    "cost_microdollars": 200, "input_tokens": 10, "output_tokens": 20,
                }
            )  # fmt: skip
            self._call("get_personal_org_owner", org_id=self._tenancy.organization_id)
            self._processes.charge(self._tenancy, PRICED_AFTERWARDS[self._block], about, force=True)
        self._set("COMPLETED", stats={"walltime": 0.5, "cost": COSTS.get(self._block, 0)})
        self._call("update_graph_execution_stats", graph_exec_id=self._run["id"], stats={"cost": 1})
        for link in node["output_links"]:
            yield self._give(link, outputs[link["source_name"]])

    def _give(self, link: dict[str, Any], data: Any) -> dict[str, Any]:
        """Give an output to the node at a link's end; return that node's execution."""
        following = self._call("get_node", node_id=link["sink_id"])
        execution, inputs = self._call(
            "upsert_execution_input", node_id=link["sink_id"], graph_exec_id=self._run["id"],
            input_name=link["sink_name"], input_data=data,
        )  # fmt: skip
        assert inputs[link["sink_name"]] == data
        self._call("get_latest_node_execution", node_id=link["sink_id"], graph_eid=self._run["id"])
        given = following["input_default"] | inputs
        return dict(execution) | {"block_id": following["block_id"], "input_data": given}

    def _set(self, status: str, **more: Any) -> None:
        found = self._call(
            "update_node_execution_status", node_exec_id=self._key, status=status, **more
        )
        assert found["status"] == status

    def _outputs(self) -> dict[str, Any] | None:
        """Return what the block yields; None where it waits for a person."""
        value = self._inputs.get("value", "")
        match self._block:
            case str(block) if block == REVIEWED and not self._run["is_dry_run"]:
                return self._reviewed(value)
            case str(block) if block == STORING and not self._run["is_dry_run"]:
                path = f"/reports/{self._run['id']}.txt"
                for draft in ("first", "last"):  # one in the other's place
                    file_id = f"{draft}-draft-of-{self._key}"
                    stored = self._processes.store(self._tenancy.user_id, file_id, path)
                return {"result": f"{value} in {stored['path']}"}
            case str(block) if block == AGENT:
                return self._run_agent(value)
        return {"result": value}

    def _reviewed(self, value: Any) -> dict[str, Any] | None:
        about = {
            "node_exec_id": self._key, "graph_exec_id": self._run["id"],
            "user_id": self._tenancy.user_id,
        }  # fmt: skip
        self._call("check_approval", node_id=self._node_id, input_data={"value": value}, **about)
        review = self._call(
            "get_or_create_human_review", graph_id=self._run["graph_id"],
            graph_version=self._run["graph_version"], input_data={"value": value},
            message="May this be published?", editable=True,
            organization_id=self._tenancy.organization_id, team_id=self._tenancy.team_id, **about,
        )  # fmt: skip
        if review is None or review["status"] == "WAITING":
            return None
        assert review["status"] == "APPROVED"
        self._call("update_review_processed_status", node_exec_id=self._key, processed=True)
        return {"result": review["data"]["value"]}

    def _run_agent(self, value: Any) -> dict[str, Any]:
        child = self._processes.start(
            self._tenancy, self._inputs["graph_id"], self._inputs["graph_version"],
            {"text": value}, parent=self._run["id"], dry_run=self._run["is_dry_run"],
        )  # fmt: skip
        assert self._processes.execute(self._tenancy.user_id, child) == "COMPLETED"
        found = self._call("get_graph_execution", user_id=self._tenancy.user_id, execution_id=child)
        return {"result": found["outputs"]["shouted"][0]}
