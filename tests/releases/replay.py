"""Playing a release's recorded calls in order, and what "the same answer" means for them.

A recorded server made its own ids, tokens and times; here they are numbered as they appear. Where
the server promises less than a byte-equal answer, the call's `relax` says what to leave out:

unordered    lists are compared as sets
scores       figures of a search are not compared, the order of its rows is
computed     members computed from AutoGPT's block registry are left out
status-only  of an error only the status counts
4xx-for-500  the recorded server answered 500 for a caller's mistake; 400 is as good
random       only the reply's type counts
any          not compared
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from releases.catalogues import DIRECTORY
from releases.known import INSTEAD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    import httpx

_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(\d+))?(Z|\+00:00)?")
_TOKEN = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43}(?![A-Za-z0-9_=-])")
_DELETED = re.compile(r"__deleted__\d{9,11}")
_PLACEHOLDER = re.compile(r"<(id|token)\d+>")
_FRACTION = re.compile(r"<ts([Z+]?)\.\d+>")
_SEEDED_TIMES = ("2025-12", "2026-01")

SPENT = {"x1": 12, "x5": 100, "x6": 85, "x7": -5, "x8": 1000, "x9": 500, "x10": 8}
"""What experts had spent in the week of v0.7.2's recorded calls, by AutoGPT's counters in Redis."""

_COMPUTED = frozenset(
    {
        "input_schema",
        "output_schema",
        "has_external_trigger",
        "has_human_in_the_loop",
        "has_sensitive_action",
        "trigger_setup_info",
        "credentials_input_schema",
    }
)
_UNORDERED = frozenset(
    {"links", "nodes", "input_links", "output_links", "notifications", "sub_graphs"}
)
_SCORES = frozenset(
    {
        "combined_score",
        "semantic_score",
        "lexical_score",
        "category_score",
        "recency_score",
        "bm25_score",
        "final_score",
        "relevance",
    }
)
_GRAPH_METHODS = frozenset({"get_graph", "get_graph_metadata"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one call.

    Attributes:
        number: The call's place in calls.json.
        method: Its name.
        arguments: The body sent, made comparable.
        status: The reply's status.
        body: The reply, made comparable; text where it is no JSON.
    """

    number: int
    method: str
    arguments: str
    status: int
    body: Any


class Difference(NamedTuple):
    """An answer that is not the recorded one.

    Attributes:
        number: The call's place in calls.json.
        method: Its name.
        wanted: Status and body as recorded.
        found: Status and body as answered.
    """

    number: int
    method: str
    wanted: tuple[int, Any]
    found: tuple[int, Any]


