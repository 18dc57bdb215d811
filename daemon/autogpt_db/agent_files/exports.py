"""The file that AutoGPT's "export agent" writes, read and validated.

Exports of every age are taken: members that are not named here are ignored (whose it was, its
organization and team there, what AutoGPT computes anew), links may stand at the graph, at the
nodes, or at both.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NotRequired, TypedDict

from autogpt_db.agent_files.repairs import own_input, repaired_block, warnings
from autogpt_db.errors import (
    ArgumentsInvalidError,
    ConfigurationError,
    InvalidValueError,
    RequestRefusedError,
)
from autogpt_db.models.marks import Default
from autogpt_db.operations.graphs.blocks import AGENT_EXECUTOR_BLOCK
from autogpt_db.signatures.annotations import shape_of
from autogpt_db.signatures.detail import Problems
from autogpt_db.signatures.json_text import JsonText, check_depth
from autogpt_db.signatures.shapes import INVALID
from autogpt_db.signatures.types import Document

if TYPE_CHECKING:
    from collections.abc import Iterator

_LARGEST_VERSION = 2**31 - 1


class _Link(TypedDict):
    id: NotRequired[Annotated[str | None, Default(None)]]
    source_id: str
    sink_id: str
    source_name: str
    sink_name: str
    is_static: NotRequired[Annotated[bool, Default(value=False)]]


class _Node(TypedDict):
    id: NotRequired[Annotated[str | None, Default(None)]]
    block_id: str
    input_default: NotRequired[Annotated[dict[str, Any] | None, Default(None)]]
    metadata: NotRequired[Annotated[dict[str, Any] | None, Default(None)]]
    input_links: NotRequired[Annotated[list[_Link] | None, Default(None)]]
    output_links: NotRequired[Annotated[list[_Link] | None, Default(None)]]


class _BaseGraph(TypedDict):
    id: NotRequired[Annotated[str | None, Default(None)]]
    version: NotRequired[Annotated[int, Default(1)]]
    is_active: NotRequired[Annotated[bool, Default(value=True)]]
    name: str
    description: NotRequired[Annotated[str | None, Default(None)]]
    instructions: NotRequired[Annotated[str | None, Default(None)]]
    recommended_schedule_cron: NotRequired[Annotated[str | None, Default(None)]]
    forked_from_id: NotRequired[Annotated[str | None, Default(None)]]
    forked_from_version: NotRequired[Annotated[int | None, Default(None)]]
    nodes: NotRequired[Annotated[list[_Node] | None, Default(None)]]
    links: NotRequired[Annotated[list[_Link] | None, Default(None)]]


class _Graph(_BaseGraph):
    sub_graphs: NotRequired[Annotated[list[_BaseGraph] | None, Default(None)]]


_SHAPE = shape_of(Annotated[JsonText, Document(_Graph)])


class SubGraph(NamedTuple):
    """A graph that a node runs.

    Attributes:
        id: Its id.
        version: Its version; None when the node names it by nothing that could be one.
    """

    id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class ExportedNode:
    """A node of a graph; its input and metadata are JSON objects."""

    id: str
    block_id: str
    input_default: dict[str, Any]
    metadata: dict[str, Any]

    @property
    def sub_graph(self) -> SubGraph | None:
        """Return the graph that it runs, if it names one."""
        graph_id = self.input_default.get("graph_id")
        if self.block_id != AGENT_EXECUTOR_BLOCK or not isinstance(graph_id, str) or not graph_id:
            return None
        version = self.input_default.get("graph_version")
        valid = type(version) is int and 0 < version <= _LARGEST_VERSION
        return SubGraph(graph_id, version if valid else None)


@dataclass(frozen=True, slots=True)
class ExportedLink:
    """A link between two nodes of one graph."""

    id: str
    source_id: str
    source_name: str
    sink_id: str
    sink_name: str
    is_static: bool


@dataclass(frozen=True, slots=True)
class ExportedGraph:
    """A graph with its nodes and links.

    Attributes:
        forked_from: Id and version of the graph that it is a copy of, or None.
        warnings: What was mended in its nodes or left out, for people.
    """

    id: str
    version: int
    name: str
    description: str
    is_active: bool
    instructions: str | None
    recommended_schedule_cron: str | None
    forked_from: tuple[str, int] | None
    nodes: tuple[ExportedNode, ...]
    links: tuple[ExportedLink, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentExport:
    """A valid export.

    Attributes:
        graphs: The agent's graph, then its sub-graphs.
    """

    graphs: tuple[ExportedGraph, ...]


def read_export(content: bytes) -> AgentExport:
    """Return the agent in a file.

    Args:
        content: The file's bytes.

    Raises:
        ConfigurationError: It is no export; one line for each fault, by JSON path.
    """
    value = _decoded(content)
    problems = Problems()
    text = _SHAPE.convert(value, ("file", "$"), problems)
    try:
        problems.raise_any()
    except ArgumentsInvalidError as error:
        raise ConfigurationError(
            *(f"{_path(entry['loc'])}: {entry['msg']}" for entry in error.detail)
        ) from None
    except InvalidValueError as error:
        raise ConfigurationError(str(error)) from None
    assert text is not INVALID
    exported = json.loads(text)
    faults: list[str] = []
    graphs = [_graph(exported, "$", faults)]
    for place, sub_graph in enumerate(exported["sub_graphs"] or ()):
        graphs.append(_graph(sub_graph, f"$.sub_graphs[{place}]", faults))
    _refuse_twice("graph", [(graph.id, graph.version) for graph in graphs], "$", faults)
    if faults:
        raise ConfigurationError(*faults)
    return AgentExport(tuple(graphs))


def derived_id(*parts: object) -> str:
    """Return an id that is always the same for the same parts: importing again finds it again."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, "autogpt-db:" + json.dumps(parts)))


