"""What an import did, and how people are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.agent_files.exports import ExportedGraph, SubGraph


class MissingGraph(NamedTuple):
    """A graph that a node runs and that is nowhere.

    Attributes:
        node_id: The node, by its id in the file.
        sub_graph: What it runs.
    """

    node_id: str
    sub_graph: SubGraph


class ImportedGraph(NamedTuple):
    """What became of one graph.

    Attributes:
        graph: As it is in the database, fresh ids included.
        exported_id: Its id in the file.
        created: False when it was there already.
        differences: What is otherwise in the file than in the graph that was there.
        deactivated: Versions that are no longer active, because a newer one is.
        moved: Whether the library had an entry for it, which shows this version if it is active.
        missing: What its nodes run and neither the file nor the database has.
    """

    graph: ExportedGraph
    exported_id: str
    created: bool
    differences: tuple[str, ...] = ()
    deactivated: tuple[int, ...] = ()
    moved: bool = False
    missing: tuple[MissingGraph, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportOutcome:
    """What an import did.

    Attributes:
        email: The owner's e-mail address.
        user_id: The owner.
        user_created: False when the user was there already.
        graphs: The agent's graph, then its sub-graphs.
    """

    email: str
    user_id: str
    user_created: bool
    graphs: tuple[ImportedGraph, ...]

    def lines(self) -> Iterator[str]:
        """Yield the outcome for people: a line for the user, and one or more for each graph."""
        made = "created" if self.user_created else "there already"
        yield f"user {self.email}: {made}, id {self.user_id}"
        for each in self.graphs:
            graph = each.graph
            state = "imported" if each.created else "there already, left as it is"
            yield (
                f"graph {graph.name!r} version {graph.version}: {state}, id {graph.id}, "
                f"{len(graph.nodes)} nodes, {len(graph.links)} links"
            )
            yield from (f"  {line}" for line in self._details(each))

    def _details(self, each: ImportedGraph) -> Iterator[str]:
        graph = each.graph
        if graph.id != each.exported_id:
            yield f"another user has {each.exported_id}, so it got an id of its own"
        if each.differences:
            what = ", ".join(each.differences)
            yield f'the file differs from it ({what}): raise "version" in the file to import that'
        for version in each.deactivated:
            yield (
                "not active, because a newer version is"
                if version == graph.version
                else f"version {version} is no longer active"
            )
        if each.created:
            yield from graph.warnings
        for node_id, sub_graph in each.missing:
            number = "no version" if sub_graph.version is None else f"version {sub_graph.version}"
            yield (
                f"node {node_id}: runs {number} of graph {sub_graph.id}, which is neither in the "
                f"file nor in the database for {self.email}; import it, too"
            )