@cache
def recorded(state: str) -> tuple[dict[str, Any], ...]:
    """Return a state's recorded answers."""
    lines = (DIRECTORY / state / "examples.jsonl").read_text("utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def play(client: httpx.Client, state: str) -> list[Answer]:
    """Send all of a state's calls in order and return their answers."""
    calls = json.loads((DIRECTORY / state / "calls.json").read_text("utf-8"))
    captured: dict[str, Any] = {}
    comparable = _Comparable()
    answers = []
    for place, call in enumerate(calls):
        body = call["raw"]
        if body is None:
            body = json.dumps(_filled(call["kwargs"], captured))
        headers = {"content-type": "application/json"}
        reply = client.post(f"/{call['method']}", content=body, headers=headers)
        time.sleep(0.001)  # moments, by which lists are ordered, have no digit more
        try:
            value = reply.json()
        except ValueError:
            value = reply.text
        for name, path in call["cap"].items():
            captured[name] = _member(value, path)
        answers.append(
            Answer(
                number=call.get("n", place),
                method=call["method"],
                arguments=comparable.text(body),
                status=reply.status_code,
                body=json.loads(comparable.text(json.dumps(_links_in_order(value)))),
            )
        )
    return answers


def compare(
    state: str, answers: Iterable[Answer], *, chunks: Collection[str] = ()
) -> list[Difference]:
    """Return the answers that are neither as recorded nor as `INSTEAD` has them.

    Args:
        state: Whose recorded answers.
        answers: What `play` returned.
        chunks: Restricts the comparison to these parts of the list.
    """
    by_number = {answer.number: answer for answer in answers}
    found = []
    for example in recorded(state):
        if chunks and example["chunk"] not in chunks:
            continue
        answer = by_number[example["n"]]
        relaxed = set(example.get("relax") or ())
        instead = INSTEAD[state].get(answer.number)
        if instead is not None and instead.unordered:
            relaxed.add("unordered")
        wanted = _essence(
            example["method"], example["args"], example["status"], example["body"], relaxed
        )
        body = answer.body
        if instead is not None and instead.added:
            body = _without(body, instead.added)
        elif instead is not None and not instead.unordered:
            relaxed = {"only-kind"}
            wanted = instead.status, instead.error
        got = _essence(answer.method, answer.arguments, answer.status, body, relaxed)
        if wanted != got or (instead is not None and instead.added and body == answer.body):
            found.append(
                Difference(
                    answer.number,
                    answer.method,
                    (example["status"], example["body"]),
                    (answer.status, answer.body),
                )
            )
    return found


class _Comparable:
    """Numbers ids and tokens as they appear, and leaves of times only their form."""

    def __init__(self) -> None:
        self._blocks = set(
            json.loads((DIRECTORY / "v0.6.68" / "block_ids.json").read_text("utf-8"))
        )
        self._names: dict[str, str] = {}
        self._counts = {"id": 0, "token": 0}

    def text(self, text: str) -> str:
        """Return a text with placeholders."""
        text = _ID.sub(self._id, text)
        text = _TIME.sub(_time, text)
        text = _TOKEN.sub(self._token, text)
        return _DELETED.sub("__deleted__<unix>", text)

    def _id(self, match: re.Match[str]) -> str:
        return match[0] if match[0] in self._blocks else self._name("id", match[0])

    def _token(self, match: re.Match[str]) -> str:
        # What repeats a few characters was made by hand, not at random.
        return match[0] if len(set(match[0])) < 12 else self._name("token", match[0])

    def _name(self, kind: str, value: str) -> str:
        if value not in self._names:
            self._counts[kind] += 1
            self._names[value] = f"<{kind}{self._counts[kind]}>"
        return self._names[value]


def _time(match: re.Match[str]) -> str:
    if match[0].startswith(_SEEDED_TIMES):
        return match[0]
    zone = "+" if match[2] == "+00:00" else match[2] or ""
    fraction = f".{len(match[1])}" if match[1] else ""
    return f"<ts{zone}{fraction}>"


def _filled(value: Any, captured: dict[str, Any]) -> Any:
    """Return arguments with what earlier replies gave in place of `$name`."""
    if isinstance(value, str) and value.startswith("$"):
        return captured.get(value[1:], value)
    if isinstance(value, list):
        return [_filled(one, captured) for one in value]
    if isinstance(value, dict):
        return {name: _filled(one, captured) for name, one in value.items()}
    return value


def _member(value: Any, path: str) -> Any:
    """Return what is at a dotted path; a call whose reply lacks it sends a word that fits none."""
    for step in path.split(".") if path else ():
        try:
            value = value[int(step)] if step.isdigit() else value[step]
        except (KeyError, IndexError, TypeError):
            return "MISSING"
    return value


def _without(value: Any, names: frozenset[str]) -> Any:
    """Return a reply without these members."""
    if isinstance(value, dict):
        return {name: _without(one, names) for name, one in value.items() if name not in names}
    return [_without(one, names) for one in value] if isinstance(value, list) else value


def _links_in_order(value: Any) -> Any:
    if isinstance(value, dict):
        made = {name: _links_in_order(one) for name, one in value.items()}
        if isinstance(made.get("links"), list):
            made["links"].sort(key=lambda link: str(link["id"]))
        return made
    return [_links_in_order(one) for one in value] if isinstance(value, list) else value


def _essence(method: str, arguments: str, status: int, body: Any, relaxed: set[str]) -> Any:
    """Return what has to be equal."""
    if "only-kind" in relaxed:
        return status, body.get("type") if isinstance(body, dict) and status >= 400 else None
    if "any" in relaxed:
        return None
    if status == 500 and "4xx-for-500" in relaxed:
        status = 400
    if status == 422:
        return status, isinstance(body, dict) and "detail" in body
    if status >= 400:
        return _failure(status, body, relaxed)
    if "random" in relaxed:
        return status, type(body).__name__
    body = _renumbered(arguments, body, forget="unordered" in relaxed)
    return status, _relaxed(body, relaxed | ({"computed"} if method in _GRAPH_METHODS else set()))


def _failure(status: int, body: Any, relaxed: set[str]) -> Any:
    if relaxed & {"status-only", "4xx-for-500"}:
        return status
    if not isinstance(body, dict) or "type" not in body:
        return status, None
    return status, body["type"], len(body.get("args") or ())


def _renumbered(arguments: str, body: Any, *, forget: bool) -> Any:
    """Number placeholders within the call, so that one id more does not shift all later ones."""
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        if forget:
            return f"<{match[1]}>"
        return names.setdefault(match[0], f"<{match[1]}{len(names) + 1}>")

    text = _PLACEHOLDER.sub(renamed, json.dumps([arguments, body]))
    # A fraction of no milliseconds is written without one.
    return json.loads(_FRACTION.sub(r"<ts\1>", text))[1]


def _relaxed(value: Any, relaxed: set[str]) -> Any:
    if isinstance(value, list):
        items = [_relaxed(one, relaxed) for one in value]
        return sorted(items, key=_sorted_text) if "unordered" in relaxed else items
    if not isinstance(value, dict):
        return value
    made = {}
    for name, one in value.items():
        if ("computed" in relaxed and name in _COMPUTED) or (
            "scores" in relaxed and name in _SCORES
        ):
            continue
        made[name] = _relaxed(one, relaxed)
        if name in _UNORDERED and isinstance(one, list):
            made[name].sort(key=_sorted_text)
    return made


def _sorted_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