def _decoded(content: bytes) -> Any:
    try:
        check_depth(content)
        return json.loads(content.decode("utf-8-sig"))
    except RequestRefusedError:
        fault = "it nests too deep"
    except json.JSONDecodeError as error:
        fault = f"it is no JSON: {error}"
    except (ValueError, RecursionError) as error:
        fault = f"it cannot be read: {error}"
    raise ConfigurationError(f"$: {fault}")


def _path(location: list[str | int]) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else part if part == "$" else f".{part}"
        for part in location[1:]
    )


def _graph(exported: dict[str, Any], path: str, faults: list[str]) -> ExportedGraph:
    if not 1 <= exported["version"] <= _LARGEST_VERSION:
        faults.append(f"{path}.version: must be from 1 to {_LARGEST_VERSION}")
    nodes = tuple(_nodes(exported, path, faults))
    forked_from = exported["forked_from_id"], exported["forked_from_version"]
    return ExportedGraph(
        id=exported["id"] or derived_id("graph", exported),
        version=exported["version"],
        name=exported["name"],
        description=exported["description"] or "",
        is_active=exported["is_active"],
        instructions=exported["instructions"],
        recommended_schedule_cron=exported["recommended_schedule_cron"],
        forked_from=None if None in forked_from else forked_from,
        nodes=nodes,
        links=tuple(_links(exported, {node.id for node in nodes}, path, faults)),
        warnings=tuple(
            warning
            for node, given in zip(nodes, exported["nodes"] or (), strict=True)
            for warning in warnings(node.id, given["block_id"], given["input_default"] or {})
        ),
    )


def _nodes(exported: dict[str, Any], path: str, faults: list[str]) -> Iterator[ExportedNode]:
    nodes = exported["nodes"] or []
    for place, node in enumerate(nodes):
        yield ExportedNode(
            id=node["id"] or derived_id("node", exported["id"], exported["version"], place, node),
            block_id=repaired_block(node["block_id"]),
            input_default=own_input(node["input_default"] or {}),
            metadata=node["metadata"] or {},
        )
    identifiers = [node["id"] for node in nodes if node["id"]]
    _refuse_twice("node", identifiers, f"{path}.nodes", faults)


def _links(
    exported: dict[str, Any], nodes: set[str], path: str, faults: list[str]
) -> Iterator[ExportedLink]:
    """Yield each link once, wherever and however often it stands."""
    seen: dict[ExportedLink, str] = {}
    for where, link in _places_of_links(exported, path):
        faults.extend(
            f"{where}.{end}: the graph has no node {link[end]!r}"
            for end in ("source_id", "sink_id")
            if link[end] not in nodes
        )
        found = ExportedLink(
            id="",
            source_id=link["source_id"],
            source_name=link["source_name"],
            sink_id=link["sink_id"],
            sink_name=link["sink_name"],
            is_static=link["is_static"],
        )
        if found not in seen:
            seen[found] = link["id"] or derived_id(
                "link", exported["id"], exported["version"], *_ends(found)
            )
    _refuse_twice("link", list(seen.values()), f"{path}.links", faults)
    yield from (replace(link, id=identifier) for link, identifier in seen.items())


def _ends(link: ExportedLink) -> tuple[object, ...]:
    return link.source_id, link.source_name, link.sink_id, link.sink_name, link.is_static


def _places_of_links(exported: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for place, link in enumerate(exported["links"] or ()):
        yield f"{path}.links[{place}]", link
    for place, node in enumerate(exported["nodes"] or ()):
        for side in ("input_links", "output_links"):
            for number, link in enumerate(node[side] or ()):
                yield f"{path}.nodes[{place}].{side}[{number}]", link


def _refuse_twice(what: str, identifiers: list[Any], path: str, faults: list[str]) -> None:
    seen: set[Any] = set()
    for identifier in identifiers:
        if identifier in seen:
            faults.append(f"{path}: more than one {what} has the id {identifier!r}")
        seen.add(identifier)
