"""The page on the methods."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tools.reference import NOTICE
from tools.sample_calls import examples

from autogpt_db.database.releases import RELEASES
from autogpt_db.errors import CallError
from autogpt_db.operations import load_operations
from autogpt_db.operations.coverage import first_release_with

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from autogpt_db.database.releases import Release
    from autogpt_db.operations import Operation


def methods_page() -> Iterator[str]:
    """Yield the page's lines."""
    yield "# Methods"
    yield ""
    yield NOTICE
    yield ""
    yield (
        "Each is `POST /<name>` with a JSON object of keyword arguments, and returns what stands "
        "after the arrow, as JSON ([models](models.md)). *Reads* are repeated "
        "once when a connection dies, and cancelled when nobody waits for them any more."
    )
    yield ""
    yield (
        "A text argument has at most `limits.text_length` characters, a list `limits.items` items, "
        "a read's reply `limits.result_bytes` bytes; other bounds stand with their arguments. "
        "Beyond one the answer is 400 `ValueError`, whose text names the field and the bound, or "
        "what makes the reply smaller ([settings](settings.md#limits))."
    )
    yield ""
    yield (
        "*A repeat* is the same call again without an `Idempotency-Key`, as a client sends it that "
        "got no reply; with the key it has no effect and gets the first reply "
        "([idempotency](idempotency.md)). It is *harmless* where, right after the first, it leaves "
        "everything as that has left it, but for moments of change. Of tables that are written "
        "those are named that its statements change; what PostgreSQL itself looks up or deletes "
        "because of foreign keys is not."
    )
    yield ""
    yield (
        "A method *for databases of* some release *and later* needs tables or columns that AutoGPT "
        "has had since then. With an older one it is passed on to AutoGPT's own service or, where "
        "there is none, answered with 404."
    )
    samples = examples()
    for operation in sorted(load_operations().values(), key=lambda found: found.name):
        yield ""
        yield f"## {operation.name}"
        yield ""
        yield f"`{operation.signature}` · {'reads' if operation.reads else 'writes'}"
        yield ""
        yield from _touched(operation, first_release_with(operation.name))
        limits = {each.name: each.limit for each in operation.parameters if each.limit}
        yield from _docstring(operation.description, limits)
        example = next(filter(None, samples[operation.name]), None)
        if example is not None:
            yield from ("", f"For example: `{json.dumps(example)}`")


def _touched(operation: Operation, release: Release) -> Iterator[str]:
    if release != RELEASES[0]:
        yield f"- For databases of AutoGPT v{release.name} and later"
    for verb, written in (("Writes", True), ("Reads", False)):
        names = [f"`{table.name}`" for table in operation.tables if table.written is written]
        if names:
            yield f"- {verb} {', '.join(names)}"
    if operation.repeat is not None:
        kind = "harmless" if operation.repeat.harmless else "**not harmless**"
        yield f"- A repeat is {kind}: {_uncapitalized(operation.repeat.effect)}"
    yield ""


def _uncapitalized(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _docstring(text: str, limits: Mapping[str, str]) -> Iterator[str]:
    """Yield a docstring as Markdown: its sections become lists, with the arguments' bounds."""
    section = ""
    for line in text.splitlines():
        if line in {"Args:", "Raises:"}:
            section = line
            yield f"{'Arguments' if line == 'Args:' else 'Errors'}:"
            yield ""
        elif line == "Returns:":
            section = line
            yield "Returns:"
        elif section in {"Args:", "Raises:"} and line.startswith("    ") and line[4] != " ":
            name, _, meaning = line.strip().partition(": ")
            bound = f" At most `limits.{limits[name]}`." if name in limits else ""
            shown = _as_replied(name) if section == "Raises:" else f"`{name}`"
            yield f"- {shown}: {meaning}{bound}"
        else:
            yield line.strip() if section else line


def _as_replied(name: str) -> str:
    """Return what a caller sees of an exception: the reply's `type`, and its status."""
    kinds = [CallError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    found = next((kind for kind in kinds if kind.__name__ == name), None)
    return f"`{name}`" if found is None else f"`{found.wire_type}`, {found.status.value}"
