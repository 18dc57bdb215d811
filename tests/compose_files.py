"""The container's compose files, as compose reads them."""

from __future__ import annotations

import re
from typing import Any

import yaml

from checkout import ROOT

FOLDER = ROOT / "deploy" / "container"
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def compose(name: str) -> Any:
    """Return what a file says."""
    return yaml.safe_load((FOLDER / name).read_text("utf-8"))


def service() -> dict[str, Any]:
    """Return our service."""
    found: dict[str, Any] = compose("compose.yaml")["services"]["autogpt_db"]
    return found


def substituted(text: str, given: dict[str, str]) -> str:
    """Return what compose makes of a value.

    Args:
        text: The value as it is written.
        given: The variables of `.env`.
    """

    def value(match: re.Match[str]) -> str:
        name, kind, word = match.groups()
        found = given.get(name)
        if found:
            return found
        assert kind != "?", f"{name} must be given: {word}"
        return word or ""

    return VARIABLE.sub(value, text)


def environment(given: dict[str, str]) -> dict[str, str]:
    """Return the service's environment.

    Args:
        given: The variables of `.env`.
    """
    return {name: substituted(str(text), given) for name, text in service()["environment"].items()}
