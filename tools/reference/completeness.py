"""Whether what was added is complete: all that is missing is said at once, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.reference import IncompleteError
from tools.sample_calls import sample_calls, where_a_row_goes

from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.operations import load_operations
from autogpt_db.operations.needed import needed_by
from autogpt_db.signatures.docstring import read_docstring
from autogpt_db.signatures.replies import reply_schema
from autogpt_db.signatures.schemas import Schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autogpt_db.operations import Operation

SAY_A_REPEAT = (
    "it writes, and doesn't say what a repeat of it does: repeat=harmless(…) or harmful(…) of "
    "autogpt_db.signatures.repeats at its decorator, with a sentence that ends with a full stop"
)


def check_methods() -> None:
    """Look at all methods.

    Raises:
        IncompleteError: Something belongs to one that isn't there.
        RegistrationError: What one returns cannot be described.
    """
    operations = load_operations()
    faults = [*faults_of(operations), *nowhere_served(operations)]
    if faults:
        raise IncompleteError("\n".join(faults))


def faults_of(operations: Mapping[str, Operation]) -> Iterator[str]:
    """Yield what methods lack: one line each, which begins with the method's name."""
    samples = sample_calls()
    for name, operation in operations.items():
        reply_schema(operation.function, Schemas())
        if name not in samples:
            yield f"{name} has no sample call: {where_a_row_goes(operation.subject)}"
        repeat = operation.repeat
        if operation.reads and repeat is not None:
            yield f"{name}: it only reads, so that a repeat does nothing: leave repeat= out"
        elif not operation.reads and not (repeat and repeat.effect.endswith(".")):
            yield f"{name}: {SAY_A_REPEAT}"
        told = read_docstring(operation.description).arguments.keys()
        known = {parameter.name for parameter in operation.parameters}
        if told != known:
            wanted = ", ".join(sorted(known - told)) or "nothing more"
            yield (
                f"{name}: the section Args of its docstring is what documents its arguments: "
                f"describe {wanted} there"
                + "".join(f"; {surplus} is none" for surplus in sorted(told - known))
            )


def nowhere_served(operations: Mapping[str, Operation]) -> Iterator[str]:
    """Yield which methods no known release's database has all for, and what the newest lacks."""
    needed = needed_by(operations)
    lacks = [needed.lacks(catalogue_of(release.state), "platform") for release in RELEASES]
    for name in operations:
        if all(name in found for found in lacks):
            missing = ", ".join(lack.what for lack in lacks[-1][name])
            yield (
                f"{name}: no known release of AutoGPT has all that its statements name; "
                f"v{RELEASES[-1].name} lacks {missing}. Correct them or, where a release brings "
                "that, add it as CONTRIBUTING.md says"
            )
