"""Finding the operations: whatever stands in this package is served, no list names it."""

from __future__ import annotations

import importlib
import os
import pkgutil
from typing import TYPE_CHECKING

from autogpt_db.signatures.declaration import RegistrationError
from autogpt_db.signatures.decorator import operation_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import ModuleType

    from autogpt_db.signatures.registry import Operation

PACKAGE = "autogpt_db.operations"
EXTRA_MODULES = "AUTOGPT_DB_TEST_OPERATIONS"
"""Environment variable: modules with further operations, separated by commas. Tests use it."""


def served_operations() -> Mapping[str, Operation]:
    """Return what this process serves: the package's operations, and the environment's.

    Raises:
        RegistrationError: Two operations have one name, or one cannot be served.
        ImportError: A module cannot be imported.
    """
    return load_operations(filter(None, os.environ.get(EXTRA_MODULES, "").split(",")))


def load_operations(extra_modules: Iterable[str] = ()) -> Mapping[str, Operation]:
    """Import every module of the package and return their operations by name, sorted.

    Args:
        extra_modules: Names of modules or packages that are searched as well.

    Raises:
        RegistrationError: Two operations have one name, or one cannot be served.
        ImportError: A module cannot be imported.
    """
    found: dict[str, tuple[Operation, str]] = {}
    for name in (PACKAGE, *extra_modules):
        for module in _modules(name):
            for each in _operations(module):
                if each.name in found:
                    raise RegistrationError(
                        f"Two operations are called {each.name}: one in {found[each.name][1]}, "
                        f"one in {module.__name__}. Rename one."
                    )
                found[each.name] = each, module.__name__
    return {name: found[name][0] for name in sorted(found)}


def _modules(name: str) -> Iterator[ModuleType]:
    module = importlib.import_module(name)
    yield module
    for child in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{name}."):
        yield from _modules(child.name)


def _operations(module: ModuleType) -> Iterator[Operation]:
    for thing in vars(module).values():
        # An imported function belongs to the module that defines it.
        if getattr(thing, "__module__", None) == module.__name__:
            found = operation_of(thing)
            if found is not None:
                yield found
