"""Every kind of fault, found by looking into this folder."""

from __future__ import annotations

import importlib
import pkgutil

from chaos.fault import Fault


def load() -> list[Fault]:
    """Return one of each kind, in the order of their names."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return sorted((kind() for kind in Fault.__subclasses__()), key=lambda fault: fault.name)
