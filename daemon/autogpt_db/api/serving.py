"""Which methods a process serves: those whose needs the database meets, as it is now.

A method that lacks something is no method to anybody: its calls go the way of unknown ones, to
AutoGPT's own service or to 404, until the database has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from autogpt_db.database.releases import is_called, looks_like
from autogpt_db.database.schema import told
from autogpt_db.logs.events import database as log
from autogpt_db.operations.needed import RUN_PATH, needed_by

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from autogpt_db.database.catalogue import Catalogue
    from autogpt_db.database.needs import Lack
    from autogpt_db.database.pool.knowledge import Knowledge
    from autogpt_db.operations import Operation

MOST_NAMED = 20
"""Methods that are named to main; it is told the number of all."""


class Serving:
    """The methods that are served, kept up with what is known of the schema.

    Attributes:
        methods: Those that are served, by name.
        lacks: Those that are not, and what each lacks.
        when_changed: Called when either has changed.
    """

    def __init__(
        self,
        operations: Mapping[str, Operation],
        knowledge: Knowledge,
        schema_name: str,
        *,
        told: bool = True,
    ) -> None:
        """Serve everything until the schema has been read.

        Args:
            operations: What there is, by name.
            knowledge: What is known of the schema.
            schema_name: Its name.
            told: Whether main has told what is missing at the start, as the same role.
        """
        self._told = told
        self.methods: Mapping[str, Operation] = operations
        self.lacks: Mapping[str, tuple[Lack, ...]] = {}
        self.when_changed: list[Callable[[], None]] = []
        self._operations = operations
        self._needed = needed_by(operations)
        self._knowledge = knowledge
        self._schema_name = schema_name
        self._release: str | None = None
        self._missed: list[str] = []
        self._read = False
        knowledge.when_learned.append(self._learned)

    @property
    def in_flux(self) -> bool:
        """Tell whether what is missing may be there in a moment: AutoGPT migrates.

        So it is where there is nothing of AutoGPT's at all: its tables are being made anew.
        """
        return self._knowledge.migrating or (self._read and self._release is None)

    @property
    def run_path_lacks(self) -> str | None:
        """Return in words what the database lacks that every run needs; None where all is there."""
        found = {lack: None for name in RUN_PATH & self.lacks.keys() for lack in self.lacks[name]}
        return _listed(tuple(found)) if found else None

    def reason(self, method: str) -> str | None:
        """Return in words why a method of ours isn't served; None where it is, or is none."""
        lacks = self.lacks.get(method)
        return None if lacks is None else "the database lacks " + _listed(lacks)

    def summary(self) -> dict[str, Any]:
        """Return what main is told: the release, and what isn't served."""
        return {
            "release": self._release,
            "methods": len(self.methods),
            "not_served": len(self._missed),
            "lacking": self._missed[:MOST_NAMED],
        }

    def _learned(self, catalogue: Catalogue) -> None:
        lacks = self._needed.lacks(catalogue, self._schema_name)
        missed = {name for name in lacks if is_called(name, catalogue)}
        gone, back = sorted(missed - self.lacks.keys()), sorted(self.lacks.keys() - lacks)
        self._missed = sorted(missed)
        self._release = looks_like(catalogue)
        self.lacks = lacks
        self.methods = {
            name: operation for name, operation in self._operations.items() if name not in lacks
        }
        if gone and (self._read or not self._told):
            why = told(lacks[name] for name in gone)
            log.methods_not_served(methods=gone, release=self._release, **why)
        if back:
            log.methods_served_again(methods=back, release=self._release)
        self._read = True
        for tell in self.when_changed:
            tell()


def _listed(lacks: tuple[Lack, ...]) -> str:
    return ", ".join(f"{lack.what} ({lack.remedy})" if lack.remedy else lack.what for lack in lacks)
