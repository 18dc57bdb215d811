"""JSON that means harm, or nothing: every method that stores it gives back what is left of it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from api_process import ApiProcess

DEEP = 480
TOO_DEEP = 600
_numbers = itertools.count()

# Text as it is sent, and what is stored of it.
STORED: dict[str, tuple[bytes, Any]] = {
    "control characters": (rb'"a\u0000b\u0008\u000b\u000c\u000e\u001f\u007fc"', "abc"),
    "white space stays": (rb'"\t\n\r \u00a0"', "\t\n\r \u00a0"),
    "C1 stays": (rb'"\u0080\u009f"', "\x80\x9f"),
    "nothing but U+0000": (rb'"\u0000"', ""),
    "control characters in keys": (rb'{"k\u0000\u0001": {"\u007f": 1}}', {"k": {"": 1}}),
    "keys that become one": (rb'{"a": 1, "a\u0001": 2}', {"a": 2}),
    "_sa keys": (b'{"_sa": 1, "_sab": [1], "x": {"_sa_x": {}}, "_s": 1}', {"x": {}, "_s": 1}),
    "escaped _sa keys": (rb'{"\u005fsa": 1, "_\u0073\u0061": 2, "sa_": 3}', {"sa_": 3}),
    "_sa in a list": (b'[{"_sa": 1}, "_sa", ["_sa"]]', [{}, "_sa", ["_sa"]]),
    "empty keys": (b'{"": 1, "a": {"": [{"": null}]}}', {"": 1, "a": {"": [{"": None}]}}),
    "duplicate keys": (b'{"a": 1, "b": 0, "a": {"c": 1, "c": 2}}', {"a": {"c": 2}, "b": 0}),
    "2^53 + 1": (b"9007199254740993", 2**53 + 1),
    "2^63": (b"9223372036854775808", 2**63),
    "-2^64 - 1": (b"-18446744073709551617", -(2**64) - 1),
    "100 digits": (b"9" * 100, int("9" * 100)),
    # PostgreSQL keeps numbers as they are, and writes them without an exponent.
    "the largest double": (b"1.7976931348623157e308", int("17976931348623157" + "0" * 292)),
    "almost nothing": (b"[1e-400, 5e-324]", [0.0, 5e-324]),
    "exponents": (b"[0.1, 1e23, 1E+2, 1.50]", [0.1, 10**23, 100, 1.5]),
    "a surrogate pair": (rb'"\ud83d\ude00"', "😀"),
    "raw and escaped": ('["é", "\\u00e9", "\u2028"]'.encode(), ["é", "é", "\u2028"]),
    "text that looks like JSON": (rb'"{\"a\": \"\\u0000\"}"', '{"a": "\\u0000"}'),
    "a backslash": (rb'["\\u0000", "\\\\", "\/"]', ["\\u0000", "\\\\", "/"]),
    "empty things": (b'[[], {}, "", 0, false, null]', [[], {}, "", 0, False, None]),
    "SQL": (b'"\'; DROP TABLE x; -- %s %(a)s"', "'; DROP TABLE x; -- %s %(a)s"),
    "depth": (b"[" * DEEP + b"]" * DEEP, None),  # looked at level by level
}
REFUSED: dict[str, tuple[bytes, int]] = {
    "1e400": (b"1e400", 400),
    "-1e400 inside": (b'{"a": [-1e400]}', 400),
    "400 digits": (b"9" * 400, 400),
    "4400 digits": (b"9" * 4400, 400),
    "NaN": (b'{"a": NaN}', 400),
    "Infinity": (b"[-Infinity]", 400),
    "a lone surrogate": (rb'"\ud800"', 422),
    "a lone surrogate in a key": (rb'{"a\udfff": 1}', 422),
    "surrogates the wrong way round": (rb'["\ude00\ud83d"]', 422),
    "too deep": (b"[" * TOO_DEEP + b"]" * TOO_DEEP, 400),
    "much too deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, 400),
    "no UTF-8": (b'"\xff"', 400),
    "overlong UTF-8": (b'"\xc0\x80"', 400),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', 400),
    "single quotes": (b"{'a': 1}", 422),
    "a raw line end": (b'"a\nb"', 422),
    "a trailing comma": (b"[1,]", 422),
}


class RefusedError(Exception):
    pass


@pytest.fixture(scope="module")
def api(seeded_database_url_for_module: str) -> Iterator[ApiProcess]:
    with ApiProcess(seeded_database_url_for_module) as process:
        yield process


def send(api: ApiProcess, method: str, body: bytes) -> Any:
    reply = api.client.post(
        f"/{method}", content=body, headers={"content-type": "application/json"}
    )
    if reply.status_code != 200:
        raise RefusedError(reply.status_code, reply.text)
    return json.loads(reply.content)


def new_execution(
    api: ApiProcess, inputs: bytes = b"{}", starting: bytes = b"{}"
) -> dict[str, Any]:
    found: dict[str, Any] = send(
        api,
        "create_graph_execution",
        b'{"user_id": "alice", "graph_id": "g1", "graph_version": 2, "inputs": %b,'
        b' "starting_nodes_input": [["n-std", %b]]}' % (inputs, starting),
    )
    return found


def by_key_value(api: ApiProcess, raw: bytes) -> Any:
    key = b'"user_id": "alice", "key": "hostile"'
    written = send(
        api, "set_execution_kv_data", b'{%b, "node_exec_id": "x", "data": %b}' % (key, raw)
    )
    assert written == send(api, "get_execution_kv_data", b"{%b}" % key)
    return written


def by_input(api: ApiProcess, raw: bytes) -> Any:
    run = new_execution(api)["id"].encode()
    node, received = send(
        api,
        "upsert_execution_input",
        b'{"node_id": "n-out", "graph_exec_id": "%b", "input_name": "v", "input_data": %b}'
        % (run, raw),
    )
    # What the caller sent comes back as it was, uncleaned (methods.md); what is stored, by reading.
    assert plain(received) == plain({"v": json.loads(raw)})
    identity = node["node_exec_id"].encode()
    return send(api, "get_node_execution", b'{"node_exec_id": "%b"}' % identity)["input_data"]["v"]


def by_output(api: ApiProcess, raw: bytes) -> Any:
    node = new_execution(api)["node_executions"][0]["node_exec_id"].encode()
    send(
        api,
        "upsert_execution_output",
        b'{"node_exec_id": "%b", "output_name": "v", "output_data": %b}' % (node, raw),
    )
    (value,) = send(api, "get_node_execution", b'{"node_exec_id": "%b"}' % node)["output_data"]["v"]
    return value


def by_execution_data(api: ApiProcess, raw: bytes) -> Any:
    node = new_execution(api)["node_executions"][0]["node_exec_id"].encode()
    return send(
        api,
        "update_node_execution_status",
        b'{"node_exec_id": "%b", "status": "RUNNING", "execution_data": {"v": %b}}' % (node, raw),
    )["input_data"]["v"]


def by_graph_inputs(api: ApiProcess, raw: bytes) -> Any:
    return new_execution(api, inputs=b'{"v": %b}' % raw)["inputs"]["v"]


def by_starting_nodes(api: ApiProcess, raw: bytes) -> Any:
    found = new_execution(api, starting=b'{"v": %b}' % raw)
    return found["node_executions"][0]["input_data"]["v"]


def by_notification(api: ApiProcess, raw: bytes) -> Any:
    number = next(_numbers)
    send(
        api,
        "create_or_add_to_user_notification_batch",
        b'{"user_id": "alice", "notification_type": "AGENT_RUN", "notification_data": {"type":'
        b' "AGENT_RUN", "user_id": "alice", "data": {"number": %d, "v": %b}}}' % (number, raw),
    )
    batch = send(
        api,
        "get_user_notification_batch",
        b'{"user_id": "alice", "notification_type": "AGENT_RUN"}',
    )
    (data,) = (
        event["data"] for event in batch["notifications"] if event["data"].get("number") == number
    )
    return data["v"]


CARRIERS: list[Callable[[ApiProcess, bytes], Any]] = [
    by_key_value,
    by_input,
    by_output,
    by_execution_data,
    by_graph_inputs,
    by_starting_nodes,
    by_notification,
]
each_way = pytest.mark.parametrize("carrier", CARRIERS, ids=lambda carrier: carrier.__name__)


def plain(value: Any) -> str:
    """Return a value so that 1, 1.0 and true differ, and the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


@each_way
@pytest.mark.parametrize("what", STORED)
def test_it_is_stored_as_the_cleaner_says(api: ApiProcess, carrier: Any, what: str) -> None:
    raw, expected = STORED[what]
    value = carrier(api, raw)
    if carrier is by_key_value and expected == "":
        expected = None  # what is falsy is read as null (methods.md)
    if what == "depth":
        for _ in range(DEEP):
            assert isinstance(value, list)
            value = value[0] if value else None
        assert value is None
    else:
        assert plain(value) == plain(expected)


@each_way
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_stored_is_refused(api: ApiProcess, carrier: Any, what: str) -> None:
    raw, status = REFUSED[what]
    with pytest.raises(RefusedError) as caught:
        carrier(api, raw)
    assert caught.value.args[0] == status, caught.value.args[1][:300]
