"""A client that somebody else's program makes of /openapi.json works with a real daemon.

openapi-python-client and what its clients need are fetched by uv into an environment of their own.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

import pytest
from tools.sample_calls import examples

from checkout import ROOT, uv
from daemon_process import LEAN, DaemonProcess
from releases.building import ENCRYPTION_KEY, LATEST
from service import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from releases.building import ReleaseDatabases

pytestmark = pytest.mark.timeout(600)

GENERATOR = "openapi-python-client==0.29.1"

BY_NAME = """
import sys
from datetime import datetime

from foreign import Client
from foreign.api.credits_ import get_credits, spend_credits
from foreign.api.executions import get_graph_execution
from foreign.api.graphs import get_connected_output_nodes
from foreign.api.users import get_user_by_id
from foreign.models import (
    Failure,
    GetConnectedOutputNodesBody,
    GetCreditsBody,
    GetGraphExecutionBody,
    GetUserByIdBody,
    GraphExecutionWithNodes,
    Link,
    NodeModel,
    SpendCreditsBody,
    UsageTransactionMetadata,
    User,
)

client = Client(base_url=sys.argv[1])

user = get_user_by_id.sync(client=client, body=GetUserByIdBody(user_id="alice"))
assert isinstance(user, User), user
assert isinstance(user.created_at, datetime)
print(user.email)

nobody = get_user_by_id.sync(client=client, body=GetUserByIdBody(user_id="nobody"))
assert isinstance(nobody, Failure), nobody
print(nobody.type_)

body = GetGraphExecutionBody(user_id="alice", execution_id="e1", include_node_executions=True)
execution = get_graph_execution.sync(client=client, body=body)
assert isinstance(execution, GraphExecutionWithNodes), execution
print(sorted(node.node_exec_id for node in execution.node_executions)[0])

body = GetConnectedOutputNodesBody(node_id="n-in")
((link, node), *_) = get_connected_output_nodes.sync(client=client, body=body)
assert isinstance(link, Link) and isinstance(node, NodeModel), (link, node)

balance = get_credits.sync(client=client, body=GetCreditsBody(user_id="alice"))
body = SpendCreditsBody(user_id="alice", cost=1, metadata=UsageTransactionMetadata(reason="test"))
left = [spend_credits.sync(client=client, body=body, idempotency_key="once") for _ in range(2)]
print(*(each - balance for each in left))
"""

OF_EACH = """
import importlib
import inspect
import json
import sys

from foreign import Client, models
from foreign.models import Failure

client = Client(base_url=sys.argv[1])
for line in sys.stdin:
    subject, method, arguments = json.loads(line)
    # A name of Python's own gets an underscore.
    folder = "credits_" if subject == "credits" else subject
    module = importlib.import_module(f"foreign.api.{folder}.{method}")
    kind = inspect.signature(module.sync_detailed).parameters["body"].annotation
    body = getattr(models, kind if isinstance(kind, str) else kind.__name__).from_dict(arguments)
    reply = module.sync_detailed(client=client, body=body)
    assert isinstance(reply.parsed, Failure) == (reply.status_code == 400), (method, reply)
    print(json.dumps([method, reply.status_code]))
"""


@pytest.fixture(scope="module")
def python() -> list[str]:
    """Return what starts a Python that has the generator and what its clients need."""
    words = [str(uv()), "run", "--quiet", "--no-project", "--with", GENERATOR]
    done = subprocess.run(
        [*words, "openapi-python-client", "--version"], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{GENERATOR} is not to be had: {' '.join(done.stderr.split()[-20:])}")
    return [*words, "python"]


@pytest.fixture(scope="module")
def daemon(releases: ReleaseDatabases) -> Iterator[DaemonProcess]:
    url = releases.fresh(LATEST, seeded=True, ours=True)
    settings = ["credits.enabled=true", f"integrations.encryption_key={ENCRYPTION_KEY}"]
    with DaemonProcess(database_url=url, assignments=[*LEAN, *settings]) as running:
        yield running
    releases.drop(url)


def use_the_client() -> list[str]:
    """Return the commands of the page, for those who program in another language."""
    page = (ROOT / "docs" / "howto" / "use-the-client.md").read_text("utf-8")
    (block,) = re.findall(r"^```sh\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    return str(block).splitlines()


@pytest.fixture(scope="module")
def made(
    python: list[str], daemon: DaemonProcess, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return the directory with the client `foreign`, made as use-the-client.md makes one."""
    directory = tmp_path_factory.mktemp("foreign")
    fetch, generate = use_the_client()
    subprocess.run(
        ["bash", "-ec", fetch.replace("http://127.0.0.1:8005", daemon.base)],
        cwd=directory, check=True,
    )  # fmt: skip
    (directory / "config.yaml").write_text("post_hooks: []\n")
    program, name, *words = shlex.split(generate)
    assert (program, name) == ("uvx", "openapi-python-client")
    # Where it has to be for this test, and strictly.
    words += ["--fail-on-warning", "--meta", "none"]
    words += ["--output-path", "foreign", "--config", "config.yaml"]
    done = subprocess.run(
        [*python, "-m", "openapi_python_client", *words],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return directory


def run(python: list[str], made: Path, program: str, daemon: DaemonProcess, sent: str = "") -> str:
    (made / "program.py").write_text(program)
    done = subprocess.run(
        [*python, "program.py", daemon.base],
        cwd=made,
        env=os.environ | {"PYTHONPATH": str(made)},
        input=sent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_types_are_those_of_the_replies(
    python: list[str], made: Path, daemon: DaemonProcess
) -> None:
    said = run(python, made, BY_NAME, daemon).splitlines()
    assert said == ["alice@example.com", "ValueError", "x1", "-1 -1"]


def test_it_reads_what_every_method_answers(
    python: list[str], made: Path, daemon: DaemonProcess
) -> None:
    lines = [
        json.dumps([OPERATIONS[method].subject, method, calls[0]])
        for method, calls in examples().items()
    ]
    said = run(python, made, OF_EACH, daemon, "\n".join(lines))
    statuses = dict(json.loads(line) for line in said.splitlines())
    assert statuses.keys() == OPERATIONS.keys()
    assert {method: status for method, status in statuses.items() if status != 200} == {}
