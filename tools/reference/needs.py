"""What methods and jobs need of the databases of all known releases, so that no start reads it."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec

from autogpt_db.database.capabilities import Capabilities
from autogpt_db.database.catalogue import Catalogue
from autogpt_db.database.releases import RELEASES, catalogue_of
from autogpt_db.operations import load_operations
from autogpt_db.operations.needed import RUN_PATH
from autogpt_db.rest import load_resources
from autogpt_db.signatures.tables import read_off, statements_of
from autogpt_db.statements.methods import Method, words_of
from autogpt_db.statements.remembered import key_of
from autogpt_db.worker.registry import discover

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from autogpt_db.database.needs import Needs
    from autogpt_db.operations import Operation


def needs_file() -> Iterator[str]:
    """Yield the file's lines: one for each set of texts, by its key."""
    functions = [operation.function for operation in load_operations().values()]
    functions += [operation.function for operation in load_resources().values()]
    functions += [job.function for job in discover().values()]
    lines: dict[str, str] = {}
    for capabilities in _known():
        for function in functions:
            if (key := _key(function, capabilities)) not in lines:
                lines[key] = _line(read_off(statements_of(function, capabilities)))
    yield "{"
    yield ",\n".join(f'"{key}": {lines[key]}' for key in sorted(lines))
    yield "}"


def methods_file() -> Iterator[str]:
    """Yield the file's lines: the known capabilities, and then one for each method."""
    known = _known()
    yield "{"
    yield '"capabilities": ['
    yield ",\n".join(f'"{words_of(capabilities)}"' for capabilities in known)
    yield "],"
    yield f'"essential": {_json(sorted(RUN_PATH))},'
    yield '"methods": {'
    yield ",\n".join(
        f'"{name}": {_json(_method(operation, known))}'
        for name, operation in load_operations().items()
    )
    yield "}}"


OF_0_1_0 = Capabilities(notify_columns=True)
"""What the tables have that autogpt-db 0.1.0 made, in a database that it did not keep itself."""


@cache
def _known() -> list[Capabilities]:
    """Return what the databases of all known releases have, and those of ours, each once."""
    # One that has nothing stands for a database before anybody has made a table in it.
    catalogues = [Catalogue(), *(catalogue_of(release.state) for release in RELEASES)]
    return list(dict.fromkeys([*map(Capabilities.of, catalogues), OF_0_1_0]))


@cache
def _key(function: Callable[..., Any], capabilities: Capabilities) -> str:
    return key_of(statements_of(function, capabilities))


def _method(operation: Operation, known: list[Capabilities]) -> Method:
    texts = tuple(_key(operation.function, each) for each in known)
    return Method(
        texts=texts if len(set(texts)) > 1 else texts[:1],
        spares=tuple(sorted(operation.spares)),
        labels=tuple(sorted(operation.labels)),
    )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _line(needs: Needs) -> str:
    fields = {name: _ordered(found) for name, found in asdict(needs).items() if found}
    return _json(fields)


def _ordered(found: Any) -> Any:
    """Return sets, and sets within them, as sorted lists."""
    if isinstance(found, frozenset):
        return sorted(map(_ordered, found))
    return tuple(map(_ordered, found)) if isinstance(found, tuple) else found
