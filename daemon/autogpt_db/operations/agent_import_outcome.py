"""What an import did, and how people are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from autogpt_db.operations.agent_export import ExportedGraph


class ImportedGraph(NamedTuple):
    """What became of one graph.

    Attributes:
        graph: As it is in the database, fresh ids included.
        exported_id: Its id in the file.
        created: False when it was there already.
        same: False when it was there with other nodes or links than the file's.
    """

    graph: ExportedGraph
    exported_id: str
    created: bool
    same: bool


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
        """Yield the outcome for people, one line for the user and one or two for each graph."""
        made = "created" if self.user_created else "there already"
        yield f"user {self.email}: {made}, id {self.user_id}"
        for graph, exported_id, created, same in self.graphs:
            state = "imported" if created else "there already, left as it is"
            yield (
                f"graph {graph.name!r} version {graph.version}: {state}, id {graph.id}, "
                f"{len(graph.nodes)} nodes, {len(graph.links)} links"
            )
            if graph.id != exported_id:
                yield f"  another user has {exported_id}, so it got an id of its own"
            if not same:
                yield '  the file differs from it: raise "version" in the file to import that'
